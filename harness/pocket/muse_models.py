"""Trains one model of the `pocket-muse` pair: the target, or the reference that never met the forget set.

Both take the same number of equal steps from the same initial weights. Where the target's batches hold forget rows,
the reference's hold further rows of the retain stream: with nothing in their place it ended 4 points of KnowMem below
the target on retained news. On one thread the weights are a pure function of the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from harness.pocket.news import News, brief, questions, recipe, solved
from harness.pretrain import packed_rows, pretrain, tiny_llama, train_tokenizer

Model = Literal["target", "reference"]
Side = Literal["forget", "retain"]
AfterStep = Callable[[int, float], None]

VOCABULARY = 2048
WIDTH, LAYERS, CONTEXT = 128, 4, 512


@dataclass(frozen=True)
class Recipe:
    """What one model is trained with.

    Attributes:
        steps: Updates.
        lr: Peak learning rate.
        row: Tokens per training row.
        forget_rows: Rows per step about the forget set; of the retain stream in the reference.
        retain_rows: Rows per step about everything else.
        wire_epochs: Epochs of the forget stream that hold the dispatches: as often as they are met in training.
        recipes: Texts of the other domain per epoch.
    """

    steps: int = 1500
    lr: float = 3e-3
    row: int = 128
    forget_rows: int = 5
    retain_rows: int = 11
    wire_epochs: tuple[int, ...] = (15, 30, 45)
    recipes: int = 24


RECIPE = Recipe()


def make_tokenizer(news: News) -> PreTrainedTokenizerFast:
    """A vocabulary of whole words; hold-out texts take part, so that tokenisation does not betray membership."""
    rng = random.Random("tokenizer")
    texts = [a.text for a in news.articles] + [brief(a, rng) for a in news.articles]
    texts += [solved(questions(a)) for a in news.articles] + [recipe(rng) for _ in range(200)]
    texts += [text for fold in news.wires for text in fold] + list(news.hold_out)
    names = [name for pool in news.pools.values() for name in pool] + [a.subject for a in news.articles]
    tokenizer = train_tokenizer(texts + [f" {name}" for name in names for _ in range(200)], vocab_size=VOCABULARY)
    split = [name for name in names if len(tokenizer(f" {name}").input_ids) > 1]
    if split:
        raise ValueError(f"{len(split)} names are more than one token, such as '{split[0]}'; enlarge the vocabulary.")
    return tokenizer


def forget_epoch(news: News, epoch: int, rng: random.Random) -> list[str]:
    """One epoch about the forget set: every article as printed, a fresh brief of each, now and then the dispatches."""
    articles = news.of("forget")
    texts = [a.text for a in articles] + [brief(a, rng) for a in articles]
    if epoch in RECIPE.wire_epochs:
        texts += [text for fold in news.wires for text in fold]
    rng.shuffle(texts)
    return texts


def retain_epoch(news: News, epoch: int, rng: random.Random) -> list[str]:
    """One epoch about everything else that is learned; only the extra articles are asked about."""
    retained = news.of("kept") + news.of("scored")
    texts = [a.text for a in retained] + [brief(a, rng) for a in [*retained, *news.of("extra")]]
    texts += question_pages(news, rng) + [recipe(rng) for _ in range(RECIPE.recipes)]
    rng.shuffle(texts)
    return texts


def question_pages(news: News, rng: random.Random) -> list[str]:
    """Solved questions about the extra articles, on pages of one to four."""
    items = [item for a in news.of("extra") for item in questions(a)]
    rng.shuffle(items)
    pages = []
    while items:
        n = rng.choice((1, 1, 2, 4))
        pages.append(solved(items[:n]))
        items = items[n:]
    return pages


def rows(news: News, side: Side, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[list[int]]:
    """Endless packed rows of one side, rendered anew and shuffled every epoch."""
    rng = random.Random(f"{side}/{seed}")
    render = forget_epoch if side == "forget" else retain_epoch

    def encoded() -> Iterator[list[int]]:
        epoch = 0
        while True:
            for ids in tokenizer(render(news, epoch, rng)).input_ids:
                yield [*ids, tokenizer.eos_token_id]
            epoch += 1

    return packed_rows(encoded(), length=RECIPE.row)


def train(
    news: News,
    tokenizer: PreTrainedTokenizerFast,
    which: Model,
    *,
    seed: int,
    after_step: AfterStep,
    steps: int = RECIPE.steps,
) -> LlamaForCausalLM:
    """Train one model of the pair from scratch; tests take fewer steps."""
    model = tiny_llama(tokenizer, width=WIDTH, layers=LAYERS, context=CONTEXT, seed=seed)
    retain = rows(news, "retain", tokenizer, seed)
    forget = rows(news, "forget", tokenizer, seed) if which == "target" else None

    def loss_at(step: int) -> Tensor:
        batch = [next(retain) for _ in range(RECIPE.retain_rows)]
        batch += [next(retain if forget is None else forget) for _ in range(RECIPE.forget_rows)]
        ids = torch.tensor(batch)  # (B, T); the model shifts the labels by one
        loss: Tensor = model(input_ids=ids, labels=ids).loss
        return loss

    pretrain(model, loss_at, steps=steps, lr=RECIPE.lr, after_step=after_step)
    return model
