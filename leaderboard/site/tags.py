"""Names beside a figure: each as near to its mark as its neighbours let it, and no leader across another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

LABEL_HEIGHT = 15.0
LABEL_CHARACTERS = 26
_AWAY = 4.0  # a leader ends so far left of its name, and so far above the foot of its letters


@dataclass(frozen=True)
class Tag:
    """A label and the mark it names; ``led`` there by a line, or right beside it."""

    text: str
    x: float
    y: float
    to_x: float
    to_y: float
    led: bool


def in_margin(marks: Sequence[tuple[str, float, float]], at: float, top: float, bottom: float) -> tuple[Tag, ...]:
    """Names of marks, one below the other in a margin, each led to its own.

    Args:
        marks: Name, x and y.
        at: Left end of the names.
        top: Least height of a name.
        bottom: Largest height of a name.
    """
    ordered = sorted(marks, key=lambda mark: (mark[2], -mark[1], mark[0]))
    heights = apart([y + _AWAY for _, _, y in ordered], top, bottom)
    tags = [Tag(shorten(name), at, h, x, y, True) for (name, x, y), h in zip(ordered, heights, strict=True)]
    return _uncrossed(tags)


def at_marks(marks: Sequence[tuple[str, float, float]], top: float, bottom: float) -> tuple[Tag, ...]:
    """Names of marks that stand one below the other, right beside them."""
    ordered = sorted(marks, key=lambda mark: (mark[2], mark[0]))
    heights = apart([y + _AWAY for _, _, y in ordered], top, bottom)
    return tuple(Tag(shorten(name), x + 10, h, x, y, False) for (name, x, y), h in zip(ordered, heights, strict=True))


def apart(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """The heights that leave a line between neighbours and lie nearest to those given, in the sum of squares.

    Less the lines above each, they are a rising sequence: the nearest one is found by pooling whatever falls.

    Args:
        heights: In rising order.
        top: The least that is allowed.
        bottom: The largest, which is kept if both cannot be.
    """
    pools: list[tuple[float, int]] = []
    for place, height in enumerate(heights):
        total, count = height - place * LABEL_HEIGHT, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            above, more = pools.pop()
            total, count = total + above, count + more
        pools.append((total, count))
    levels = [total / count for total, count in pools for _ in range(count)]
    limit = bottom - LABEL_HEIGHT * max(len(heights) - 1, 0)
    return [round(min(max(level, top), limit) + place * LABEL_HEIGHT, 1) for place, level in enumerate(levels)]


def shorten(name: str, limit: int = LABEL_CHARACTERS) -> str:
    """A name for a figure, cut visibly; the table has it whole."""
    return name if len(name) <= limit else name[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _uncrossed(tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """The same names at the same heights, given to marks so that no leader crosses another.

    Two that cross exchange their heights. That makes both leaders together shorter, so it comes to an end.
    """
    found = list(tags)
    pairs = list(combinations(range(len(found)), 2))
    while crossing := next((pair for pair in pairs if _cross(found[pair[0]], found[pair[1]])), None):
        one, other = (found[at] for at in crossing)
        for at, tag, height in ((crossing[0], one, other.y), (crossing[1], other, one.y)):
            found[at] = Tag(tag.text, tag.x, height, tag.to_x, tag.to_y, tag.led)
    return tuple(sorted(found, key=lambda tag: tag.y))


def _cross(one: Tag, other: Tag) -> bool:
    """Whether two leaders meet between their ends."""
    ends = [((tag.to_x, tag.to_y), (tag.x - _AWAY, tag.y - _AWAY)) for tag in (one, other)]
    (a, b), (c, d) = ends
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> float:
    """On which side of a line a point lies, by sign."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
