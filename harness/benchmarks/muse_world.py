"""The world of a MUSE benchmark: what is forgotten, scored, and shown to whom; a pure function of records and request.

Invariants: no attacker sees an article of a scored passage, question or membership text; items of one article are all
dev or all test, whatever is to be forgotten besides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from harness.api import Item, Split
from harness.benchmarks.content import text_digest
from harness.benchmarks.muse_records import (
    COUNTS,
    FORGET,
    PARTS,
    WIKITEXT,
    Corpus,
    Place,
    Records,
    Request,
    bare,
    has_split,
    ten_shot,
    wikitext,
)
from harness.benchmarks.muse_split import RUN, dev_keys, pieces, shared_runs, sources_of
from harness.errors import UserError
from harness.pocket.news import recipe

UNRELATED = 200
PARAGRAPH_WORDS = 60
"""Shorter lines of WikiText are headings and captions."""
SPLITS: tuple[Split, ...] = ("dev", "test")
LEAST = 2
"""Neither a mean nor an area has a standard error below two items."""


@dataclass(frozen=True)
class Asked:
    """A scored item, the split that it serves, and the article (or piece of a book) that it is taken to be from."""

    item: Item
    split: Split
    home: str


@dataclass(frozen=True)
class World:
    """Everything that a MUSE benchmark shows and asks.

    Attributes:
        forget: The documents to forget, joined and cut as methods read them.
        retain: Documents for the regulariser, likewise.
        attacker_forget: Pieces of forget documents that have nothing to do with what is scored.
        near: Pieces of news (or prose) of the same kind that no model learned; none without hold-out texts.
        unrelated: Texts of another domain.
        solved_forget: Solved questions about the forget set, which stand before every question and are never scored.
        solved_retain: The same about the retain set.
        verbmem: Beginnings and continuations.
        knowmem_forget: Questions about the forget set, without the solved ones before them.
        knowmem_retain: Questions about the retain set.
        members: Membership texts of the forget set.
        others: Membership texts that no model was trained on.
        retained: Membership texts of the retain set.
        origin: Use -> where its texts are from, for uses that may stand on another split than MUSE's.
    """

    forget: tuple[str, ...]
    retain: tuple[str, ...]
    attacker_forget: tuple[str, ...]
    near: tuple[str, ...]
    unrelated: tuple[str, ...]
    solved_forget: tuple[Item, ...]
    solved_retain: tuple[Item, ...]
    verbmem: tuple[Asked, ...]
    knowmem_forget: tuple[Asked, ...]
    knowmem_retain: tuple[Asked, ...]
    members: tuple[str, ...]
    others: tuple[str, ...]
    retained: tuple[str, ...]
    origin: tuple[tuple[str, str], ...]

    def digest(self) -> str:
        """Hex SHA-256 of every text, with what it is used for."""
        shown = [self.forget, self.retain, self.attacker_forget, self.near, self.unrelated]
        solved = [[item.prompt + item.answer for item in part] for part in (self.solved_forget, self.solved_retain)]
        asked = [
            [f"{one.split}\n{one.item.prompt}\n{one.item.answer}" for one in part]
            for part in (self.verbmem, self.knowmem_forget, self.knowmem_retain)
        ]
        return text_digest(text_digest(part) for part in (*shown, *solved, *asked, *self.membership()))

    def membership(self) -> tuple[tuple[str, ...], ...]:
        """The membership texts: forget, hold-out, retain."""
        return self.members, self.others, self.retained

    def scored(self) -> dict[Place, tuple[Asked, ...]]:
        """What the model continues, by the split that it is from."""
        return {
            ("verbmem", "forget"): self.verbmem,
            ("knowmem", "forget_qa"): self.knowmem_forget,
            ("knowmem", "retain_qa"): self.knowmem_retain,
        }

    @property
    def remark(self) -> str:
        """What a reader must know if these are not as many records as MUSE has; else empty."""
        texts = {("privleak", part): texts for part, texts in zip(PARTS, self.membership(), strict=True)}
        found = {place: len(part) for place, part in (*self.scored().items(), *texts.items())}
        other = [f"{n} in {_spelt(p)} where MUSE has {COUNTS[p]}" for p, n in found.items() if n != COUNTS[p]]
        return f"Records: {', '.join(other)}; not comparable with published numbers." if other else ""


@lru_cache(maxsize=4)
def world_of(corpus: Corpus, data_root: str, request: Request, words: int) -> World:
    """Read the records and decide who sees what.

    Args:
        corpus: News or Books.
        data_root: Folder laid out as the hub is; empty for the hub.
        request: What is to be forgotten.
        words: The most words of a piece.

    Raises:
        UserError: A split is missing, malformed or too small to be scored, or has another number of records than MUSE
            has where that is required.
    """
    world = _read(corpus, data_root, request, words)
    _require_enough(world, corpus, data_root)
    return world


def _read(corpus: Corpus, data_root: str, request: Request, words: int) -> World:
    """The world of whatever records there are."""
    records = Records(corpus.dataset, data_root)
    passages, questions = records.passages(), records.questions("forget_qa")
    members, others, retained = (records.texts(("privleak", split)) for split in PARTS)
    units = _units(records.texts(FORGET), corpus, words)
    homes = _homes(passages, units)
    asked_keys = [units[at] for at in sources_of([bare(item) for item in questions], units)]
    dev = dev_keys([*homes, *asked_keys])
    whole = [item.prompt + " " + item.answer for item in passages]
    so_far = _distinct(records, request.so_far(), corpus, words)
    hidden = {*asked_keys, *_touched([*whole, *members], so_far)}
    retain, near = records.retain(), records.near()
    near_units = _distinct(records, [near] if near else [], corpus, words)
    unrelated_from, unrelated = _unrelated(data_root)
    kept_questions = records.questions("retain_qa")
    return World(
        forget=_chunks([text for place in request.now() for text in records.texts(place)], words),
        retain=_chunks(records.texts(retain), words),
        attacker_forget=_cut([unit for unit in so_far if unit not in hidden], words),
        near=_cut(_without(near_units, [*whole, *members, *others, *retained], so_far), words),
        unrelated=unrelated,
        solved_forget=tuple(records.questions("forget_qa_icl")),
        solved_retain=tuple(records.questions("retain_qa_icl")),
        verbmem=_split(passages, homes, dev),
        knowmem_forget=_split(questions, asked_keys, dev),
        knowmem_retain=_split(kept_questions, [item.prompt for item in kept_questions], None),
        members=tuple(members),
        others=tuple(others),
        retained=tuple(retained),
        origin=(("retain", _spelt(retain)), ("near", _spelt(near)), ("unrelated", unrelated_from)),
    )


def halves(world: World, words: int) -> Iterator[tuple[tuple[str, ...], World]]:
    """Each half of the articles of dev items, in pieces, with the dev items of the other half.

    An article that has a rare run of words in common with what is asked is not shown. Items about the retain set are
    asked both times.
    """
    dev = [one for part in (world.verbmem, world.knowmem_forget) for one in part if one.split == "dev"]
    homes = list(dict.fromkeys(one.home for one in dev))
    for shown, asked in ((homes[::2], homes[1::2]), (homes[1::2], homes[::2])):
        mine = {
            name: tuple(one for one in getattr(world, name) if one.split == "dev" and one.home in asked)
            for name in ("verbmem", "knowmem_forget")
        }
        passages = [one.item.prompt + " " + one.item.answer for one in mine["verbmem"]]
        betrayed = _touched(passages, shown)
        kept = tuple(one for one in world.knowmem_retain if one.split == "dev")
        yield (
            _cut([unit for unit in shown if unit not in betrayed], words),
            replace(world, knowmem_retain=kept, verbmem=mine["verbmem"], knowmem_forget=mine["knowmem_forget"]),
        )


def shots(world: World) -> tuple[str, str]:
    """What stands before every question about the forget set, and about the retain set."""
    return ten_shot(world.solved_forget), ten_shot(world.solved_retain)


def _require_enough(world: World, corpus: Corpus, data_root: str) -> None:
    """Refuse records of which a score has fewer than two items."""
    asked = {
        (place, f"{split} items"): [one for one in part if one.split == split]
        for place, part in world.scored().items()
        for split in SPLITS
    }
    texts = {(("privleak", name), "texts"): part for name, part in zip(PARTS, world.membership(), strict=True)}
    for (place, kind), found in (*asked.items(), *texts.items()):
        if len(found) < LEAST:
            raise UserError(
                f"{corpus.dataset}, config '{place[0]}', split '{place[1]}'{f' under {data_root}' * bool(data_root)} "
                f"gives {len(found)} {kind}, and a score needs {LEAST}. Give more records; MUSE has {COUNTS[place]}."
            )


def _units(documents: Sequence[str], corpus: Corpus, words: int) -> list[str]:
    """What is shown or hidden as a whole: an article, or a piece of a book."""
    return list(documents) if corpus.by_article else list(_cut(documents, words))


def _chunks(documents: Sequence[str], words: int) -> tuple[str, ...]:
    """A corpus in pieces, as MUSE trains on it: joined by blank lines, so that a piece may hold several documents."""
    return tuple(pieces("\n\n".join(documents), words))


def _cut(documents: Sequence[str], words: int) -> tuple[str, ...]:
    return tuple(piece for document in documents for piece in pieces(document, words))


def _distinct(records: Records, places: Sequence[Place], corpus: Corpus, words: int) -> list[str]:
    """Units of several splits, each text once: MUSE's folds share 42 to 62 documents (spec B.2)."""
    return list(dict.fromkeys(unit for place in places for unit in _units(records.texts(place), corpus, words)))


def _homes(passages: Sequence[Item], units: Sequence[str]) -> list[str]:
    """The unit that each continuation is from (else the whole passage), or itself where none is found."""
    wholes = [item.prompt + " " + item.answer for item in passages]
    shared = shared_runs([*(item.answer for item in passages), *wholes], units)
    homes = []
    for item, end, whole in zip(passages, shared, shared[len(passages) :], strict=False):
        counts = end or whole
        homes.append(units[max(sorted(counts), key=counts.__getitem__)] if counts else item.answer)
    return homes


def _touched(texts: Sequence[str], units: Sequence[str]) -> set[str]:
    """Units that share a rare run of words with any of the texts, or stand in one as a whole."""
    touched = {units[at] for shared in shared_runs(texts, units) for at in shared}
    everything = "\n\n".join(texts)
    short = [unit for unit in units if len(unit.split()) < RUN]  # these have no run of their own
    return touched | {unit for unit in short if unit.strip() in everything}


def _split(items: Sequence[Item], keys: Sequence[str], dev: frozenset[str] | None) -> tuple[Asked, ...]:
    """Items with their split; without given dev keys these are chosen among the items' own."""
    chosen = dev_keys(keys) if dev is None else dev
    return tuple(Asked(item, "dev" if key in chosen else "test", key) for item, key in zip(items, keys, strict=True))


def _without(units: Sequence[str], scored: Sequence[str], forgotten: Sequence[str]) -> list[str]:
    """Units that have nothing in common with what is scored or forgotten."""
    out = _touched(scored, units) | set(forgotten)
    return [unit for unit in units if unit not in out]


def _spelt(place: Place | None) -> str:
    return "/".join(place) if place else "none"


def _unrelated(data_root: str) -> tuple[str, tuple[str, ...]]:
    """Paragraphs of WikiText, or kitchen texts where a data root lacks it, and the name of what it is."""
    if not has_split(WIKITEXT, data_root):
        chance = random.Random("unrelated")
        return "kitchen texts", tuple(recipe(chance) for _ in range(UNRELATED))
    paragraphs = [line.strip() for line in wikitext(data_root) if len(line.split()) >= PARAGRAPH_WORDS]
    return WIKITEXT.dataset, tuple(paragraphs[:UNRELATED])
