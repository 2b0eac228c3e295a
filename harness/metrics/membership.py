"""Membership inference: Min-K% from per-token log-probabilities, and the area under the ROC curve.

Orientation of this project: AUC = P(a member text looks more member-like than a non-member text), so a model that was
trained on the members lies above 0.5. MUSE reports the complement, 1 - AUC, before it forms PrivLeak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import variance


def min_k(logprobs: Sequence[float], share: float) -> float:
    """Mean of the lowest ``floor(share * n)`` (at least one) token log-probabilities: nats, higher is more member-like.

    Shi et al. 2023 (arXiv 2310.16789, section 3); the count is floored as in muse_bench@54719c5
    privleak/get_ppl_utils.py, with one token as the least (there, texts are long and it never matters).

    Args:
        logprobs: Log-probability of every scored token of one text, nats.
        share: K as a fraction in (0, 1].
    """
    if not logprobs:
        raise ValueError("Min-K needs at least one token log-probability, got none.")
    if not 0 < share <= 1:
        raise ValueError(f"The share of Min-K lies in (0, 1], got {share}.")
    count = max(1, math.floor(share * len(logprobs)))
    return math.fsum(sorted(logprobs)[:count]) / count


@dataclass(frozen=True)
class Auc:
    """P(member value > other value), ties counted half, by either side's texts.

    Attributes:
        by_member: For each member the share of the others that it is above; their mean is the AUC.
        by_other: For each other the share of the members that are above it; their mean is the AUC too.
    """

    by_member: tuple[float, ...]
    by_other: tuple[float, ...]

    @property
    def value(self) -> float:
        """The area under the curve (the Mann-Whitney statistic over n * m)."""
        return math.fsum(self.by_member) / len(self.by_member)

    @property
    def stderr(self) -> float:
        """Standard error over both samples of texts (DeLong et al. 1988); needs two texts on each side."""
        return math.sqrt(sum(variance(side) / len(side) for side in (self.by_member, self.by_other)))


def auc(members: Sequence[float], others: Sequence[float]) -> Auc:
    """How often a member's value lies above another's."""
    if not members or not others:
        raise ValueError(f"An AUC needs values on both sides, got {len(members)} and {len(others)}.")
    wins = [[(m > o) + 0.5 * (m == o) for o in others] for m in members]
    by_other = (sum(column) / len(members) for column in zip(*wins, strict=True))
    return Auc(tuple(sum(row) / len(others) for row in wins), tuple(by_other))
