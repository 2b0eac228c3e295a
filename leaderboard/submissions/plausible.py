"""Can a record be what it says? No number is worked with, and no text shown, before it was looked at here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from operator import attrgetter

from harness.archive import SUFFIX
from harness.record import Cost, Record, Score
from leaderboard.slugs import stem
from leaderboard.submissions.about import LONGEST_NAME, LONGEST_NOTE, Problem, plain
from leaderboard.submissions.pack import RECORDS

ROUNDING = 1e-6
_MOST_ITEMS, _MOST_TOKENS, _LAST_SEED, _MOST_COST = 10**6, 2**53, 2**31, 1e18
_NAMES = ("cell.benchmark.name", "cell.method.name", "cell.attack.name", "cell.engine.name")
_TEXTS = ("method.summary", "method.family", "method.citation", "attack.summary", "attack.citation", "not_applicable")
_STARTED = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d[0-9:.+Z-]{0,20}")


def implausible(record: Record) -> Iterator[Problem]:
    """Numbers out of their range, texts that hide, and totals that are not the mean of their items: all fatal."""
    file = f"{RECORDS}/{stem(record.cell.benchmark.name)}/{stem(record.cell.method.name)}{SUFFIX}"
    for where, text in (*_texts(record), *_numbers(record)):
        yield Problem(file, f"{record.id}, {where}", text, fatal=True)
    for at, measurement in enumerate(record.measurements):
        for name, score in measurement.scores.items():
            for text in _wrong(score):
                yield Problem(file, f"{record.id}, stop {at}, {name[:LONGEST_NAME]}", text, fatal=True)


def _texts(record: Record) -> Iterator[tuple[str, str]]:
    for where in (*_NAMES, *_TEXTS):
        text: str = attrgetter(where)(record)
        limit = LONGEST_NAME if where in _NAMES else LONGEST_NOTE
        if len(text) > limit:
            yield where, f"has {len(text)} characters; at most {limit} are taken"
        try:
            plain(text)
        except ValueError as error:
            yield where, str(error)
        if where in _NAMES and not text:
            yield where, "is empty"
    if not _STARTED.fullmatch(record.provenance.started):
        yield "provenance.started", "is no date and time, such as 2026-11-27T09:30:00+00:00"


def _numbers(record: Record) -> Iterator[tuple[str, str]]:
    if not 0 <= record.cell.seed <= _LAST_SEED:
        yield "seed", f"lies outside 0 to {_LAST_SEED}"
    for measurement in record.measurements:
        if not 0 <= measurement.point.budget <= _MOST_TOKENS:
            yield "a stop", f"spends less than nothing or more than {_MOST_TOKENS} tokens"
    for stage, cost in (("unlearning", record.unlearn_cost), ("attack", record.attack_cost)):
        for field in _costs(cost):
            yield f"cost of {stage}", f"{field} lies outside 0 to {_MOST_COST:g}"


def _costs(cost: Cost) -> Iterator[str]:
    return (name for name, value in asdict(cost).items() if value is not None and not 0 <= value <= _MOST_COST)


def _wrong(score: Score) -> Iterator[str]:
    if not 1 <= score.n <= _MOST_ITEMS or not 0 <= score.stderr <= 1:
        yield f"has a number of items outside 1 to {_MOST_ITEMS}, or a standard error outside 0 to 1"
        return
    if not abs(score.value) <= _MOST_COST or (score.headline and not 0 <= score.value <= 1):
        yield "has a value out of range: a headline score lies between 0 and 1"
    if not score.items:
        return
    if len(score.items) != score.n:
        yield f"has {len(score.items)} items and says {score.n}"
    if not all(abs(item) <= _MOST_COST for item in score.items):
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
