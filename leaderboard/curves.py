"""Relearning curves: K against forget tokens, by attack and series, and the tokens at which half is back."""

from __future__ import annotations

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
        budgets: Forget tokens, ascending; only budgets that every seed has.
        ks: K at each budget, mean over seeds.
        stops: The measurements at each budget, by seed.
    """

    attack: str
    series: str
    ranked: bool
    budgets: tuple[int, ...]
    ks: tuple[float, ...]
    stops: tuple[Mapping[int, Measurement], ...]


def curves_of(records: Sequence[Record], before: Mapping[int, Measurement], ruler: Ruler) -> tuple[Curve, ...]:
    """Every relearning series of one row that has at least two budgets common to its seeds."""
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


def _from_zero(stops: Mapping[int, Measurement], before: Measurement | None) -> dict[int, Measurement]:
    """Every series starts from the unattacked model, whether or not the attack measured it again."""
    return dict(stops) if 0 in stops or before is None else {0: before, **stops}


def _curve(name: tuple[str, str, bool], by_seed: Mapping[int, Mapping[int, Measurement]], ruler: Ruler) -> Curve | None:
    shared = sorted(set.intersection(*(set(stops) for stops in by_seed.values())))
    budgets, ks, stops = [], [], []
    for budget in shared:
        at = {seed: mine[budget] for seed, mine in sorted(by_seed.items())}
        values = [ruler.knowledge(m) for m in at.values()]
        known = [v for v in values if v is not None]
        if len(known) == len(values):
            budgets.append(budget)
            ks.append(float(mean(known)))
            stops.append(at)
    key, series, ranked = name
    return Curve(key, series, ranked, tuple(budgets), tuple(ks), tuple(stops)) if len(budgets) > 1 else None
