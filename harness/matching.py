"""Unlearned models brought to a common starting point, so that what an attack brings back can be compared.

A method that forgot more, or paid more utility, starts elsewhere than others. On the line from the original weights to
the unlearned ones, ``w(s) = w0 + s (wu - w0)``, every method passes through weaker versions of itself, and beyond
``s = 1`` through stronger ones. Matched at ``K(0) = level`` stands the first point that forgot that much; matched at
``u = level`` the last one that kept that much (metric specification A.3.4 and B.7). Both are found on dev items alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from harness.api import LM, Benchmark, Engine, NotApplicable
from harness.cell import Match
from harness.course import dev_ruler, dev_scores
from harness.errors import UserError
from harness.lm import load_lm
from harness.train import restored

STEPS = 32
"""Into how many equal steps the way from the original to the unlearned model is cut."""
LAST = 48
"""The farthest step that is tried: half the update once more."""

Place = Callable[[float], tuple[float, float]]
"""K and u on dev items at a share of the update."""


def matched_share(match: Match, benchmark: Benchmark, engine: Engine, unlearned: LM) -> float:
    """Find the share of an unlearned model's update at which it meets a level.

    Args:
        match: The level.
        benchmark: Gives the original and the never-learned model, and scores.
        engine: Serves the models.
        unlearned: Is moved along the line and put back.

    Raises:
        NotApplicable: No share meets the level, or the benchmark has no dev scores to tell by.
    """
    original = load_lm(benchmark.target())
    try:
        ruler = dev_ruler(benchmark, engine)
    except UserError as error:
        raise NotApplicable(f"no model can be matched: {error}") from error

    def place(share: float) -> tuple[float, float]:
        with restored(unlearned.model.parameters()):
            move(unlearned, original, share)
            scores = dev_scores(benchmark, engine, unlearned)
        return ruler.knowledge(scores), ruler.utility(scores)

    return found_share(match, place)


def move(unlearned: LM, original: LM, share: float) -> None:
    """Put an unlearned model, in place, at a share of its update; computed in float32 at least."""
    starts = dict(original.model.named_parameters())
    with torch.no_grad():
        for name, weights in unlearned.model.named_parameters():
            start, end = starts[name].float(), weights.float()
            weights.copy_(torch.lerp(start, end, share))


def found_share(match: Match, place: Place) -> float:
    """The share that meets a level, by bisection: K falls and u falls as the share grows.

    Raises:
        NotApplicable: K or u stays above the level at every share tried, or u falls below it at the first.
    """

    def beyond(step: int) -> bool:
        knowledge, utility = place(step / STEPS)
        return knowledge <= match.level if match.axis == "forget" else utility < match.level

    first = _first(beyond)
    if match.axis == "forget":
        if first is None:
            raise NotApplicable(f"K on dev items stays above {match.level:g} up to {LAST / STEPS:g} times its update")
        return first / STEPS
    if first is None:
        raise NotApplicable(f"u on dev items stays at or above {match.level:g} up to {LAST / STEPS:g} times its update")
    if first == 1:
        raise NotApplicable(f"u on dev items falls below {match.level:g} with the first {STEPS}th of its update")
    return (first - 1) / STEPS


def _first(beyond: Callable[[int], bool]) -> int | None:
    """The first step in 1..LAST that is beyond something that grows with steps; None if none is."""
    low, high = 0, STEPS
    if not beyond(STEPS):
        low, high = STEPS, LAST
        if not beyond(LAST):
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return high
