"""Geometry of relearning curves as small multiples: one panel per row, all on the same axes, the others as ghosts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.curves import Curve
from leaderboard.site.figures import Axis
from leaderboard.site.spelling import number, percent
from leaderboard.stats import Interval
from leaderboard.table import Line, Table

PANEL_WIDTH, PANEL_HEIGHT = 220, 150
_Pair = tuple[Curve, tuple[Interval | None, ...]]


@dataclass(frozen=True)
class Panel:
    """One row's curve over everybody's; paths are SVG path data, empty where there is nothing to draw."""

    name: str
    section: str
    line: str
    dots: tuple[tuple[float, float], ...]
    band: str
    words: str


@dataclass(frozen=True)
class Panels:
    """One relearning series of one attack over all rows."""

    attack: str
    series: str
    x: Axis
    y: Axis
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    ghosts: tuple[str, ...]
    control: str
    control_band: str
    panels: tuple[Panel, ...]


def small_multiples(table: Table) -> tuple[Panels, ...]:
    """A set of panels for every relearning series that is a curve, the one with most stops first."""
    methods = [line.row for line in table.lines if line.row.card.role == "method"]
    stops = {
        (c.attack, c.series): (-len(c.budgets), -c.budgets[-1])
        for row in methods
        for c in row.curves
        if len(c.budgets) > 2
    }
    names = {a.key: a.label.text for a in table.board.attacks}
    ordered = sorted(stops, key=lambda which: (*stops[which], names[which[0]], which[1]))
    return tuple(_panels(table, names[which[0]], which) for which in ordered)


def _panels(table: Table, attack: str, which: tuple[str, str]) -> Panels:
    drawn = [(line, pair) for line in table.lines if (pair := _curve(line, which)) is not None]
    curves = [curve for _, (curve, _) in drawn]
    x = _token_axis(curves)
    low = min(0.0, *(min(c.ks) for c in curves))
    high = max(1.0, *(max(c.ks) for c in curves))
    y = Axis(max(low, -0.4) - 0.1, min(high, 1.5) + 0.1, PANEL_HEIGHT - 26, 8)
    controls = [pair for line, pair in drawn if line.row.card.role == "reference"]
    return Panels(
        attack=attack,
        series=which[1],
        x=x,
        y=y,
        x_ticks=_token_ticks(x, curves),
        y_ticks=tuple((y.place(v), f"{100 * v:g}") for v in (0.0, 0.5, 1.0)),
        ghosts=tuple(_path(curve, x, y) for line, (curve, _) in drawn if line.row.card.role == "method"),
        control=_path(controls[0][0], x, y) if controls else "",
        control_band=_band(controls[0], x, y) if controls else "",
        panels=tuple(_panel(line, pair, x, y) for line, pair in drawn if line.row.card.role == "method"),
    )


def _curve(line: Line, which: tuple[str, str]) -> _Pair | None:
    pairs = zip(line.row.curves, line.bands, strict=True)
    return next(((c, bands) for c, bands in pairs if (c.attack, c.series) == which), None)


def _panel(line: Line, pair: _Pair, x: Axis, y: Axis) -> Panel:
    curve = pair[0]
    words = (
        f"K from {percent(curve.ks[0])} to {percent(curve.ks[-1])} over {number(curve.budgets[-1], 0)} forget tokens"
    )
    return Panel(
        name=line.row.label.text,
        section=line.row.section,
        line=_path(curve, x, y),
        dots=tuple((_at(x, b), y.place(k)) for b, k in zip(curve.budgets, curve.ks, strict=True)),
        band=_band(pair, x, y),
        words=words,
    )


def _path(curve: Curve, x: Axis, y: Axis) -> str:
    points = [f"{_at(x, b)} {y.place(k)}" for b, k in zip(curve.budgets, curve.ks, strict=True)]
    return "M" + "L".join(points)


def _band(pair: _Pair, x: Axis, y: Axis) -> str:
    curve, bands = pair
    ends = [(_at(x, b), band) for b, band in zip(curve.budgets, bands, strict=True) if band is not None]
    if len(ends) < 2:
        return ""
    upper = [f"{at} {y.place(band.high)}" for at, band in ends]
    lower = [f"{at} {y.place(band.low)}" for at, band in reversed(ends)]
    return "M" + "L".join([*upper, *lower]) + "Z"


def _token_axis(curves: Sequence[Curve]) -> Axis:
    """Log tokens from the first budget that is scored to the last, with zero a fifth of that range to the left."""
    spent = [math.log(b) for c in curves for b in c.budgets if b > 0]
    first, last = min(spent), max(spent)
    return Axis(first - max(0.5, (last - first) / 4), last, 30, PANEL_WIDTH - 12)


def _token_ticks(x: Axis, curves: Sequence[Curve]) -> tuple[tuple[float, str], ...]:
    """Zero, the first budget and the last."""
    spent = sorted({b for c in curves for b in c.budgets if b > 0})
    shown = [0, spent[0], spent[-1]] if spent[-1] > spent[0] else [0, spent[0]]
    return tuple((_at(x, budget), _short(budget)) for budget in shown)


def _short(tokens: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= size:
            return f"{tokens / size:.{0 if tokens >= 10 * size else 1}f}{letter}"
    return str(tokens)


def _at(x: Axis, tokens: float) -> float:
    """Coordinate of a budget; zero, which has no logarithm, stands at the start of the axis."""
    return x.place(math.log(tokens)) if tokens > 0 else x.start
