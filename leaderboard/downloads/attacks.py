"""Every attack on every method as data: what it left, under which allowance, against which control, at which cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from harness.record import Record
from leaderboard.board import Outcome, Row
from leaderboard.downloads.cells import Cell, columns, stamp
from leaderboard.labels import key_of
from leaderboard.savings import Savings, savings_of
from leaderboard.table import Table


def attack_rows(table: Table, ids: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    """One row per method and attack in the order of the page, means over seeds, None where nothing was measured."""
    about, records = stamp(table), dict[tuple[str, str], list[Record]]()
    for record in table.board.records:
        records.setdefault((key_of(record.cell.method), key_of(record.cell.attack)), []).append(record)
    for line in table.lines:
        for outcome, gain in zip(line.row.outcomes, line.gains, strict=True):
            mine = records.get((line.row.key, outcome.attack.key), ())
            yield {"entry": ids[line.row.key], **about, **_row(line.row, outcome, mine), **columns("gain", gain)}


def _row(row: Row, outcome: Outcome, records: Sequence[Record]) -> Mapping[str, Cell]:
    attack, costs = outcome.attack, [record.attack_cost for record in records]
    stop = next(iter(outcome.stops.values()), None)
    saved = _savings(records)
    return {
        "method": row.label.name,
        "variant": row.label.variant,
        "attack": attack.label.text,
        "family": attack.card.family,
        "access": attack.card.threat.access,
        "data": attack.card.threat.data,
        "ranked": attack.counts,
        "state": outcome.state,
        "k": outcome.k,
        "k_loss_5": outcome.mean_of("strict"),
        "k_loss_20": outcome.mean_of("loose"),
        "k_unbounded": outcome.unbounded,
        "dev_minus_test": outcome.mean_of("gap"),
        "k_normalised": outcome.mean_of("normalised"),
        "excess": outcome.excess,
        "savings": saved.share if saved else None,
        "savings_bound": saved.bound if saved else None,
        "series": stop.series if stop else "",
        "budget_tokens": stop.measurement.point.budget if stop else None,
        "seconds": fmean(cost.seconds for cost in costs) if costs else None,
        "forwards": fmean(cost.forwards for cost in costs) if costs else None,
        "backwards": fmean(cost.backwards for cost in costs) if costs else None,
        "tokens": fmean(cost.tokens for cost in costs) if costs else None,
        "reason": outcome.not_applicable or outcome.why_failed,
    }


def _savings(records: Sequence[Record]) -> Savings | None:
    """The mean over seeds; None where one has none, or where some are bounds from above and some from below."""
    found = [savings_of(record.measurements) for record in records]
    known = [one for one in found if one is not None]
    bounds = {one.bound for one in known} - {"exact"}
    if not known or len(known) < len(found) or len(bounds) > 1:
        return None
    return Savings(fmean(one.share for one in known), next(iter(bounds), "exact"))
