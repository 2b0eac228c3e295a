"""Relearning curves: K against forget tokens, by attack and series, and the tokens at which half is back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.record import Measurement, Record, Spec
from leaderboard.knowledge import Crossing, Ruler, half_knowledge_tokens, mean, number_of, select
from leaderboard.labels import key_of


@dataclass(frozen=True)
class Curve:
    """One series of one relearning attack on one row.

    Attributes:
        attack: Key of the attack's specification.
        series: The attack's own name for this run.
        budgets: Forget tokens at each stop, mean over seeds: their documents differ in length, their stops do not.
        ks: K at each stop, mean over seeds.
        stops: The measurements at each stop, by seed.
        taken: K that an attacker has who goes as far as a stop: that of the untouched model where the stop costs more
            than it gains, as stops are chosen; mean over seeds.
        common: Whether every seed of the row has it, and the never-learned model under the same attack too. A search
            goes its own way on every model; those of its series are no curve of the row.
    """

    attack: str
    series: str
    ranked: bool
    budgets: tuple[int, ...]
    ks: tuple[float, ...]
    stops: tuple[Mapping[int, Measurement], ...]
    taken: tuple[float, ...]
    common: bool

    @property
    def drawn(self) -> bool:
        """Whether it is more than a line between two points."""
        return len(self.budgets) > 2

    @property
    def counts(self) -> bool:
        """Whether T50 and AURC are read off it."""
        return self.ranked and self.common


def curves_of(
    records: Sequence[Record],
    before: Mapping[int, Measurement],
    ruler: Ruler,
    *,
    controls: Mapping[str, frozenset[str]],
    counted: frozenset[str],
) -> tuple[Curve, ...]:
    """Every relearning series of one row that has at least two stops.

    Args:
        records: Of the row.
        before: The row before attack, by seed.
        ruler: The board's, on point values.
        controls: By key of an attack, the series that the never-learned model has under it.
        counted: Keys of the attacks that count for the worst case.
    """
    seeds = frozenset(record.cell.seed for record in records)
    groups: dict[tuple[str, str], dict[int, dict[int, Measurement]]] = {}
    specs: dict[str, tuple[Spec, bool]] = {}
    for record in sorted(records, key=lambda r: (r.cell.seed, r.id)):
        if record.attack.family != "relearn":
            continue
        key = key_of(record.cell.attack)
        specs[key] = record.cell.attack, key in counted
        for m in record.measurements:
            stops = groups.setdefault((key, m.point.series), {}).setdefault(record.cell.seed, {})
            stops[m.point.budget] = m
    found = []
    for (key, series), by_seed in sorted(groups.items(), key=lambda g: (specs[g[0][0]][0].name, *g[0])):
        started = {seed: _from_zero(stops, before.get(seed)) for seed, stops in by_seed.items()}
        common = seeds <= by_seed.keys() and series in controls.get(key, {series})
        found.append(_curve(_Name(key, series, ranked=specs[key][1], common=common), started, before, ruler))
    return tuple(curve for curve in found if curve is not None)


def half_life(curves: Sequence[Curve]) -> Crossing | None:
    """The earliest T50 over the ranked relearning curves; if none reaches one half, the largest budget that did not.

    It is a bound where any curve had half of it back by its first budget: nobody knows how early that was.
    """
    crossings = [half_knowledge_tokens(curve.budgets, curve.taken) for curve in curves if curve.counts]
    reached = [crossing for crossing in crossings if crossing.bound != "more_than"]
    if not reached:
        return max(crossings, key=lambda c: c.tokens, default=None)
    tokens = min(crossing.tokens for crossing in reached)
    early = tokens > 0 and any(crossing.bound == "at_most" for crossing in reached)
    return Crossing(tokens, "at_most" if early else "exact")


def largest_area(curves: Sequence[Curve]) -> float | None:
    """The largest area over the ranked relearning curves (AURC), None without one."""
    return max((area(curve.budgets, curve.taken) for curve in curves if curve.counts), default=None)


def area(budgets: Sequence[int], ks: Sequence[float]) -> float:
    """AURC: the mean of K over log2(1 + forget tokens), by trapezoids; 0 at the floor, 1 as the original (B.7)."""
    at = [math.log2(1 + budget) for budget in budgets]
    strips = [(ks[i] + ks[i + 1]) / 2 * (at[i + 1] - at[i]) for i in range(len(at) - 1)]
    return math.fsum(strips) / (at[-1] - at[0])


def _from_zero(stops: Mapping[int, Measurement], before: Measurement | None) -> dict[int, Measurement]:
    """Every series starts from the unattacked model, whether or not the attack measured it again."""
    return dict(stops) if 0 in stops or before is None else {0: before, **stops}


def _taken(stop: Measurement, before: Measurement | None, ruler: Ruler) -> float:
    """K at a stop that an attacker would prefer to the model as it was, else K(0); see `knowledge.select`."""
    chosen = stop if before is None else select([stop], before, ruler)
    return number_of(ruler.knowledge(chosen or stop))


@dataclass(frozen=True)
class _Name:
    attack: str
    series: str
    ranked: bool
    common: bool


def _curve(
    name: _Name, by_seed: Mapping[int, Mapping[int, Measurement]], before: Mapping[int, Measurement], ruler: Ruler
) -> Curve | None:
    ordered = {seed: sorted(stops.items()) for seed, stops in sorted(by_seed.items())}
    budgets, ks, stops, taken = [], [], [], []
    if len({len(mine) for mine in ordered.values()}) > 1:
        return None  # seeds that stopped differently often have no common stops
    for column in zip(*ordered.values(), strict=True):
        at = {seed: m for seed, (_, m) in zip(ordered, column, strict=True)}
        values = [ruler.knowledge(m) for m in at.values()]
        known = [v for v in values if v is not None]
        if len(known) == len(values):
            budgets.append(round(sum(budget for budget, _ in column) / len(column)))
            ks.append(float(mean(known)))
            stops.append(at)
            taken.append(float(mean([_taken(m, before.get(seed), ruler) for seed, m in at.items()])))
    if len(budgets) < 2:
        return None
    return Curve(
        attack=name.attack,
        series=name.series,
        ranked=name.ranked,
        budgets=tuple(budgets),
        ks=tuple(ks),
        stops=tuple(stops),
        taken=tuple(taken),
        common=name.common,
    )
