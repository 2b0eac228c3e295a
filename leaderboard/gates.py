"""The gates of the ranking: which section a row stands in."""

from __future__ import annotations

from collections.abc import Sequence

from harness.record import Match, MethodCard
from leaderboard.board import Section

UTILITY_GATE = 0.90
FORGET_GATE = 0.25
_ROUNDING = 1e-9  # a mean of binary fractions may miss a gate it stands on by one bit


def section_of(
    card: MethodCard,
    k_before: float | None,
    utility: float | None,
    *,
    gaps: Sequence[str],
    match: Match | None,
    gate: float = UTILITY_GATE,
) -> Section:
    """Controls first, then the gates in their order: utility, forgetting (unless it was made equal), completeness.

    Args:
        card: The method's.
        k_before: K(0).
        utility: u before attack.
        gaps: What the row lacks, in words.
        match: What was made equal on the board.
        gate: Least utility of a ranked row.
    """
    if card.role != "method":
        return "reference"
    if utility is not None and utility < gate - _ROUNDING:
        return "below_utility"
    gated = match is None or match.axis != "forget"
    if gated and utility is not None and k_before is not None and k_before > FORGET_GATE + _ROUNDING:
        return "not_unlearned"
    return "incomplete" if gaps or utility is None or k_before is None else "ranked"
