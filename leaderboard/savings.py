"""Savings: how much sooner unlearned facts are learned again than facts that were never learned (spec: attacks 0.4).

From the readings of an attack that teaches both, named ``unlearned`` and ``fresh``, and reads the share ``known``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.record import Measurement
from leaderboard.knowledge import half_knowledge_tokens

UNLEARNED, FRESH, KNOWN = "unlearned", "fresh", "known"


@dataclass(frozen=True)
class Savings:
    """Share of the tokens for fresh facts that unlearned ones do not take to be half known.

    Attributes:
        bound: ``at_least`` or ``at_most`` where only one of the two is known to have taken more or less than was told;
            ``exact`` otherwise. Negative: unlearned facts are harder to learn than fresh ones.
    """

    share: float
    bound: Literal["exact", "at_least", "at_most"]


def savings_of(measurements: Sequence[Measurement]) -> Savings | None:
    """None where no such attack was run, or where nothing bounds the share: both sides are bounds, pulling apart."""
    half = {}
    for series in (UNLEARNED, FRESH):
        course = [m.point for m in measurements if m.point.series == series and KNOWN in m.point.readings]
        if not course:
            return None
        half[series] = half_knowledge_tokens([p.budget for p in course], [p.readings[KNOWN] for p in course])
    ours, fresh = half[UNLEARNED], half[FRESH]
    more = ours.bound == "at_most" or fresh.bound == "more_than"  # the share may be larger than these tokens say
    less = ours.bound == "more_than" or fresh.bound == "at_most"
    if (more and less) or fresh.tokens <= 0:
        return None
    return Savings(1 - ours.tokens / fresh.tokens, "at_least" if more else "at_most" if less else "exact")
