"""What the maintainers' records of a board have in common: by this, whatever is handed in is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TypeVar

from harness.record import AttackCard, BenchmarkCard, Measurement, MethodCard, Record
from leaderboard.groups import card_of, latest

Kind = tuple[str, str, str, bool, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Span:
    """Which numbers there are: zero or not, and the least and the most of the others (0 where there are none)."""

    zero: bool
    least: float
    most: float

    def holds(self, number: float, slack: float) -> bool:
        """Whether a number is one of these, or lies beyond them by no more than a factor."""
        return self.zero if number == 0 else self.least / slack <= number <= self.most * slack


@dataclass(frozen=True)
class PanelAttack:
    """What the records of one attack have in common.

    Attributes:
        stops: Series that every model has under it, with the least number of stops.
        budgets: By series, forget tokens at its stops; they differ a little between seeds.
        budget: The same over all series, for a search names its own.
        applies: Whether the controls were measured under it.
        items: Headline scores that every measurement has, with their numbers of items.
    """

    card: AttackCard
    stops: Mapping[str, int]
    budgets: Mapping[str, Span]
    budget: Span
    applies: bool
    items: Mapping[str, int]


@dataclass(frozen=True)
class Panel:
    """The records of one board: of one benchmark under one engine, at one match.

    Attributes:
        seeds: Of each row, by key of its method.
        scores: By name, what a score is: axis, direction, split, headline, chance.
        sizes: By name, numbers of items of a score.
        excuses: Metrics that have no meaning, with the reason.
        remarks: Sentences that evaluations left.
        budget: Forget tokens at any stop.
        effort: Of unlearning, of any method.
    """

    card: BenchmarkCard
    methods: Mapping[str, MethodCard]
    attacks: Mapping[str, PanelAttack]
    seeds: Mapping[str, frozenset[int]]
    scores: Mapping[str, frozenset[Kind]]
    sizes: Mapping[str, frozenset[int]]
    items: Mapping[str, int]
    excuses: Mapping[str, str]
    remarks: frozenset[str]
    budget: Span
    effort: Span


def panel_of(records: Sequence[Record]) -> Panel:
    """Everything that the records of one board say together."""
    by_attack: dict[str, list[Record]] = {}
    for record in records:
        by_attack.setdefault(record.cell.attack.key, []).append(record)
    stops = list(_measurements(records))
    named = [pair for m in stops for pair in m.scores.items()]
    return Panel(
        card=card_of(records),
        methods={record.cell.method.key: record.method for record in records},
        attacks={key: _attack(group) for key, group in by_attack.items()},
        seeds=_grouped((record.cell.method.key, record.cell.seed) for record in records),
        scores=_grouped((name, (s.axis, s.better, s.split, s.headline, s.chance)) for name, s in named),
        sizes=_grouped((name, score.n) for name, score in named),
        items=_items(records),
        excuses={name: why for m in stops for name, why in m.not_applicable.items()},
        remarks=frozenset(text for m in stops for text in m.remarks),
        budget=span_of(m.point.budget for m in stops),
        effort=span_of(effort(record) for record in records if record.method.role == "method"),
    )


def effort(record: Record) -> float:
    """Token passes of unlearning, a backward one counted twice (leaderboard/secondary.py)."""
    return record.unlearn_cost.token_forwards + 2 * record.unlearn_cost.token_backwards


def stops_of(record: Record) -> Counter[str]:
    """How many stops each series of a record has."""
    return Counter(measurement.point.series for measurement in record.measurements)


def span_of(numbers: Iterable[float]) -> Span:
    """Of numbers that are not negative."""
    found = set(numbers)
    spent = found - {0}
    return Span(0 in found, min(spent, default=0), max(spent, default=0))


def _attack(records: Sequence[Record]) -> PanelAttack:
    stops = [stops_of(record) for record in records if record.measurements]
    points = [m.point for m in _measurements(records)]
    budgets = _grouped((point.series, point.budget) for point in points)
    return PanelAttack(
        card=latest(records).attack,
        stops=reduce(and_, stops) if stops else {},
        budgets={series: span_of(found) for series, found in budgets.items()},
        budget=span_of(point.budget for point in points),
        applies=any(record.measurements for record in records if record.method.role != "method"),
        items=_items(records),
    )


def _measurements(records: Iterable[Record]) -> Iterator[Measurement]:
    return (measurement for record in records for measurement in record.measurements)


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, frozenset[T]]:
    found: dict[str, set[T]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in found.items()}


def _items(records: Iterable[Record]) -> dict[str, int]:
    """Headline scores that every measurement has with the same number of items."""
    found: dict[str, int] | None = None
    for measurement in _measurements(records):
        here = {name: len(score.items) for name, score in measurement.scores.items() if score.headline}
        found = here if found is None else {name: n for name, n in found.items() if here.get(name) == n}
    return found or {}
