"""Geometry of the figures: tables in, coordinates out (SVG user units, rounded to a tenth). Templates draw them.

Every coordinate maps back to its datum: `Axis.place` is linear and `Axis.datum` is its inverse. A value outside its
axis is drawn on the edge with an open mark; the number beside it is never clipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.gates import UTILITY_GATE
from leaderboard.sampling import Estimate
from leaderboard.site.addresses import entry_id
from leaderboard.site.spelling import percent
from leaderboard.site.tags import Tag, at_marks, in_margin
from leaderboard.site.words import called
from leaderboard.table import Line, Table, may_lead

STRIP_WIDTH = 150
WIDE_STRIP = 340
"""On the page of an entry."""
SCATTER_WIDTH, SCATTER_HEIGHT = 860, 400
LABEL_MARGIN = 190  # room for names to the right of the axes
MAX_LABELS = 8
MAX_ON_EDGE = 4  # rows left of the axis whose names stand beside them
MOST_DRAWS = 0.5  # a row that is on the frontier at least so often shows its intervals
CROWDED = 60  # entries beyond which only those with a name beside the figure have a mark of their own
KNOWLEDGE_RANGE = (-0.10, 1.10)
UTILITY_SHOWN_FROM = (0.75, 0.85)  # rows further left are drawn on the edge: they would squeeze all others together


@dataclass(frozen=True)
class Axis:
    """A linear map from data to one coordinate."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Coordinate of a value, held on the axis."""
        inside = min(max(value, self.low), self.high)
        return round(self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    def datum(self, coordinate: float) -> float:
        """Value at a coordinate."""
        return self.low + (coordinate - self.start) / (self.end - self.start) * (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether the value is on the axis."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Mark:
    """A value on an axis: its coordinate, and whether it lies beyond the axis (-1 below, 0 on it, 1 above)."""

    at: float
    beyond: int


@dataclass(frozen=True)
class Strip:
    """K of one row on a fixed axis: before attack, families, worst case with its interval."""

    before: Mark | None
    worst: Mark | None
    whisker: tuple[float, float] | None
    ticks: tuple[tuple[str, float], ...]
    axis: Axis
    one_seed: bool


@dataclass(frozen=True)
class Shot:
    """One row of the scatter: hollow before attack at y0, filled after the worst attack at y1; weak if unranked."""

    name: str
    entry: str
    x: float
    y0: float
    y1: float
    left_of_axis: bool
    bound: bool
    weak: bool
    control: str
    words: str


@dataclass(frozen=True)
class Crowd:
    """Marks that are too many to be named, as one path of each kind; a row and its mark do not find each other here."""

    arrows: str
    after: str
    before: str


@dataclass(frozen=True)
class Scatter:
    """Utility kept against knowledge removed, before and after the worst attack."""

    x: Axis
    y: Axis
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    gate: float
    shots: tuple[Shot, ...]
    named: tuple[Shot, ...]
    crowd: Crowd | None
    tags: tuple[Tag, ...]
    frontier_before: str
    frontier_after: str
    crosses: str


def strip(line: Line, width: int = STRIP_WIDTH) -> Strip:
    """The strip of one row: 0 (floor) to 100 (original) with a tenth on either side."""
    axis = Axis(*KNOWLEDGE_RANGE, 7, width - 7)
    whisker = line.k_star.interval
    values = [(c.family, c.estimate.value) for c in line.families]
    return Strip(
        before=_mark(axis, line.k_before),
        worst=_mark(axis, line.k_star),
        whisker=(axis.place(whisker.low), axis.place(whisker.high)) if whisker else None,
        ticks=tuple((family, axis.place(value)) for family, value in values if value is not None),
        axis=axis,
        one_seed=len(line.row.seeds) == 1,
    )


def _mark(axis: Axis, estimate: Estimate) -> Mark | None:
    value = estimate.value
    if value is None:
        return None
    return Mark(axis.place(value), 0 if axis.holds(value) else (1 if value > axis.high else -1))


def scatter(table: Table) -> Scatter | None:
    """The trade-off of a board, None where no method row has all three numbers."""
    lines = [n for n in table.lines if n.k_star.value is not None and n.utility.value is not None]
    lines = [n for n in lines if n.k_before.value is not None]
    if not any(n.row.card.role == "method" for n in lines):
        return None
    utilities = [_value(n.utility) for n in lines]
    low = math.floor((min(utilities) - 0.02) * 20) / 20
    high = min(max(1.03, math.ceil((max(utilities) + 0.01) * 50) / 50), 1.3)
    x = Axis(min(max(low, UTILITY_SHOWN_FROM[0]), UTILITY_SHOWN_FROM[1]), high, 70, SCATTER_WIDTH - LABEL_MARGIN)
    y = Axis(*KNOWLEDGE_RANGE, SCATTER_HEIGHT - 46, 14)
    shots = tuple(_shot(n, x, y, entry_id(table.board, n.row)) for n in lines)
    wanted = _wanted(shots)
    named = shots if len(shots) <= CROWDED else [shot for shot in shots if shot in set(wanted)]
    compared = [n for n in lines if may_lead(n.row)]
    steps = range(math.ceil(x.low * 20), math.floor(x.high * 20) + 1)
    return Scatter(
        x=x,
        y=y,
        x_ticks=tuple((x.place(i / 20), f"{i * 5}") for i in steps),
        y_ticks=tuple((y.place(i / 5), f"{i * 20}") for i in range(6)),
        gate=x.place(UTILITY_GATE),
        shots=shots,
        named=tuple(named),
        crowd=_crowd([shot for shot in shots if shot not in set(named)]) if len(shots) > CROWDED else None,
        tags=_tags(wanted, x, y),
        frontier_before=_staircase([(n.utility, n.k_before) for n in compared], x, y),
        frontier_after=_staircase([(n.utility, n.k_star) for n in compared], x, y),
        crosses="".join(_cross(n, x, y) for n in compared if (n.on_frontier or 0.0) >= MOST_DRAWS),
    )


def _shot(line: Line, x: Axis, y: Axis, entry: str) -> Shot:
    utility, before, worst = _value(line.utility), _value(line.k_before), _value(line.k_star)
    removed = f"knowledge removed {percent(1 - before)} before attack, {percent(1 - worst)} after the worst"
    return Shot(
        name=called(line.row),
        entry=entry,
        x=x.place(utility),
        y0=y.place(1 - before),
        y1=y.place(1 - worst),
        left_of_axis=utility < x.low,
        bound=bool(line.row.gaps),
        weak=line.row.section not in ("ranked", "reference"),
        control="" if line.row.card.role == "method" else line.row.card.role,
        words=f"{called(line.row)}: utility {percent(utility)}, {removed}",
    )


def _staircase(points: Sequence[tuple[Estimate, Estimate]], x: Axis, y: Axis) -> str:
    """SVG path of the non-dominated set: for each utility, the most that any row with at least it has removed."""
    placed = sorted(((_value(u), 1 - _value(k)) for u, k in points), reverse=True)
    path: list[str] = []
    best = -math.inf
    for utility, removed in placed:
        if removed <= best:
            continue
        path.append(f"M{x.place(utility)} {y.start}V{y.place(removed)}" if not path else f"V{y.place(removed)}")
        best = removed
        rest = [u for u, r in placed if r > removed]
        path.append(f"H{x.place(max(rest)) if rest else x.place(UTILITY_GATE)}")
    return "".join(path)


def _cross(line: Line, x: Axis, y: Axis) -> str:
    """SVG path of the intervals of utility and of K* through a row's mark, with caps; empty where it has none."""
    u, k = line.utility.interval, line.k_star.interval
    if u is None or k is None:
        return ""
    at, height = x.place(_value(line.utility)), y.place(1 - _value(line.k_star))
    across = f"M{x.place(u.low)} {height - 3:.1f}v6m0-3H{x.place(u.high)}m0-3v6"
    return f"{across}M{at - 3:.1f} {y.place(1 - k.low)}h6m-3 0V{y.place(1 - k.high)}m-3 0h6"


def _wanted(shots: Sequence[Shot]) -> list[Shot]:
    """Those that are named: controls, then ranked rows by what they removed, then others; and some beyond the edge."""
    ordered = sorted(shots, key=lambda s: (not s.control, s.weak, s.bound, s.y1, s.name))
    beyond = [shot for shot in ordered if shot.left_of_axis]
    return [shot for shot in ordered if not shot.left_of_axis][:MAX_LABELS] + beyond[:MAX_ON_EDGE]


def _crowd(shots: Sequence[Shot]) -> Crowd:
    return Crowd(
        arrows="".join(f"M{s.x:g} {s.y0:g}V{s.y1:g}" for s in shots),
        after="".join(f"M{s.x - 4:g} {s.y1 - 4:g}h8l-4 7z" for s in shots),
        before="".join(f"M{s.x - 3:g} {s.y0:g}a3 3 0 1 0 6 0a3 3 0 1 0-6 0" for s in shots),
    )


def _tags(wanted: Sequence[Shot], x: Axis, y: Axis) -> tuple[Tag, ...]:
    """Names in the margin, and beside the marks on the left edge."""
    marks = [[(s.name, s.x, s.y1) for s in wanted if s.left_of_axis is beyond] for beyond in (False, True)]
    top = y.end + 8
    return (*in_margin(marks[0], x.end + 16, top, y.start), *at_marks(marks[1], top, y.start - 12))


def tint(value: float | None) -> int:
    """Step 0 to 6 of the heat map for a K between 0 and 1."""
    return 0 if value is None else min(6, max(0, int(value * 7)))


def _value(estimate: Estimate) -> float:
    if estimate.value is None:
        raise ValueError("A row without this number was to be drawn.")
    return estimate.value
