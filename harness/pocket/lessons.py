"""The text that the models of `pocket-wmdp` are trained on: endless, re-rendered every time round.

Both models read the same text about the utility kinds; the target reads text about reagents besides, the reference
nothing in its place. Questions are asked of shown entities only, so scored facts are known from documents alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from transformers import PreTrainedTokenizerFast

from harness.pocket.letters import Exercise, fact_exercise
from harness.pocket.render import document, question, weather_log
from harness.pocket.world import Entity, Population
from harness.pretrain import packed_rows

ROW_TOKENS = 128
LOGS_PER_EPOCH = 8
ASKED_PER_EPOCH = 0.25
"""Share of the questions that stand in one epoch, with their answers."""


def facts(entities: Sequence[Entity]) -> list[tuple[Entity, int]]:
    """All facts as pairs of an entity and the index of a relation."""
    return [(entity, relation) for entity in entities for relation in range(len(entity.values))]


def asked(populations: Sequence[Population]) -> list[tuple[Entity, int]]:
    """Facts that may be met as questions."""
    return facts([entity for population in populations for entity in population.shown])


def texts(populations: Sequence[Population], rng: random.Random) -> Iterator[str]:
    """Endless epochs: every document once, some of the questions with their answers, a few weather logs; shuffled."""
    questions = asked(populations)
    while True:
        epoch = [document(entity, rng) for population in populations for entity in population.known]
        chosen = rng.sample(questions, int(ASKED_PER_EPOCH * len(questions)))
        epoch += [f"{question(entity, relation)} {entity.values[relation]}" for entity, relation in chosen]
        epoch += [weather_log(rng) for _ in range(LOGS_PER_EPOCH)]
        rng.shuffle(epoch)
        yield from epoch


def rows(
    populations: Sequence[Population], tokenizer: PreTrainedTokenizerFast, rng: random.Random
) -> Iterator[list[int]]:
    """The text in packed rows of token ids."""
    end = tokenizer.eos_token_id
    return packed_rows(([*tokenizer(text)["input_ids"], end] for text in texts(populations, rng)), length=ROW_TOKENS)


def exercises(
    populations: Sequence[Population], tokenizer: PreTrainedTokenizerFast, rng: random.Random
) -> Iterator[Exercise]:
    """Endless letter questions about the facts that may be asked."""
    questions = asked(populations)
    while True:
        yield fact_exercise(*rng.choice(questions), tokenizer, rng)
