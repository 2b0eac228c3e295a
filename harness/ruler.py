"""Residual knowledge and kept utility of one evaluation, between the original and the never-learned model.

For what is decided while something runs; the numbers of a board come from records (leaderboard/knowledge.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.api import Score
from harness.errors import UserError

RESOLVABLE = 3.0
"""Standard errors that the original must stand above a floor for a score to tell anything (spec B.7)."""

Scores = Mapping[str, Score]


@dataclass(frozen=True)
class Ruler:
    """Both ends of every headline score: 0 at the floor, 1 at the original model.

    Attributes:
        original: Scores of the original model.
        never: Scores of the never-learned model; empty where there is none, and the floor is chance.
    """

    original: Scores
    never: Scores

    def __post_init__(self) -> None:
        """Refuse ends between which nothing can be told."""
        if not self._spans("forget") or not self._spans("utility"):
            raise UserError(
                "No headline dev score has room between the original model and its floor, so nothing can be judged. "
                "Check the benchmark's models with `harness run --methods none,reference`."
            )

    def knowledge(self, scores: Scores) -> float:
        """K: the largest share of the original's knowledge left in any form, 0 at the floor (spec B.7)."""
        return max((scores[name].value - low) / span for name, (low, span) in self._spans("forget").items())

    def utility(self, scores: Scores) -> float:
        """u: the mean share of the original's utility above chance that is kept."""
        kept = [(scores[name].value - low) / span for name, (low, span) in self._spans("utility").items()]
        return sum(kept) / len(kept)

    def score(self, scores: Scores) -> float:
        """The mean of the headline utility scores as they are."""
        names = self._spans("utility")
        return sum(scores[name].value for name in names) / len(names)

    def _spans(self, axis: str) -> dict[str, tuple[float, float]]:
        """Floor and height of every headline score of an axis that has room."""
        spans = {}
        for name, score in self.original.items():
            never = self.never.get(name)
            low = max(score.chance, never.value) if never and axis == "forget" else score.chance
            room = score.value - low
            if score.axis == axis and score.headline and room > 0 and room >= RESOLVABLE * score.stderr:
                spans[name] = (low, room)
        return spans
