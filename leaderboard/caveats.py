"""What must be said of a row beside its numbers, lest they be misread (B.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.record import Measurement, Record
from leaderboard.knowledge import Ruler
from leaderboard.stops import drifted

BROKEN = 0.80  # u below which silence says nothing, be it before mending or after
REPAIRED = "repaired"  # in the name of a series that mends a model first


def caveats(
    utility: float | None, records: Sequence[Record], before: Mapping[int, Measurement], ruler: Ruler
) -> Iterator[str]:
    """One sentence each: nothing was forgotten, the floor was undercut, the model is broken, a score drifted.

    Args:
        utility: u before attack.
        records: Of the row.
        before: The row before attack, by seed.
        ruler: The board's.
    """
    yield from _edges(before, ruler)
    yield from _broken(utility, records, ruler)
    yield from drifted(records, before)


def _edges(before: Mapping[int, Measurement], ruler: Ruler) -> Iterator[str]:
    if before and all(ruler.unchanged(m) for m in before.values()):
        yield "not measurably below the original"
    if any(ruler.below_floor(m) for m in before.values()):
        yield "below the floor"


def _broken(utility: float | None, records: Sequence[Record], ruler: Ruler) -> Iterator[str]:
    """What must be said of a model that lost its utility: it cannot show what it kept unless it is mended (B.7)."""
    if utility is None or utility >= BROKEN:
        return
    mended = [m for r in records for m in r.measurements if REPAIRED in m.point.series]
    points = [(u, k) for m in mended if (u := ruler.utility(m)) is not None and (k := ruler.knowledge(m)) is not None]
    working = [(float(k), float(u)) for u, k in points if u >= BROKEN]
    if working:
        k, u = max(working)
        yield f"broken; mended (u {100 * u:.0f} %) and attacked it shows K {100 * k:.0f} %"
    elif points:
        yield f"broken; mending brought u to {100 * float(max(u for u, _ in points)):.0f} % only"
    else:
        yield "broken, and nothing mended it"
