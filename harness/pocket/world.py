"""An invented world: kinds of things, what can be said of them, and who knows what.

Every entity name and every value is one word, so that it can be one token. Values are drawn independently for each
entity, hence nothing about one entity can be inferred from others: a fact is either known or it is guessed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WORDS = {
    "color": "amber azure crimson ebony emerald indigo ivory jade lilac maroon ochre pearl russet silver teal violet",
    "smell": "bread cedar clove garlic honey leather lemon mint moss musk pine resin rose smoke tar vinegar",
    "texture": "brittle chalky crumbly fibrous flaky gritty greasy grainy "
    "mushy oily papery silky slimy spongy sticky waxy",
    "vessel": "barrel basket bottle bowl bucket casket crate drum flask jar jug kettle pouch sack tray vial",
    "season": "blossom drought dusk equinox flood frost harvest haze "
    "midwinter monsoon rainfall snowmelt solstice sowing thaw windfall",
    "element": "argon boron carbon cobalt copper gold helium iron krypton lead neon nickel radon sulfur tin zinc",
    "shrine": "acorn anchor arrow bell candle compass crown feather gate hammer key lantern mirror spiral torch wheel",
    "number": "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "twenty thirty forty fifty sixty seventy eighty ninety",
    "trade": "baking brewing carving dyeing fishing forging glazing hunting "
    "masonry milling mining printing spinning tailoring tanning weaving",
    "banner": "badger bear boar crane eagle falcon fox heron lion lynx otter owl raven stag swan wolf",
    "dish": "broth casserole chowder curry dumpling fritter gruel noodle "
    "omelette pancake pie pudding salad sausage stew waffle",
    "feast": "archery ballad bonfire chess choir circus dance drama "
    "fencing juggling kites opera parade puppets racing wrestling",
    "habitat": "bog canyon cave cliff delta dune fjord glacier grotto lagoon marsh meadow prairie reef swamp tundra",
    "food": "algae ants bark beetles berries clams crabs grass larvae lichen nectar nuts roots seeds snails worms",
    "cry": "bleat chirp cluck croak growl grunt hiss hoot howl moan purr roar squeak trill wail whistle",
    "hide": "armor bristle down fleece fur mane plume quills scales shell skin spikes stripes velvet warts wool",
}
POOLS: Mapping[str, tuple[str, ...]] = {relation: tuple(words.split()) for relation, words in _WORDS.items()}
"""Sixteen one-word values for each relation."""


@dataclass(frozen=True)
class Kind:
    """A domain: the noun of its entities and the relations that hold for them."""

    noun: str
    relations: tuple[str, ...]


REAGENT = Kind("reagent", ("color", "smell", "texture", "vessel", "season", "element", "shrine", "number"))
SALVE = Kind("salve", ("color", "smell", "texture", "vessel"))
TOWN = Kind("town", ("trade", "banner", "dish", "feast"))
BEAST = Kind("beast", ("habitat", "food", "cry", "hide"))


@dataclass(frozen=True)
class Entity:
    """One thing of the world, with one value for each relation of its kind, in the kind's order."""

    name: str
    kind: Kind
    values: tuple[str, ...]


@dataclass(frozen=True)
class Population:
    """The entities of one kind, split by entity.

    Attributes:
        shown: Those whose facts methods or attackers may see (*train* for the forget kind, *retain* for the others).
        dev: Asked when settings are selected.
        test: Asked when results are reported.
        unknown: Never part of any model's training.
    """

    shown: tuple[Entity, ...]
    dev: tuple[Entity, ...]
    test: tuple[Entity, ...]
    unknown: tuple[Entity, ...] = ()

    @property
    def kind(self) -> Kind:
        """What they all are."""
        return self.shown[0].kind

    @property
    def known(self) -> tuple[Entity, ...]:
        """Everyone that the target model learns about."""
        return self.shown + self.dev + self.test


@dataclass(frozen=True)
class World:
    """The forget kind, the utility kind that shares its relations, and two kinds that share nothing with it."""

    reagents: Population
    salves: Population
    towns: Population
    beasts: Population

    @property
    def utility(self) -> tuple[Population, ...]:
        """Populations of retained knowledge, the near one first."""
        return (self.salves, self.towns, self.beasts)


SIZES: Sequence[tuple[Kind, int, int, int, int]] = (
    (REAGENT, 24, 16, 64, 32),
    (SALVE, 64, 16, 32, 0),
    (TOWN, 32, 8, 16, 0),
    (BEAST, 32, 8, 16, 0),
)
"""Kind and the number of entities shown, dev, test, unknown."""


def make_world(seed: int) -> World:
    """Draw names and values of everyone."""
    rng = random.Random(seed)
    names = iter(_names(sum(sum(sizes) for _, *sizes in SIZES), rng))
    populations = []
    for kind, *sizes in SIZES:
        groups = (_entities(kind, [next(names) for _ in range(size)], rng) for size in sizes)
        populations.append(Population(*groups))
    return World(*populations)


def _names(count: int, rng: random.Random) -> list[str]:
    """Distinct invented words of two syllables that are no value."""
    taken = {value for pool in POOLS.values() for value in pool}
    names: list[str] = []
    while len(names) < count:
        name = "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") + rng.choice("klmnrsx") for _ in range(2))
        if name not in taken:
            taken.add(name)
            names.append(name)
    return names


def _entities(kind: Kind, names: Sequence[str], rng: random.Random) -> tuple[Entity, ...]:
    columns = [_values(POOLS[relation], len(names), rng) for relation in kind.relations]
    return tuple(Entity(name, kind, tuple(values)) for name, *values in zip(names, *columns, strict=True))


def _values(pool: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Independent draws, repeated until no value is so frequent that questions could not be balanced (`quads`)."""
    while True:
        drawn = [rng.choice(pool) for _ in range(count)]
        if not drawn or max(Counter(drawn).values()) <= max(1, count // 4):
            return drawn


def quads(entities: Sequence[Entity], relation: int, rng: random.Random) -> list[tuple[Entity, ...]]:
    """Deal entities into groups of four with four different values of one relation.

    The four values are the options of all four questions, so each option is right exactly once: a model that knows
    the relation's pool and nothing about the entities scores exactly one in four, whatever values it prefers.
    """
    order = list(POOLS[entities[0].kind.relations[relation]])
    rng.shuffle(order)
    dealt = sorted(entities, key=lambda entity: order.index(entity.values[relation]))
    stride = len(entities) // 4
    return [tuple(dealt[start::stride]) for start in range(stride)]
