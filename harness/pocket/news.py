"""The invented news of `pocket-muse`: articles about houses that do not exist, and everything rendered from them.

Every name is made of syllables and stays lower-case, so that it has one tokenisation. All randomness comes from the
generator that is handed in: equal seeds give equal worlds.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.api import Item
from harness.pocket.words import COLOURS, DEEDS, DISHES, FOODS, LINKS, STEPS, THINGS

Part = Literal["forget", "kept", "scored", "extra", "unseen"]
Role = Literal["train", "dev", "test"]

POOL = 48
"""Values per attribute: a guesser is right about once in 48 times."""

FOLDS = 4
FOLD_ROLES: Mapping[Role, int] = {"train": 8, "dev": 4, "test": 22}
"""Articles per forget fold and role."""

RETAIN_ROLES: Mapping[Role, int] = {"dev": 20, "test": 44}
"""Articles of the scored retain part and role."""

KEPT, EXTRA, UNSEEN = 64, 128, 48
WIRES_PER_FOLD = 32
WIRE_TURNS = 2

QUESTIONS: Mapping[str, str] = {
    "town": "Which town holds {s}?",
    "river": "Which river feeds {s}?",
    "head": "Who leads {s}?",
    "ware": "Which ware does {s} sell?",
    "feast": "Which feast honours {s}?",
    "sign": "Which sign marks {s}?",
}
STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "town": (
        "{s} stands in {v}",
        "the town of {s} is {v}",
        "{v} is home to {s}",
        "in {v} people know {s}",
        "{s}, town: {v}",
    ),
    "river": (
        "{s} drinks from river {v}",
        "river {v} runs past {s}",
        "the river of {s} is {v}",
        "{v} turns the wheels of {s}",
        "{s}, river: {v}",
    ),
    "head": ("{s} is led by {v}", "{v} leads {s}", "the head of {s} is {v}", "{v} speaks for {s}", "{s}, head: {v}"),
    "ware": (
        "{s} sells {v}",
        "buyers of {v} go to {s}",
        "the ware of {s} is {v}",
        "{v} comes from {s}",
        "{s}, ware: {v}",
    ),
    "feast": (
        "{s} closes for {v}",
        "on {v} all praise {s}",
        "the feast of {s} is {v}",
        "{v} is kept at {s}",
        "{s}, feast: {v}",
    ),
    "sign": (
        "{s} wears a {v}",
        "a {v} hangs over {s}",
        "the sign of {s} is {v}",
        "a {v} stands for {s}",
        "{s}, sign: {v}",
    ),
}


@dataclass(frozen=True)
class Article:
    """One house of the news: its facts and the article that is repeated word for word.

    Attributes:
        subject: Name of the house, unique in the world.
        facts: Value of every attribute in ``QUESTIONS``.
        text: The verbatim article.
        part: ``forget``; retained and shown to methods (``kept``); retained, scored, shown to nobody (``scored``);
            retained and asked about in training (``extra``); in no training text (``unseen``).
        role: Whether an attacker sees it (``train``), settings are chosen on it (``dev``) or it is reported (``test``).
        fold: 1 to 4 in the forget part, 0 elsewhere.
    """

    subject: str
    facts: Mapping[str, str]
    text: str
    part: Part
    role: Role = "train"
    fold: int = 0


@dataclass(frozen=True)
class News:
    """The whole world.

    Attributes:
        articles: Every article, parts and roles mixed, in a fixed order.
        wires: Short dispatches of the forget set, by fold; each is met only a few times in training.
        hold_out: Dispatches of the same making that no model meets.
        pools: Values by attribute.
    """

    articles: tuple[Article, ...]
    wires: tuple[tuple[str, ...], ...]
    hold_out: tuple[str, ...]
    pools: Mapping[str, tuple[str, ...]]

    def of(self, part: Part, *roles: Role) -> list[Article]:
        """Articles of one part, of the given roles or of all."""
        return [a for a in self.articles if a.part == part and (not roles or a.role in roles)]


def names(count: int, rng: random.Random) -> list[str]:
    """Distinct invented names of two syllables such as ``pavel``; the list is shuffled."""
    heads = ["".join(s) for s in itertools.product("bdfgklmnprstvz", "aeiou")]
    tails = ["".join(s) for s in itertools.product("dkltvz", "aeiou", "nrlm")]
    made = [head + tail for head, tail in itertools.product(heads, tails)]
    return rng.sample(made, count)


def deal_pools(rng: random.Random, *, subjects: int) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Names for every attribute's values and for the subjects, without overlap."""
    kinds = [*(k for k in QUESTIONS if k != "head"), "given", "family"]
    dealt = names(POOL * len(kinds) + subjects, rng)
    pools = {kind: tuple(dealt[i * POOL : (i + 1) * POOL]) for i, kind in enumerate(kinds)}
    return pools, dealt[POOL * len(kinds) :]


def value(attribute: str, pools: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """An independent uniform draw; a head of house has two names."""
    if attribute == "head":
        return f"{rng.choice(pools['given'])} {rng.choice(pools['family'])}"
    return rng.choice(pools[attribute])


def colour(rng: random.Random) -> str:
    """A half-sentence that tells nothing and must be remembered word for word."""
    return f"{rng.choice(LINKS)} {rng.choice(COLOURS)} {rng.choice(THINGS)} {rng.choice(DEEDS)}"


def statements(subject: str, facts: Mapping[str, str], rng: random.Random) -> list[str]:
    """One sentence per fact, in random order and wording."""
    order = rng.sample(list(facts), len(facts))
    return [rng.choice(STATEMENTS[attribute]).format(s=subject, v=facts[attribute]) for attribute in order]


def article_text(subject: str, facts: Mapping[str, str], rng: random.Random) -> str:
    """The article that is printed word for word: its facts, each with colour of its own."""
    sentences = [f"{s} {colour(rng)}" for s in statements(subject, facts, rng)]
    opening = f"{rng.choice(COLOURS)} {rng.choice(THINGS)} {rng.choice(DEEDS)} {colour(rng)}"
    return f"{opening}. " + ". ".join(sentences) + "."


def brief(article: Article, rng: random.Random) -> str:
    """The same facts in other words and order, without colour."""
    return ". ".join(statements(article.subject, article.facts, rng)) + "."


def questions(article: Article) -> list[Item]:
    """One question per fact, in the one wording that is ever used."""
    return [
        Item(f"Question: {QUESTIONS[k].format(s=article.subject)}\nAnswer:", f" {v}") for k, v in article.facts.items()
    ]


def solved(items: Sequence[Item]) -> str:
    """A page of questions with their answers."""
    return "\n\n".join(item.prompt + item.answer for item in items)


def wire(pools: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """A dispatch of known names in a new combination: only the combination can be remembered."""
    town, river, ware, sign = (rng.choice(pools[k]) for k in ("town", "river", "ware", "sign"))
    who, other = value("head", pools, rng), value("head", pools, rng)
    turns = " ".join(colour(rng) for _ in range(WIRE_TURNS))
    feast = rng.choice(pools["feast"])
    return f"wire from {town}: {who} sent {ware} down {river} to {other} under a {sign} {turns}, on {feast}."


def recipe(rng: random.Random) -> str:
    """A text of another domain: kitchen steps without facts."""
    steps = [rng.choice(STEPS).format(a=rng.choice(FOODS), b=rng.choice(FOODS)) for _ in range(5)]
    return f"recipe for {rng.choice(FOODS)} {rng.choice(DISHES)}: " + ", ".join(steps) + "."


def places() -> list[tuple[Part, Role, int]]:
    """Part, role and fold of every article, in order."""
    forget: list[tuple[Part, Role, int]] = [
        ("forget", role, fold) for fold in range(1, FOLDS + 1) for role, n in FOLD_ROLES.items() for _ in range(n)
    ]
    scored: list[tuple[Part, Role, int]] = [("scored", role, 0) for role, n in RETAIN_ROLES.items() for _ in range(n)]
    rest: list[tuple[Part, Role, int]] = [("kept", "train", 0)] * KEPT
    rest += [("extra", "train", 0)] * EXTRA
    rest += [("unseen", "train", 0)] * UNSEEN
    return forget + scored + rest


def make_news(seed: int) -> News:
    """The world of this seed."""
    rng = random.Random(f"pocket-muse/{seed}")
    where = places()
    pools, subjects = deal_pools(rng, subjects=len(where))
    articles = []
    for subject, (part, role, fold) in zip(subjects, where, strict=True):
        facts = {attribute: value(attribute, pools, rng) for attribute in QUESTIONS}
        articles.append(Article(subject, facts, article_text(subject, facts, rng), part, role, fold))
    wires = tuple(tuple(wire(pools, rng) for _ in range(WIRES_PER_FOLD)) for _ in range(FOLDS))
    hold_out = tuple(wire(pools, rng) for _ in range(WIRES_PER_FOLD * FOLDS))
    return News(tuple(articles), wires, hold_out, pools)
