"""Relearning curves: K against forget tokens, by attack and series, and the tokens at which half is back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.record import Measurement, Record, Spec
from leaderboard.knowledge import Crossing, Ruler, half_knowledge_tokens, mean
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
    """

    attack: str
    series: str
    ranked: bool
    budgets: tuple[int, ...]
    ks: tuple[float, ...]
    stops: tuple[Mapping[int, Measurement], ...]


def curves_of(records: Sequence[Record], before: Mapping[int, Measurement], ruler: Ruler) -> tuple[Curve, ...]:
    """Every relearning series of one row that has at least two stops."""
    groups: dict[tuple[str, str], dict[int, dict[int, Measurement]]] = {}
    specs: dict[str, tuple[Spec, bool]] = {}
    for record in sorted(records, key=lambda r: (r.cell.seed, r.id)):
        if record.attack.family != "relearn":
            continue
        key = key_of(record.cell.attack)
        specs[key] = record.cell.attack, record.attack.ranked
        for m in record.measurements:
            stops = groups.setdefault((key, m.point.series), {}).setdefault(record.cell.seed, {})
            stops[m.point.budget] = m
    found = []
    for (key, series), by_seed in sorted(groups.items(), key=lambda g: (specs[g[0][0]][0].name, *g[0])):
        started = {seed: _from_zero(stops, before.get(seed)) for seed, stops in by_seed.items()}
        found.append(_curve((key, series, specs[key][1]), started, ruler))
    return tuple(curve for curve in found if curve is not None)


def half_life(curves: Sequence[Curve]) -> Crossing | None:
    """The earliest T50 over the ranked relearning curves; if none reaches one half, the largest budget that did not."""
    crossings = [half_knowledge_tokens(curve.budgets, curve.ks) for curve in curves if curve.ranked]
    reached = [crossing for crossing in crossings if crossing.bound != "more_than"]
    earliest = min(reached, key=lambda c: (c.tokens, c.bound), default=None)
    return earliest or max(crossings, key=lambda c: c.tokens, default=None)


def largest_area(curves: Sequence[Curve]) -> float | None:
    """The largest area over the ranked relearning curves (AURC), None without one."""
    return max((area(curve.budgets, curve.ks) for curve in curves if curve.ranked), default=None)


def area(budgets: Sequence[int], ks: Sequence[float]) -> float:
    """AURC: the mean of K over log2(1 + forget tokens), by trapezoids; 0 at the floor, 1 as the original (B.7)."""
    at = [math.log2(1 + budget) for budget in budgets]
    strips = [(ks[i] + ks[i + 1]) / 2 * (at[i + 1] - at[i]) for i in range(len(at) - 1)]
    return math.fsum(strips) / (at[-1] - at[0])


def _from_zero(stops: Mapping[int, Measurement], before: Measurement | None) -> dict[int, Measurement]:
    """Every series starts from the unattacked model, whether or not the attack measured it again."""
    return dict(stops) if 0 in stops or before is None else {0: before, **stops}


def _curve(name: tuple[str, str, bool], by_seed: Mapping[int, Mapping[int, Measurement]], ruler: Ruler) -> Curve | None:
    ordered = {seed: sorted(stops.items()) for seed, stops in sorted(by_seed.items())}
    budgets, ks, stops = [], [], []
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
    key, series, ranked = name
    return Curve(key, series, ranked, tuple(budgets), tuple(ks), tuple(stops)) if len(budgets) > 1 else None
