"""A derived board with its uncertainty: every number of the page beside its interval, ranks, and what is comparable."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import BY_OTHER, Family, Measurement
from leaderboard.board import FAMILIES, Board, Outcome, Row
from leaderboard.knowledge import Draws, Gauge, Ruler, Value, mean, value_of
from leaderboard.secondary import leak, leak_names, passes_of, scores_of
from leaderboard.stats import (
    DRAWS,
    Interval,
    Rank,
    Resampled,
    detectable_difference,
    interval,
    over_seeds,
    ranks,
    seed_weights,
)

TINY_SPAN = 0.05  # B.7: a resampled m0 - L below this share of the measured one makes a ratio meaningless
LIKE_STARTS = 0.05  # rows whose K(0) differ by more are said to start from different places


@dataclass(frozen=True)
class Estimate:
    """A point value with its interval; None where nothing was measured."""

    value: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class FamilyCell:
    """The largest K over the ranked attacks of one family.

    Attributes:
        bound: True if an attack of the family is missing, so that the value is a lower bound.
        attack: The attack that reaches it.
        words: What stands in the cell where there is no value, and why.
    """

    family: Family
    estimate: Estimate
    bound: bool
    attack: str
    words: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        gain: K* - K(0).
        gains: K after each attack of the board less K(0), in the order of the row's outcomes.
        excess: X under the row's worst relearning attack.
        components: K(0) on each headline forget score.
        scores: Raw test scores before attack: mean over seeds of value and of standard error.
        leaks: PrivLeak, as a share, for each privacy score.
        passes: Tokens forward in unlearning plus twice the tokens backward, mean over seeds.
        cost_ratio: ``passes`` in units of the cheapest method of the board.
        bands: For each curve of the row, the interval at each budget.
    """

    row: Row
    rank: Rank | None
    k_star: Estimate
    k_before: Estimate
    utility: Estimate
    gain: Estimate
    gains: tuple[Estimate, ...]
    excess: Estimate
    families: tuple[FamilyCell, ...]
    components: Mapping[str, Estimate]
    scores: Mapping[str, tuple[float, float]]
    leaks: Mapping[str, Estimate]
    passes: float
    cost_ratio: float | None
    bands: tuple[tuple[Interval | None, ...], ...]


@dataclass(frozen=True)
class Table:
    """One board, ready to be drawn and printed.

    Attributes:
        families: Families with at least one ranked attack here.
        detectable: Difference in K* between two methods that the interval can tell from zero; None if it tells nothing.
        starts: Lowest and highest K(0) of the rows compared, if they differ enough to matter.
    """

    board: Board
    lines: tuple[Line, ...]
    families: tuple[Family, ...]
    ranked: int
    detectable: float | None
    starts: tuple[float, float] | None
    draws: int


@dataclass(frozen=True)
class _Sampler:
    """The board's draws: the ruler that reads them and which of them have a usable span."""

    ruler: Ruler
    usable: Draws
    draws: int

    def over(self, row: Row, by_seed: Mapping[int, Value | None]) -> Value | None:
        """The mean over resampled seeds; over all of them alike where some are missing."""
        known = [v for v in by_seed.values() if v is not None]
        if not known or len(known) < len(by_seed):
            return None
        if tuple(by_seed) != row.seeds:
            return mean(known)
        return over_seeds(known, seed_weights(len(known), self.draws, [zlib.crc32(row.key.encode())]))

    def estimate(self, value: float | None, draws: Value | None) -> Estimate:
        """The point value with its interval."""
        return Estimate(value, interval(draws, value, usable=self.usable))


def tabulate(board: Board, *, draws: int = DRAWS) -> Table:
    """Put intervals on every value of the board and rank what may be ranked."""
    sampler = _sampler(board, draws)
    stars = {row.key: _star_draws(row, sampler) for row in board.rows}
    ranked = [row for row in board.rows if row.section == "ranked"]
    found = ranks([_array(stars[row.key], draws) for row in ranked])
    rank_of = {row.key: rank for row, rank in zip(ranked, found, strict=True)}
    families = tuple(f for f in FAMILIES if any(a.card.family == f and a.card.ranked for a in board.attacks))
    efforts = {row.key: passes_of(row) for row in board.rows}
    cheapest = min((efforts[r.key] for r in board.rows if r.card.role == "method" and efforts[r.key] > 0), default=None)
    lines = tuple(
        _line(row, board, sampler, stars[row.key], rank=rank_of.get(row.key), cheapest=cheapest) for row in board.rows
    )
    methods = [r for r in board.rows if r.card.role == "method" and stars[r.key] is not None and not r.gaps]
    return Table(
        board=board,
        lines=lines,
        families=families,
        ranked=len(ranked),
        detectable=detectable_difference([_array(stars[r.key], draws) for r in methods]),
        starts=_starts(ranked),
        draws=draws,
    )


def _sampler(board: Board, draws: int) -> _Sampler:
    untouched = [m for row in board.rows for m in row.before.values()]
    ends = [m for split in board.scale.forget.values() for g in split for m in (*g.originals, *g.references)]
    stops = [s for row in board.rows for o in row.outcomes for s in o.stops.values()]
    attacked = [s.measurement for s in stops] + [s.control for s in stops if s.control]
    on_curves = [m for row in board.rows for c in row.curves for at in c.stops for m in at.values()]
    wanted: dict[str, Sequence[Measurement]] = {}
    for gauge in board.scale.forget["test"]:
        wanted[gauge.name] = [*ends, *untouched, *attacked, *on_curves]
    for gauge in board.scale.utility["test"]:
        wanted[gauge.name] = [*gauge.originals, *untouched]
    for name in {n for row in board.rows for n in leak_names(row, board.references)}:
        wanted[name] = wanted[name + BY_OTHER] = [*board.references, *untouched]
    resampled = Ruler(board.scale, Resampled(wanted, draws=draws))
    exact = Ruler(board.scale, value_of)
    usable = np.ones(draws)
    for gauge in board.scale.forget["test"]:
        usable *= np.asarray(resampled.span(gauge)) >= TINY_SPAN * float(exact.span(gauge))
    return _Sampler(resampled, usable, draws)


def _star_draws(row: Row, sampler: _Sampler) -> Value | None:
    """Draws of K* with the worst attack and its stops held fixed.

    Taking the maximum anew in every draw would add the noise of all attacks to the upper side: the interval would then
    lie above the value it belongs to.
    """
    if row.k_star is None:
        return None
    if row.worst is None:
        return _before_draws(row, sampler, sampler.ruler.knowledge)
    return _outcome_draws(row, row.worst, sampler)


def _before_draws(row: Row, sampler: _Sampler, measure: Callable[[Measurement], Value | None]) -> Value | None:
    return sampler.over(row, {seed: measure(m) for seed, m in sorted(row.before.items())})


def _outcome_draws(row: Row, outcome: Outcome, sampler: _Sampler) -> Value | None:
    return sampler.over(row, {s: sampler.ruler.knowledge(stop.measurement) for s, stop in outcome.stops.items()})


def _line(
    row: Row, board: Board, sampler: _Sampler, star: Value | None, *, rank: Rank | None, cheapest: float | None
) -> Line:
    k_before = _before_draws(row, sampler, sampler.ruler.knowledge)
    utility = _before_draws(row, sampler, sampler.ruler.utility)
    gained = None if row.k_star is None or row.k_before is None else row.k_star - row.k_before
    gain_draws = None if star is None or k_before is None else star - k_before
    passes = passes_of(row)
    return Line(
        row=row,
        rank=rank,
        k_star=sampler.estimate(row.k_star, star),
        k_before=sampler.estimate(row.k_before, k_before),
        utility=sampler.estimate(row.utility, utility),
        gain=sampler.estimate(gained, gain_draws),
        gains=tuple(_gain(outcome, row, sampler, k_before) for outcome in row.outcomes),
        excess=_relearn_excess(row, sampler),
        families=tuple(_family(family, row, sampler) for family in FAMILIES),
        components={g.name: _component(g, row, sampler) for g in board.scale.forget["test"]},
        scores=scores_of(row),
        leaks={name: _leak(name, row, board, sampler) for name in leak_names(row, board.references)},
        passes=passes,
        cost_ratio=passes / cheapest if cheapest and row.card.role == "method" and passes > 0 else None,
        bands=tuple(_band(row, i, sampler) for i in range(len(row.curves))),
    )


def _gain(outcome: Outcome, row: Row, sampler: _Sampler, before: Value | None) -> Estimate:
    """What an attack brought back; its interval is that of the paired difference."""
    if outcome.k is None or row.k_before is None:
        return Estimate()
    after = _outcome_draws(row, outcome, sampler)
    return sampler.estimate(outcome.k - row.k_before, None if after is None or before is None else after - before)


def _family(family: Family, row: Row, sampler: _Sampler) -> FamilyCell:
    mine = [o for o in row.outcomes if o.attack.card.family == family and o.attack.card.ranked]
    reached = [(o.k, o) for o in mine if o.k is not None]
    missing = [o.attack.label.text for o in mine if o.state == "not_run"]
    undefined = [o.attack.label.text for o in mine if o.state == "undefined"]
    if reached:
        k, worst = max(reached, key=lambda pair: pair[0])
        estimate = sampler.estimate(k, _outcome_draws(row, worst, sampler))
        partial = any(o.stops and set(o.stops) != set(row.seeds) for o in mine)
        return FamilyCell(family, estimate, bool(missing or undefined) or partial, worst.attack.label.text)
    if missing:
        return FamilyCell(family, Estimate(), False, "", ("n/r", f"{', '.join(missing)}: not run, or failed"))
    if undefined:
        return FamilyCell(family, Estimate(), False, "", ("n/d", f"{', '.join(undefined)}: run, but K is not defined"))
    reasons = [o.not_applicable for o in mine if o.not_applicable]
    return FamilyCell(family, Estimate(), False, "", ("n/a", reasons[0] if reasons else "no such attack here"))


def _relearn_excess(row: Row, sampler: _Sampler) -> Estimate:
    """X of the relearning attack that left most; the controls have none, since they define it."""
    ranked = [o for o in row.outcomes if o.attack.card.family == "relearn" and o.attack.card.ranked]
    reached = [(o.k, o) for o in ranked if o.k is not None]
    if not reached or row.card.role != "method":
        return Estimate()
    worst = max(reached, key=lambda pair: pair[0])[1]
    if worst.excess is None:
        return Estimate()
    by_seed = {
        seed: sampler.ruler.excess(stop.measurement, row.before[seed], stop.control)
        for seed, stop in worst.stops.items()
        if stop.control is not None and seed in row.before
    }
    return sampler.estimate(worst.excess, sampler.over(row, by_seed))


def _component(gauge: Gauge, row: Row, sampler: _Sampler) -> Estimate:
    exact = Ruler(sampler.ruler.scale, value_of)
    mine = {seed: m for seed, m in sorted(row.before.items()) if gauge.name in m.scores}
    if not mine:
        return Estimate()
    value = float(mean([exact.component(m, gauge) for m in mine.values()]))
    return sampler.estimate(value, sampler.over(row, {s: sampler.ruler.component(m, gauge) for s, m in mine.items()}))


def _leak(name: str, row: Row, board: Board, sampler: _Sampler) -> Estimate:
    before, references = sorted(row.before.items()), board.references
    value = float(mean([leak(value_of, m, references, name) for _, m in before]))
    draws = {seed: leak(sampler.ruler.read, m, references, name) for seed, m in before}
    return Estimate(value, interval(sampler.over(row, draws), value))


def _band(row: Row, index: int, sampler: _Sampler) -> tuple[Interval | None, ...]:
    curve = row.curves[index]
    found = []
    for k, at in zip(curve.ks, curve.stops, strict=True):
        draws = sampler.over(row, {seed: sampler.ruler.knowledge(m) for seed, m in at.items()})
        found.append(interval(draws, k, usable=sampler.usable))
    return tuple(found)


def _starts(rows: Sequence[Row]) -> tuple[float, float] | None:
    starts = [r.k_before for r in rows if r.k_before is not None]
    return (min(starts), max(starts)) if starts and max(starts) - min(starts) > LIKE_STARTS else None


def _array(value: Value | None, draws: int) -> Draws:
    if value is None:
        raise ValueError("Draws were expected where none were made.")
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (draws,))
