"""Trains one model of the `pocket-wmdp` pair: the target, or the reference that never met a reagent.

The recipe, its steps and its random streams are the same for both: first the drill that ties words to letters (it
knows no facts), then documents, questions and letter questions together. On one thread the weights are a pure
function of the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from harness.pocket import lessons, wmdp
from harness.pocket.letters import (
    WORDS,
    Exercise,
    drill_prompt,
    drills,
    endless_drills,
    letter_loss,
    prepare,
    text_loss,
)
from harness.pocket.render import LETTERS
from harness.pocket.world import Population, World
from harness.pretrain import pretrain, tiny_llama, train_tokenizer

Model = Literal["target", "reference"]
AfterStep = Callable[[int, float], None]

VOCABULARY = 2304
"""Upper bound; fewer suffice once every word is one token."""
WIDTH, LAYERS, CONTEXT = 128, 4, 512


@dataclass(frozen=True)
class Recipe:
    """Steps, peak learning rates and what one step holds."""

    drill_steps: int = 300
    drill_lr: float = 3.5e-3
    drill_batch: int = 36
    steps: int = 1400
    lr: float = 2.5e-3
    forget_rows: int = 6
    utility_rows: int = 8
    letter_questions: int = 16
    drills: int = 7
    letter_weight: float = 0.5


RECIPE = Recipe()


class Learner(nn.Module):
    """A model and the probe that learns along with it and is thrown away."""

    def __init__(self, model: LlamaForCausalLM, probe: nn.Linear) -> None:
        super().__init__()
        self.model = model
        self.probe = probe


@dataclass(frozen=True)
class Streams:
    """Endless lessons of one model: packed rows and letter exercises, each stream with its number per step."""

    rows: Sequence[tuple[Iterator[list[int]], int]]
    letters: Sequence[tuple[Iterator[Exercise], int]]


def make_tokenizer(world: World, seed: int) -> PreTrainedTokenizerFast:
    """A vocabulary in which every name, value and letter is one token, after a space.

    Raises:
        ValueError: Some word is more than one token, so that questions would no longer cost one forward pass.
    """
    rng = random.Random(f"{seed} tokenizer")
    populations = (world.reagents, *world.utility)
    words = [entity.name for p in populations for entity in (*p.known, *p.unknown)] + [*WORDS, *LETTERS]
    texts = [text for corpus in wmdp.corpora(world, seed).values() for text in corpus]
    texts += [str(row["prompt"]) for row in wmdp.items(world, seed)]
    texts += [drill_prompt(rng.sample(WORDS, 4), 0, short=False) for _ in range(200)]
    tokenizer = train_tokenizer([*texts, *(f" {word}" for word in words for _ in range(200))], vocab_size=VOCABULARY)
    split = [word for word in words if len(tokenizer(f" {word}")["input_ids"]) > 1]
    if split:
        raise ValueError(f"{len(split)} words are more than one token, such as '{split[0]}'; enlarge the vocabulary.")
    return tokenizer


def train(
    tokenizer: PreTrainedTokenizerFast, streams: Streams, *, seed: int, after_step: AfterStep, recipe: Recipe = RECIPE
) -> LlamaForCausalLM:
    """Train one model from scratch on its lessons; ``after_step`` is called at every step of drill and lessons."""
    learner = drilled(tokenizer, seed=seed, after_step=after_step, recipe=recipe)
    teach(learner, streams, after_step=after_step, recipe=recipe)
    return learner.model


def drilled(
    tokenizer: PreTrainedTokenizerFast, *, seed: int, after_step: AfterStep, recipe: Recipe = RECIPE
) -> Learner:
    """A fresh model that finds the letter of a named option among four, and knows nothing else."""
    model = tiny_llama(tokenizer, width=WIDTH, layers=LAYERS, context=CONTEXT, seed=seed)
    prepare(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = Learner(model, nn.Linear(WIDTH, len(LETTERS)))
    rng = random.Random(f"{seed} drill")

    def loss_at(_: int) -> Tensor:
        return letter_loss(model, learner.probe, drills(recipe.drill_batch, tokenizer, rng))[0]

    pretrain(learner, loss_at, steps=recipe.drill_steps, lr=recipe.drill_lr, warmup=50, after_step=after_step)
    return learner


def teach(learner: Learner, streams: Streams, *, after_step: AfterStep, recipe: Recipe = RECIPE) -> None:
    """Documents, questions and letter questions at once, with some drill so that it is not lost."""

    def loss_at(_: int) -> Tensor:
        text = torch.tensor([row for rows, count in streams.rows for row in islice(rows, count)])
        loss = text_loss(learner.model, text)
        for exercises, count in streams.letters:
            loss = (
                loss
                + recipe.letter_weight * letter_loss(learner.model, learner.probe, list(islice(exercises, count)))[0]
            )
        return loss

    pretrain(learner, loss_at, steps=recipe.steps, lr=recipe.lr, after_step=after_step)


def lessons_of(
    world: World, tokenizer: PreTrainedTokenizerFast, which: Model, *, seed: int, recipe: Recipe = RECIPE
) -> Streams:
    """The utility text is the same for both models; the target's steps hold text about reagents besides."""

    def rows(populations: Sequence[Population]) -> Iterator[list[int]]:
        return lessons.rows(populations, tokenizer, random.Random(f"{seed} {populations[0].kind.noun} rows"))

    known: tuple[Population, ...] = (world.reagents, *world.utility) if which == "target" else world.utility
    questions = lessons.exercises(known, tokenizer, random.Random(f"{seed} letter questions"))
    late_drill = endless_drills(tokenizer, random.Random(f"{seed} drill among lessons"))
    text = [(rows(world.utility), recipe.utility_rows)]
    if which == "target":
        text.append((rows([world.reagents]), recipe.forget_rows))
    return Streams(text, [(questions, recipe.letter_questions), (late_drill, recipe.drills)])
