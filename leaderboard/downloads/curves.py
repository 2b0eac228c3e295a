"""Relearning curves as data: the numbers of the small multiples, one line per stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from leaderboard.downloads.cells import Cell, columns, stamp
from leaderboard.sampling import Estimate
from leaderboard.table import Line, Table


def curve_rows(table: Table, ids: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    """Every stop of every curve that is drawn, in the order of the page; K is the mean over seeds."""
    about, names = stamp(table), {attack.key: attack.label.text for attack in table.board.attacks}
    for line in table.lines:
        for row in _rows(line, names):
            yield {"entry": ids[line.row.key], **about, **row}


def _rows(line: Line, names: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    for curve, bands in zip(line.row.curves, line.bands, strict=True):
        for at, band in enumerate(bands if curve.drawn else ()):
            yield {
                "method": line.row.label.name,
                "variant": line.row.label.variant,
                "attack": names[curve.attack],
                "series": curve.series,
                "counts": curve.counts,
                "budget_tokens": curve.budgets[at],
                **columns("k", Estimate(curve.ks[at], band)),
                "k_taken": curve.taken[at],
                "seeds": len(curve.stops[at]),
            }
