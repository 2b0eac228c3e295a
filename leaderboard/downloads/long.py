"""A board in tidy form: one row per entry, measure, attack and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from leaderboard.downloads.tables import Cell, stamp
from leaderboard.sampling import Estimate
from leaderboard.table import Line, Table


def long_rows(table: Table, ids: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    """Every value of the table with its interval, and K of every attack on every seed; gaps say why they are ones.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
    """
    for line in table.lines:
        head: dict[str, Cell] = {**stamp(table), "entry": ids[line.row.key], "method": line.row.label.text}
        for measure, estimate in _values(line):
            yield _row(head, measure, estimate, seeds=len(line.row.seeds))
        for at, outcome in enumerate(line.row.outcomes):
            mean = Estimate(outcome.k)
            about = {**head, "attack": outcome.attack.label.text}
            yield _row(about, "k", mean, seeds=len(outcome.stops), state=outcome.state)
            yield _row(about, "gain", line.gains[at], seeds=len(outcome.stops), state=outcome.state)
            for seed, stop in outcome.stops.items():
                yield _row({**about, "seed": seed}, "k", Estimate(stop.k), seeds=1, state="measured")


def _values(line: Line) -> Iterator[tuple[str, Estimate]]:
    yield "k_star", line.k_star
    yield "k_before", line.k_before
    yield "utility", line.utility
    yield "gain", line.gain
    yield "excess_relearn", line.excess
    yield "aurc", Estimate(line.aurc)
    yield "cost_ratio", Estimate(line.cost_ratio)
    yield "t50_tokens", Estimate(line.row.half_life.tokens if line.row.half_life else None)


def _row(head: dict[str, Cell], measure: str, estimate: Estimate, *, seeds: int, state: str = "") -> dict[str, Cell]:
    low, high = (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    return {
        "attack": "",
        "seed": None,
        **head,
        "measure": measure,
        "value": estimate.value,
        "low": None if low is None else round(low, 6),
        "high": None if high is None else round(high, 6),
        "seeds": seeds,
        "state": state or ("measured" if estimate.value is not None else "not_run"),
    }
