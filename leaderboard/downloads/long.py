"""A board in tidy form: one row per entry, measure, attack and seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.record import Measurement
from leaderboard.board import Outcome, Row
from leaderboard.downloads.cells import Cell, ends, leaks_of, stamp
from leaderboard.knowledge import Gauge, Scale
from leaderboard.sampling import Estimate
from leaderboard.table import Line, Table

_T50_BOUNDS = {"exact": "", "at_most": "upper", "more_than": "lower"}
_GAPS = ("failed", "not_run", "not_defined")
"""States of attacks without a value, in the order in which one of them speaks for a family."""


@dataclass(frozen=True)
class _Fact:
    """A value of the table.

    Attributes:
        gap: The state where there is no value.
        items: How many stand behind it, over all its headline scores; None where none are counted or seeds differ.
        bound: ``lower`` or ``upper`` if the value is censored.
    """

    measure: str
    estimate: Estimate
    gap: str
    items: int | None = None
    bound: str = ""


def long_rows(table: Table, ids: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    """Every value of the table with its interval, and K of every attack on every seed; gaps say why they are ones.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
    """
    leaks, scale = leaks_of(table), table.board.scale
    for line in table.lines:
        row = line.row
        head: dict[str, Cell] = {**stamp(table), "entry": ids[row.key], "method": row.label.text}
        for fact in (*_headline(line, scale), *_relearning(line, table), _cost(line), *_leaks(line, leaks)):
            yield _row(head, fact, seeds=len(row.seeds))
        for at, outcome in enumerate(row.outcomes):
            about = {**head, "attack": outcome.attack.label.text}
            for fact in _attacked(line, at, scale):
                yield _row(about, fact, seeds=len(outcome.stops))
            for seed, stop in outcome.stops.items():
                alone = _Fact("k", Estimate(stop.k), "not_defined", _items(scale.forget["test"], [stop.measurement]))
                yield _row({**about, "seed": seed}, alone, seeds=1)


def _headline(line: Line, scale: Scale) -> Iterator[_Fact]:
    """K*, K(0), u and the gain; where attacks are missing, K* and the gain may be higher."""
    row, before = line.row, list(line.row.before.values())
    knowledge, utility = scale.forget["test"], scale.utility["test"]
    after = _stops([row.worst]) if row.worst else before
    gap, bound = _unmeasured(row), "lower" if row.gaps else ""
    yield _Fact("k_star", line.k_star, gap, _items(knowledge, after), bound)
    yield _Fact("k_before", line.k_before, gap, _items(knowledge, before))
    yield _Fact("utility", line.utility, gap, _items(utility, before))
    yield _Fact("gain", line.gain, gap, _items(knowledge, [*after, *before]), bound)


def _relearning(line: Line, table: Table) -> Iterator[_Fact]:
    """What is read off ranked relearning attacks: X, for methods beside a never-learned model, AURC and T50."""
    mine = [o for o in line.row.outcomes if o.attack.counts and o.attack.card.family == "relearn"]
    states = {outcome.state for outcome in mine}
    formed = "not_defined" if "measured" in states else "not_applicable"
    gap = next((state for state in _GAPS if state in states), formed)
    compares = line.row.card.role == "method" and bool(table.board.references)
    no_excess = "not_applicable" if not compares else "not_run" if "measured" in states else gap  # not on the control
    items, t50 = _items(table.board.scale.forget["test"], _stops(mine)), line.row.half_life
    yield _Fact("excess_relearn", line.excess, no_excess, items)
    yield _Fact("aurc", Estimate(line.aurc), gap)
    yield _Fact("t50_tokens", Estimate(t50.tokens if t50 else None), gap, bound=_T50_BOUNDS[t50.bound] if t50 else "")


def _cost(line: Line) -> _Fact:
    """Controls are no methods, and their effort is none of unlearning."""
    gap = "not_defined" if line.row.card.role == "method" else "not_applicable"
    return _Fact("cost_ratio", Estimate(line.cost_ratio), gap)


def _leaks(line: Line, names: Iterable[str]) -> Iterator[_Fact]:
    before = list(line.row.before.values())
    for name in names:
        counted = _counted({m.scores[name].n for m in before if name in m.scores})
        yield _Fact(f"privleak_{name}", line.leaks.get(name, Estimate()), _unmeasured(line.row), counted)


def _attacked(line: Line, at: int, scale: Scale) -> Iterator[_Fact]:
    """K under one attack, mean over seeds, and what it brought back."""
    outcome = line.row.outcomes[at]
    items = _items(scale.forget["test"], _stops([outcome]))
    yield _Fact("k", Estimate(outcome.k), outcome.state, items)
    yield _Fact("gain", line.gains[at], _unmeasured(line.row) if outcome.stops else outcome.state, items)


def _unmeasured(row: Row) -> str:
    """Why there is no value before attack: it was not measured, or no value can be formed of what was."""
    return "not_defined" if row.before else "not_run"


def _stops(outcomes: Iterable[Outcome]) -> list[Measurement]:
    return [stop.measurement for outcome in outcomes for stop in outcome.stops.values()]


def _items(gauges: Sequence[Gauge], measurements: Iterable[Measurement]) -> int | None:
    """Items of these scores together, where all measurements have as many."""
    return _counted({sum(m.scores[g.name].n for g in gauges if g.name in m.scores) for m in measurements})


def _counted(found: set[int]) -> int | None:
    return next(iter(found)) or None if len(found) == 1 else None


def _row(head: dict[str, Cell], fact: _Fact, *, seeds: int) -> dict[str, Cell]:
    value = fact.estimate.value
    low, high = ends(fact.estimate)
    return {
        "attack": "",
        "seed": None,
        **head,
        "measure": fact.measure,
        "value": value,
        "low": low,
        "high": high,
        "bound": "" if value is None else fact.bound,
        "n": None if value is None else fact.items,
        "seeds": seeds,
        "state": fact.gap if value is None else "measured",
    }
