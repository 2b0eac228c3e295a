"""Paired differences: what an attack brought back, and how far a row lies from the leader."""

from __future__ import annotations

import numpy as np

from leaderboard.board import Outcome, Row
from leaderboard.knowledge import Ruler, mean, value_of
from leaderboard.sampling import Estimate, Sampler
from leaderboard.stats import Interval, interval


def gain(outcome: Outcome | None, row: Row, sampler: Sampler) -> Estimate:
    """What an attack brought back on the seeds that it ran on, with the interval of the paired difference."""
    if outcome is None:
        return Estimate() if row.k_star is None else Estimate(0.0)
    if outcome.k is None or not outcome.stops.keys() <= row.before.keys():
        return Estimate()
    exact = Ruler(sampler.ruler.scale, value_of)
    before = [exact.knowledge(row.before[seed]) for seed in outcome.stops]
    known = [k for k in before if k is not None]
    if len(known) < len(before):
        return Estimate()
    starts = {seed: sampler.ruler.knowledge(row.before[seed]) for seed in outcome.stops}
    after, start = sampler.after(row, outcome), sampler.over(row, starts)
    gained = None if after is None or start is None else after - np.maximum(start, 0.0)
    return sampler.estimate(outcome.k - max(float(mean(known)), 0.0), gained)


def to_leader(row: Row, leader: Row | None, sampler: Sampler) -> tuple[Interval | None, ...]:
    """Under each attack, the paired interval of K less the leader's.

    None for the leader itself, and under an attack that was not run on every seed of both.
    """
    if leader is None or leader is row:
        return (None,) * len(row.outcomes)
    found: list[Interval | None] = []
    for mine, other in zip(row.outcomes, leader.outcomes, strict=True):
        if not mine.covers(row.seeds) or not other.covers(leader.seeds):
            found.append(None)
            continue
        here, there = sampler.after(row, mine), sampler.after(leader, other)
        apart = None if here is None or there is None else here - there
        gap = None if mine.k is None or other.k is None else mine.k - other.k
        found.append(interval(apart, gap, usable=sampler.usable))
    return tuple(found)
