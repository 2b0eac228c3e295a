"""Geometry of relearning curves as small multiples on common axes: one series of all rows, or all series of one row."""

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
MOST = 40
"""Panels of one series: every panel shows all the others behind it, so a page grows with the square of their number."""
_Pair = tuple[Curve, tuple[Interval | None, ...]]


@dataclass(frozen=True)
class Panel:
    """One curve beside that of the never-learned model; paths are SVG path data, empty where nothing is to be drawn."""

    name: str
    section: str
    line: str
    dots: tuple[tuple[float, float], ...]
    band: str
    control: str
    control_band: str
    words: str


@dataclass(frozen=True)
class Panels:
    """Curves on common axes, those of the other panels behind each.

    Attributes:
        attack: Of the series; empty if the panels are of several.
        rows: How many rows have this series; those without a panel show it on their own pages.
    """

    attack: str
    series: str
    x: Axis
    y: Axis
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    ghosts: tuple[str, ...]
    panels: tuple[Panel, ...]
    rows: int = 1

    @property
    def control(self) -> bool:
        """Whether the never-learned model stands in some panel."""
        return any(panel.control for panel in self.panels)


def small_multiples(table: Table) -> tuple[Panels, ...]:
    """Panels for every relearning series that is a curve of several rows, the one with most stops first."""
    methods = [line.row for line in table.lines if line.row.card.role == "method"]
    owners: dict[tuple[str, str], list[Curve]] = {}
    for row in methods:
        for curve in row.curves:
            if curve.drawn:
                owners.setdefault((curve.attack, curve.series), []).append(curve)
    drawn = {which: curves for which, curves in owners.items() if len(curves) > 1 or len(methods) == 1}
    names = {a.key: a.label.text for a in table.board.attacks}
    longest = {which: max((len(c.budgets), c.budgets[-1]) for c in curves) for which, curves in drawn.items()}
    ordered = sorted(drawn, key=lambda w: (-longest[w][0], -longest[w][1], names[w[0]], w[1]))
    return tuple(_over_rows(table, names[which[0]], which) for which in ordered)


def of_row(table: Table, line: Line) -> Panels | None:
    """One panel for every relearning series of a row that is a curve; None without one."""
    names = {a.key: a.label.text for a in table.board.attacks}
    pairs = [(c, bands) for c, bands in zip(line.row.curves, line.bands, strict=True) if c.drawn]
    if not pairs:
        return None
    x, y = _axes([curve for curve, _ in pairs])
    panels = []
    for curve, bands in pairs:
        control = _control(table, (curve.attack, curve.series))
        title = ", ".join(part for part in (names[curve.attack], curve.series) if part)
        panels.append(_panel(_Named(title, ""), (curve, bands), control, x, y))
    return Panels("", "", x, y, _token_ticks(x, [c for c, _ in pairs]), _y_ticks(y), (), tuple(panels))


@dataclass(frozen=True)
class _Named:
    name: str
    section: str


def _over_rows(table: Table, attack: str, which: tuple[str, str]) -> Panels:
    found = [(line, pair) for line in table.lines if (pair := _curve(line, which)) is not None]
    owners = [line.row.key for line, _ in found if line.row.card.role == "method"]
    drawn = [(line, pair) for line, pair in found if line.row.key not in owners[MOST:]]
    curves = [curve for _, (curve, _) in drawn]
    x, y = _axes(curves)
    control = _control(table, which)
    methods = [(line, pair) for line, pair in drawn if line.row.card.role == "method"]
    return Panels(
        attack=attack,
        series=which[1],
        x=x,
        y=y,
        x_ticks=_token_ticks(x, curves),
        y_ticks=_y_ticks(y),
        ghosts=tuple(_path(curve, x, y) for _, (curve, _) in methods),
        panels=tuple(_panel(_Named(n.row.label.text, n.row.section), pair, control, x, y) for n, pair in methods),
        rows=len(owners),
    )


def _axes(curves: Sequence[Curve]) -> tuple[Axis, Axis]:
    low = min(0.0, *(min(c.ks) for c in curves))
    high = max(1.0, *(max(c.ks) for c in curves))
    return _token_axis(curves), Axis(max(low, -0.4) - 0.1, min(high, 1.5) + 0.1, PANEL_HEIGHT - 26, 8)


def _y_ticks(y: Axis) -> tuple[tuple[float, str], ...]:
    return tuple((y.place(v), f"{100 * v:g}") for v in (0.0, 0.5, 1.0))


def _control(table: Table, which: tuple[str, str]) -> _Pair | None:
    """The same series of the never-learned model."""
    lines = [line for line in table.lines if line.row.card.role == "reference"]
    return next((pair for line in lines if (pair := _curve(line, which)) is not None), None)


def _curve(line: Line, which: tuple[str, str]) -> _Pair | None:
    pairs = zip(line.row.curves, line.bands, strict=True)
    return next(((c, bands) for c, bands in pairs if (c.attack, c.series) == which), None)


def _panel(named: _Named, pair: _Pair, control: _Pair | None, x: Axis, y: Axis) -> Panel:
    curve = pair[0]
    words = f"K from {percent(curve.ks[0])} to {percent(curve.ks[-1])} over {number(curve.budgets[-1], 0)} tokens"
    return Panel(
        name=named.name,
        section=named.section,
        line=_path(curve, x, y),
        dots=tuple((_at(x, b), y.place(k)) for b, k in zip(curve.budgets, curve.ks, strict=True)),
        band=_band(pair, x, y),
        control=_path(control[0], x, y) if control else "",
        control_band=_band(control, x, y) if control else "",
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


def main_curve(line: Line) -> Curve | None:
    """The row's longest common relearning curve; None without one."""
    common = [c for c in line.row.curves if c.counts and c.drawn] or [c for c in line.row.curves if c.counts]
    return max(common, key=lambda c: (len(c.budgets), c.budgets[-1], c.series), default=None)


def spark(line: Line) -> str:
    """SVG path of the row's main curve, 96 by 24, K from 0 to 1 held on it; empty without one."""
    curve = main_curve(line)
    if curve is None:
        return ""
    x = Axis(0, math.log2(1 + curve.budgets[-1]) or 1, 1, 95)
    y = Axis(0.0, 1.0, 23, 1)
    points = zip(curve.budgets, curve.ks, strict=True)
    return "M" + "L".join(f"{x.place(math.log2(1 + b)):.0f} {y.place(k):.0f}" for b, k in points)
