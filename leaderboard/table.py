"""A derived board with its uncertainty: every number of the page beside its interval, ranks, and what is comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.record import Family
from leaderboard.board import FAMILIES, Board, Row
from leaderboard.curves import largest_area
from leaderboard.gates import UTILITY_GATE
from leaderboard.knowledge import Gauge, Ruler, Value, mean, value_of
from leaderboard.paired import gain, to_leader
from leaderboard.sampling import Estimate, Sampler, sampler_of
from leaderboard.secondary import leak, leak_names, passes_of, scores_of
from leaderboard.standings import GATES, RowDraws, Standing, frontier, standings
from leaderboard.stats import DRAWS, Interval, Rank, detectable_difference, interval

LIKE_STARTS = 0.05  # rows whose K(0) differ by more are said to start from different places
UNIT = "graddiff"
"""The method whose effort other efforts are given in, where a board has it."""


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
        standings: Section, rank and tier under each of the utility gates; that of the board's own is ``standing``.
        on_frontier: Share of the draws in which no other ranked row dominates this one; None where it is not ranked.
        gain: What the worst attack brought back: K* - max(K(0), 0), for climbing up to the floor is no knowledge (B.7).
        gains: The same of each attack of the board, in the order of the row's outcomes.
        to_leader: Under each attack, the paired interval of K less that of the board's leader.
        excess: X under the row's worst relearning attack.
        components: K(0) on each headline forget score.
        scores: Raw test scores before attack: mean over seeds of value and of standard error.
        leaks: PrivLeak, as a share, for each privacy score.
        passes: Tokens forward in unlearning plus twice the tokens backward, mean over seeds.
        cost_ratio: ``passes`` in units of the board's unit row.
        aurc: The largest area under a ranked relearning curve, as a share.
        bands: For each curve of the row, the interval at each budget.
    """

    row: Row
    standings: tuple[Standing, ...]
    on_frontier: float | None
    draws: RowDraws = field(repr=False, compare=False)
    k_star: Estimate
    k_before: Estimate
    utility: Estimate
    gain: Estimate
    gains: tuple[Estimate, ...]
    to_leader: tuple[Interval | None, ...]
    excess: Estimate
    families: tuple[FamilyCell, ...]
    components: Mapping[str, Estimate]
    scores: Mapping[str, tuple[float, float]]
    leaks: Mapping[str, Estimate]
    passes: float
    cost_ratio: float | None
    aurc: float | None
    bands: tuple[tuple[Interval | None, ...], ...]

    @property
    def rank(self) -> Rank | None:
        """Its rank under the board's own gate."""
        return self.standings[GATES.index(UTILITY_GATE)].rank

    @property
    def tier(self) -> int | None:
        """Its tier under the board's own gate."""
        return self.standings[GATES.index(UTILITY_GATE)].tier


@dataclass(frozen=True)
class Table:
    """One board, ready to be drawn and printed.

    Attributes:
        families: Families with at least one ranked attack here.
        detectable: Difference in K* that the paired interval of the middle pair tells from zero; None if it tells none.
        starts: Lowest and highest K(0) of the rows compared, if they differ enough to matter.
        unit: The row whose effort is 1.
    """

    board: Board
    lines: tuple[Line, ...]
    families: tuple[Family, ...]
    ranked: int
    detectable: float | None
    starts: tuple[float, float] | None
    unit: str
    draws: int


@dataclass(frozen=True)
class _Place:
    """What a line takes from the whole board."""

    standings: tuple[Standing, ...]
    on_frontier: float | None
    draws: RowDraws
    unit: Row | None
    leader: Row | None


def tabulate(board: Board, *, draws: int = DRAWS) -> Table:
    """Put intervals on every value of the board and rank what may be ranked."""
    sampler = sampler_of(board, draws)
    joint = {row.key: _row_draws(row, sampler) for row in board.rows}
    placed = standings(board, joint)
    on_frontier = frontier(joint, [row.key for row in board.rows if may_lead(row)])
    unit = _unit(board.rows)
    ranked = [row for row in board.rows if row.section == "ranked"]
    leader = next(iter(ranked), None)
    lines = tuple(
        _line(row, board, sampler, _Place(placed[row.key], on_frontier.get(row.key), joint[row.key], unit, leader))
        for row in board.rows
    )
    complete = [joint[r.key].k_star for r in board.rows if r.card.role == "method" and not r.gaps]
    return Table(
        board=board,
        lines=lines,
        families=tuple(f for f in FAMILIES if any(a.card.family == f and a.counts for a in board.attacks)),
        ranked=len(ranked),
        detectable=detectable_difference([star for star in complete if star is not None]),
        starts=_starts(ranked),
        unit=unit.label.text if unit else "",
        draws=draws,
    )


def may_lead(row: Row) -> bool:
    """Rows that may stand on a frontier: those ranked; neither a bound, a broken model nor an idle one achieved it."""
    return row.section == "ranked"


def _unit(rows: Sequence[Row]) -> Row | None:
    """The row whose effort is 1: the maintainers' plain GradDiff in its first setting, else the cheapest method."""
    methods = [row for row in rows if row.card.role == "method" and passes_of(row) > 0]
    methods = [row for row in methods if not row.guest] or methods
    named = sorted((row for row in methods if row.spec.name == UNIT), key=lambda row: row.label.text)
    return next(iter(named), None) or min(methods, key=lambda row: (passes_of(row), row.label.text), default=None)


def _row_draws(row: Row, sampler: Sampler) -> RowDraws:
    star, utility = _star_draws(row, sampler), sampler.before(row, sampler.ruler.utility)
    return RowDraws(sampler.full(star), sampler.full(utility))


def _star_draws(row: Row, sampler: Sampler) -> Value | None:
    """Draws of K* with the worst attack and its stops held fixed.

    Taking the maximum anew in every draw would add the noise of all attacks to the upper side: the interval would then
    lie above the value it belongs to.
    """
    if row.k_star is None:
        return None
    if row.worst is None:
        return sampler.before(row, sampler.ruler.knowledge)
    return sampler.after(row, row.worst)


def _line(row: Row, board: Board, sampler: Sampler, place: _Place) -> Line:
    k_before = sampler.before(row, sampler.ruler.knowledge)
    passes = passes_of(row)
    return Line(
        row=row,
        standings=place.standings,
        on_frontier=place.on_frontier,
        draws=place.draws,
        k_star=sampler.estimate(row.k_star, place.draws.k_star),
        k_before=sampler.estimate(row.k_before, k_before),
        utility=sampler.estimate(row.utility, place.draws.utility),
        gain=gain(row.worst, row, sampler),
        gains=tuple(gain(outcome, row, sampler) for outcome in row.outcomes),
        to_leader=to_leader(row, place.leader, sampler),
        excess=_relearn_excess(row, sampler),
        families=tuple(_family(family, row, sampler) for family in FAMILIES),
        components={g.name: _component(g, row, sampler) for g in board.scale.forget["test"]},
        scores=scores_of(row),
        leaks={name: _leak(name, row, board, sampler) for name in leak_names(row, board.references)},
        passes=passes,
        cost_ratio=passes / passes_of(place.unit) if place.unit and row.card.role == "method" and passes > 0 else None,
        aurc=largest_area(row.curves),
        bands=tuple(_band(row, i, sampler) for i in range(len(row.curves))),
    )


def _family(family: Family, row: Row, sampler: Sampler) -> FamilyCell:
    mine = [o for o in row.outcomes if o.attack.card.family == family and o.attack.counts]
    reached = [(o.k, o) for o in mine if o.k is not None]
    missing = [o.attack.label.text for o in mine if o.state == "not_run"]
    failed = [f"{o.attack.label.text}: {o.why_failed}" for o in mine if o.state == "failed"]
    undefined = [o.attack.label.text for o in mine if o.state == "not_defined"]
    if reached:
        k, worst = max(reached, key=lambda pair: pair[0])
        estimate = sampler.estimate(k, sampler.after(row, worst))
        bound = any(o.due and not o.covers(row.seeds) for o in mine)
        return FamilyCell(family, estimate, bound, worst.attack.label.text)
    if failed:
        return FamilyCell(family, Estimate(), False, "", ("fail", "; ".join(failed)))
    if missing:
        return FamilyCell(family, Estimate(), False, "", ("n/r", f"{', '.join(missing)}: not run"))
    if undefined:
        return FamilyCell(family, Estimate(), False, "", ("n/d", f"{', '.join(undefined)}: run, but K is not defined"))
    reasons = [o.not_applicable for o in mine if o.not_applicable]
    return FamilyCell(family, Estimate(), False, "", ("n/a", reasons[0] if reasons else "no such attack here"))


def _relearn_excess(row: Row, sampler: Sampler) -> Estimate:
    """X of the relearning attack that left most; the controls have none, since they define it."""
    ranked = [o for o in row.outcomes if o.attack.card.family == "relearn" and o.attack.counts]
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


def _component(gauge: Gauge, row: Row, sampler: Sampler) -> Estimate:
    exact = Ruler(sampler.ruler.scale, value_of)
    mine = {seed: m for seed, m in sorted(row.before.items()) if gauge.name in m.scores}
    if not mine:
        return Estimate()
    value = float(mean([exact.component(m, gauge) for m in mine.values()]))
    return sampler.estimate(value, sampler.over(row, {s: sampler.ruler.component(m, gauge) for s, m in mine.items()}))


def _leak(name: str, row: Row, board: Board, sampler: Sampler) -> Estimate:
    before, references = sorted(row.before.items()), board.references
    value = float(mean([leak(value_of, m, references, name) for _, m in before]))
    draws = {seed: leak(sampler.ruler.read, m, references, name) for seed, m in before}
    return Estimate(value, interval(sampler.over(row, draws), value))


def _band(row: Row, index: int, sampler: Sampler) -> tuple[Interval | None, ...]:
    curve = row.curves[index]
    found = []
    for k, at in zip(curve.ks, curve.stops, strict=True):
        draws = sampler.over(row, {seed: sampler.ruler.knowledge(m) for seed, m in at.items()})
        found.append(interval(draws, k, usable=sampler.usable))
    return tuple(found)


def _starts(rows: Sequence[Row]) -> tuple[float, float] | None:
    starts = [r.k_before for r in rows if r.k_before is not None]
    return (min(starts), max(starts)) if starts and max(starts) - min(starts) > LIKE_STARTS else None
