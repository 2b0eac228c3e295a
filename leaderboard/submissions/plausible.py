"""Can a record be what it says? No number is worked with, and no text shown, before it was looked at here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from harness.record import Cost, Record, Score
from leaderboard.submissions.about import LONGEST_NAME, LONGEST_NOTE, Problem
from leaderboard.submissions.pack import archive_of
from leaderboard.submissions.texts import named, plain

ROUNDING = 1e-6
_MOST_ITEMS, _MOST_TOKENS, _LAST_SEED, _MOST = 10**6, 2**53, 2**31, 1e18
_MOST_PARTS = 1000
"""Of a mapping or a list."""
_FEW_PARTS = 50
_FEW = ("distributions", "remarks")
"""Of these, which are shown in full, so many."""
_LONGEST_KEY = 100
_SEVERAL_LINES = 1000
"""A text that may be longer than this is one that a model reads, and may have several lines."""
_LONGEST = {
    "name": LONGEST_NAME,
    "family": LONGEST_NAME,
    "setting": LONGEST_NAME,
    "series": 100,
    "provenance": 100,
    "params": 1000,
    "content": 1000,
    "benchmark": 2000,
    "prompts": 2**16,
}
"""Characters of a text, by the innermost field that is named here; of every other text as many as a note has."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_STARTED = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d[0-9:.+Z-]{0,20}")
_CLOCKS_APART = timedelta(days=1)


def implausible(record: Record) -> Iterator[Problem]:
    """Numbers out of their range, texts that hide, and totals that are not the mean of their items: all fatal."""
    file = archive_of(record)
    for where, text in (*_parts(record), *_names(record), *_numbers(record)):
        yield Problem(file, f"{record.id}, {where}", text, fatal=True)
    for at, measurement in enumerate(record.measurements):
        for name, score in measurement.scores.items():
            for text in _wrong(score):
                yield Problem(file, f"{record.id}, stop {at}, {name[:LONGEST_NAME]}", text, fatal=True)


@dataclass(frozen=True)
class _Place:
    """Where in a record something stands, and how long a text may be there."""

    words: str = ""
    longest: int = LONGEST_NOTE

    def inside(self, name: object, longest: int | None = None) -> _Place:
        """A part of it."""
        return _Place(f"{self.words}.{str(name)[:LONGEST_NAME]}".removeprefix("."), longest or self.longest)


def _parts(value: object, place: _Place = _Place()) -> Iterator[tuple[str, str]]:
    """What is wrong with any text or number of a record, wherever it stands; items are looked at with their score."""
    if isinstance(value, str):
        yield from ((place.words, wrong) for wrong in _text(value, place.longest))
    elif isinstance(value, (int, float)) and not abs(value) <= _MOST:
        yield place.words, f"is a number beyond {_MOST:g}"
    elif is_dataclass(value):
        for field in fields(value):
            if field.name != "items":
                yield from _parts(getattr(value, field.name), place.inside(field.name, _LONGEST.get(field.name)))
    elif isinstance(value, (Mapping, tuple)):
        most = _FEW_PARTS if place.words.endswith(_FEW) else _MOST_PARTS
        if len(value) > most:
            yield place.words, f"has {len(value)} parts; at most {most} are taken"
            return
        for key in value if isinstance(value, Mapping) else ():
            yield from ((place.inside(key).words, wrong) for wrong in _name(key))
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _parts(part, place.inside(key))


def _text(text: str, longest: int) -> Iterator[str]:
    if len(text) > longest:
        yield f"has {len(text)} characters; at most {longest} are taken"
    try:
        plain(text.replace("\n", "").replace("\t", "") if longest >= _SEVERAL_LINES else text)
    except ValueError as error:
        yield str(error)


def _name(text: str) -> Iterator[str]:
    if len(text) > _LONGEST_KEY:
        yield f"is a name of {len(text)} characters; at most {_LONGEST_KEY} are taken"
    try:
        named(text)
    except ValueError as error:
        yield str(error)


def _names(record: Record) -> Iterator[tuple[str, str]]:
    """Names of components, which others must not be taken for, and the date."""
    for where in ("cell.benchmark.name", "cell.method.name", "cell.attack.name", "cell.engine.name"):
        if not _NAME.fullmatch(attrgetter(where)(record)):
            yield where, "is no name of a component: letters, digits and _ . + - after the first"
    if wrong := _date(record.provenance.started):
        yield "provenance.started", wrong


def _date(text: str) -> str:
    try:
        at = datetime.fromisoformat(text) if _STARTED.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None:
        return "is no date and time, such as 2026-11-27T09:30:00+00:00"
    late = at.replace(tzinfo=at.tzinfo or UTC) > datetime.now(UTC) + _CLOCKS_APART
    return "lies in the future" if late else ""


def _numbers(record: Record) -> Iterator[tuple[str, str]]:
    if not 0 <= record.cell.seed <= _LAST_SEED:
        yield "seed", f"lies outside 0 to {_LAST_SEED}"
    for measurement in record.measurements:
        if not 0 <= measurement.point.budget <= _MOST_TOKENS:
            yield "a stop", f"spends less than nothing or more than {_MOST_TOKENS} tokens"
    for stage, cost in (("unlearning", record.unlearn_cost), ("attack", record.attack_cost)):
        for field in _costs(cost):
            yield f"cost of {stage}", f"{field} lies outside 0 to {_MOST:g}"
    cost = record.unlearn_cost
    if cost.token_forwards + cost.token_backwards > 0 and cost.token_forwards < max(1, cost.steps):
        yield "cost of unlearning", f"has {cost.steps} steps and {cost.token_forwards:g} tokens forward, not one each"


def _costs(cost: Cost) -> Iterator[str]:
    return (name for name, value in asdict(cost).items() if value is not None and not 0 <= value <= _MOST)


def _wrong(score: Score) -> Iterator[str]:
    if not 1 <= score.n <= _MOST_ITEMS or not 0 <= score.stderr <= 1:
        yield f"has a number of items outside 1 to {_MOST_ITEMS}, or a standard error outside 0 to 1"
        return
    if not abs(score.value) <= _MOST or (score.headline and not 0 <= score.value <= 1):
        yield "has a value out of range: a headline score lies between 0 and 1"
    if not score.items:
        return
    if len(score.items) != score.n:
        yield f"has {len(score.items)} items and says {score.n}"
    if not all(abs(item) <= _MOST for item in score.items):
        yield "has an item out of range"
        return
    mean = math.fsum(score.items) / len(score.items)
    if abs(mean - score.value) > ROUNDING:
        yield f"is {score.value:.6f}, and the mean of its items is {mean:.6f}"
    elif len(score.items) > 1:
        spread = math.fsum((item - mean) ** 2 for item in score.items) / (len(score.items) - 1)
        error = math.sqrt(spread / len(score.items))
        if score.axis != "privacy" and abs(error - score.stderr) > ROUNDING:
            yield f"has standard error {score.stderr:.6f}, and its items give {error:.6f}"
