"""What the page of one entry adds to its row: every seed, the leader beside it, its curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t

from leaderboard.knowledge import Ruler, Value, value_of
from leaderboard.sampling import Estimate
from leaderboard.site.site import Entry, Site
from leaderboard.site.spelling import percent
from leaderboard.standings import difference
from leaderboard.stats import Interval, interval
from leaderboard.table import Line


@dataclass(frozen=True)
class Seeds:
    """Seed, K(0), u and K after the row's worst attack on every seed; below each, the t-interval of its mean in words.

    A bootstrap over two or three seeds finds less than there is to find between seeds; this finds it (B.10).
    """

    rows: tuple[tuple[int, float | None, float | None, float | None], ...]
    intervals: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """An entry beside the leader of its board: measure, both values, difference, and a word for it."""

    entry: Entry
    rows: tuple[tuple[str, float | None, float | None, Estimate, str], ...]


def seeds_of(entry: Entry) -> Seeds:
    """Every seed by itself."""
    ruler = Ruler(entry.page.board.scale, value_of)
    row = entry.line.row
    worst = {seed: stop.k for seed, stop in row.worst.stops.items()} if row.worst else {}
    rows = [
        (seed, _number(ruler.knowledge(m)), _number(ruler.utility(m)), worst.get(seed))
        for seed, m in sorted(row.before.items())
    ]
    columns = [k for _, k, _, _ in rows], [u for _, _, u, _ in rows], [k for _, _, _, k in rows]
    return Seeds(tuple(rows), tuple(map(_t_interval, columns)))


def _t_interval(values: Sequence[float | None]) -> str:
    """Of the mean over seeds, 95 %."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return "not defined"
    half = float(t.ppf(0.975, len(known) - 1)) * stdev(known) / len(known) ** 0.5
    middle = fmean(known)
    return f"{percent(middle - half)} to {percent(middle + half)}"


def beside_leader(site: Site, entry: Entry) -> Beside | None:
    """The entry against the leader of its board; None for the leader itself, controls, and boards without ranks."""
    leaders = entry.page.leaders
    if not leaders or leaders[0] is entry.line or not entry.is_method:
        return None
    leader = site.entry(entry.page, leaders[0])
    mine, other = entry.line, leader.line
    apart = [_by_attack(mine, other, at) for at in range(len(mine.row.outcomes)) if _both(mine, other, at)]
    return Beside(leader, (_k_star(mine, other), _utility(mine, other), *apart))


def words_of(gap: Interval | None, *, lower_is_better: bool) -> str:
    """What a paired interval of a difference says."""
    if gap is None:
        return "no interval"
    if gap.low <= 0 <= gap.high:
        return "not separable"
    return "better" if (gap.high < 0) == lower_is_better else "worse"


def _k_star(mine: Line, other: Line) -> tuple[str, float | None, float | None, Estimate, str]:
    here, there = mine.k_star.value, other.k_star.value
    if mine.row.gaps:
        return "K*", here, there, Estimate(), "attacks are missing"
    if here is None or there is None:
        return "K*", here, there, Estimate(), "no interval"
    gap = difference(mine.draws, other.draws, (here, there))
    return "K*", here, there, Estimate(here - there, gap), words_of(gap, lower_is_better=True)


def _utility(mine: Line, other: Line) -> tuple[str, float | None, float | None, Estimate, str]:
    here, there = mine.utility.value, other.utility.value
    draws = (mine.draws.utility, other.draws.utility)
    if here is None or there is None or draws[0] is None or draws[1] is None:
        return "Utility u", here, there, Estimate(), "no interval"
    gap = interval(draws[0] - draws[1], here - there)
    return "Utility u", here, there, Estimate(here - there, gap), words_of(gap, lower_is_better=False)


def _both(mine: Line, other: Line, at: int) -> bool:
    return mine.row.outcomes[at].k is not None and other.row.outcomes[at].k is not None


def _by_attack(mine: Line, other: Line, at: int) -> tuple[str, float | None, float | None, Estimate, str]:
    here, there = mine.row.outcomes[at].k, other.row.outcomes[at].k
    gap = None if here is None or there is None else here - there
    name, apart = f"K after {mine.row.outcomes[at].attack.label.text}", mine.to_leader[at]
    return name, here, there, Estimate(gap, apart), words_of(apart, lower_is_better=True)


def _number(value: Value | None) -> float | None:
    return None if value is None else float(value)
