"""Membership inference: Min-K% from per-token log-probabilities, and the area under the ROC curve.

Orientation of this project: AUC = P(a member text looks more member-like than a non-member text), so a model that was
trained on the members lies above 0.5. MUSE reports the complement, 1 - AUC, before it forms PrivLeak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


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


def auc(members: Sequence[float], others: Sequence[float]) -> float:
    """P(member value > other value), ties counted half (the Mann-Whitney statistic over n * m)."""
    if not members or not others:
        raise ValueError(f"An AUC needs values on both sides, got {len(members)} and {len(others)}.")
    wins = sum((m > o) + 0.5 * (m == o) for m in members for o in others)
    return wins / (len(members) * len(others))


def auc_stderr(value: float, members: int, others: int) -> float:
    """Standard error of an AUC over both samples of texts (Hanley and McNeil 1982, their exponential approximation)."""
    both_members = value / (2 - value)
    both_others = 2 * value**2 / (1 + value)
    spread = (members - 1) * (both_members - value**2) + (others - 1) * (both_others - value**2)
    return math.sqrt(max(0.0, value * (1 - value) + spread) / (members * others))
