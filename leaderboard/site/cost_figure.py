"""What robustness costs: K* of every method against its effort, on a logarithmic axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboard.site.figures import KNOWLEDGE_RANGE, Axis
from leaderboard.site.spelling import number, percent
from leaderboard.site.tags import Tag, in_margin
from leaderboard.table import Line, Table

WIDTH, HEIGHT, MARGIN = 860, 320, 190
NAMED = 12  # rows with least K* whose names stand in the margin


@dataclass(frozen=True)
class Dot:
    """One method: effort to the right, K* upwards."""

    x: float
    y: float
    bound: bool
    weak: bool
    words: str


@dataclass(frozen=True)
class CostFigure:
    """Dots on common axes, the first of the board named."""

    x: Axis
    y: Axis
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    dots: tuple[Dot, ...]
    tags: tuple[Tag, ...]


def cost_figure(table: Table) -> CostFigure | None:
    """None where fewer than two methods have both numbers."""
    lines = [line for line in table.lines if line.cost_ratio is not None and line.k_star.value is not None]
    if len(lines) < 2:
        return None
    powers = [math.log2(_ratio(line)) for line in lines]
    x = Axis(math.floor(min(powers)) - 0.2, math.ceil(max(powers)) + 0.2, 70, WIDTH - MARGIN)
    y = Axis(*KNOWLEDGE_RANGE, HEIGHT - 46, 12)
    dots = tuple(_dot(line, x, y) for line in lines)
    ticks = range(math.ceil(x.low), math.floor(x.high) + 1)
    return CostFigure(
        x=x,
        y=y,
        x_ticks=tuple((x.place(power), f"{2.0**power:g}") for power in ticks),
        y_ticks=tuple((y.place(i / 5), f"{20 * i}") for i in range(6)),
        dots=dots,
        tags=_tags(list(zip(lines, dots, strict=True)), x, y),
    )


def _dot(line: Line, x: Axis, y: Axis) -> Dot:
    row = line.row
    k = line.k_star.value or 0.0
    return Dot(
        x=x.place(math.log2(_ratio(line))),
        y=y.place(k),
        bound=bool(row.gaps),
        weak=row.section != "ranked",
        words=f"{row.label.text}: cost {number(_ratio(line))}, K* {percent(k)}",
    )


def _tags(pairs: list[tuple[Line, Dot]], x: Axis, y: Axis) -> tuple[Tag, ...]:
    first = sorted(pairs, key=lambda p: (p[1].weak, p[1].bound, -p[1].y, p[0].row.label.text))[:NAMED]
    marks = [(line.row.label.text, dot.x, dot.y) for line, dot in first]
    return in_margin(marks, x.end + 16, y.end + 8, y.start)


def _ratio(line: Line) -> float:
    if line.cost_ratio is None:
        raise ValueError("A row without a cost was to be drawn.")
    return line.cost_ratio
