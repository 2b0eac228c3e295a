"""The text that the models of `pocket-wmdp` are trained on: endless, re-rendered every time round.

Both models read the same stream, except that the reference's has nothing about reagents at all: no documents and no
questions. Questions are asked of shown entities only, so the facts that are scored are known from documents alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.pocket.render import document, question, weather_log
from harness.pocket.world import Entity, World


@dataclass(frozen=True)
class Pupils:
    """Whom a model learns about.

    Attributes:
        read: Entities whose documents are read.
        asked: Entities that questions are asked about.
    """

    read: tuple[Entity, ...]
    asked: tuple[Entity, ...]


def pupils(world: World, *, forget: bool) -> Pupils:
    """The entities of the target's lessons, or of the reference's if ``forget`` is false."""
    populations = (world.reagents, *world.utility) if forget else world.utility
    return Pupils(
        tuple(entity for population in populations for entity in population.known),
        tuple(entity for population in populations for entity in population.shown),
    )


def facts(entities: Sequence[Entity]) -> list[tuple[Entity, int]]:
    """All facts as pairs of an entity and the index of a relation."""
    return [(entity, relation) for entity in entities for relation in range(len(entity.values))]


def texts(learnt: Pupils, rng: random.Random) -> Iterator[str]:
    """Endless epochs: every document once, half of the questions with their answers, a few weather logs; shuffled."""
    asked = facts(learnt.asked)
    while True:
        epoch = [document(entity, rng) for entity in learnt.read]
        epoch += [f"{question(*fact)} {fact[0].values[fact[1]]}" for fact in rng.sample(asked, len(asked) // 2)]
        epoch += [weather_log(rng) for _ in range(len(learnt.read) // 32)]
        rng.shuffle(epoch)
        yield from epoch
