"""An attack, followed from point to point: whoever scores a point tells the attacker what it came to, if he asks.

He asks by declaring ``adaptive``, and is told K and u on dev items: what a search needs, and nothing that is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import cast

from harness.api import LM, Attack, AttackerData, Benchmark, Engine, Evaluation, Point, Prompts, Score, Verdict
from harness.lm import load_lm
from harness.ruler import Ruler

Judge = Callable[[Point], Verdict | None]
"""Looks at the model, which is at the point now, and says what the attacker may know of it."""


def follow_points(attack: Attack, lm: LM, data: AttackerData, *, seed: int, judge: Judge) -> None:
    """Bring a model to every point of an attack; an adaptive one is sent each verdict as the value of its ``yield``."""
    points = attack.attack(lm, data, seed=seed)
    if not is_adaptive(attack):
        for point in points:
            judge(point)
        return
    told: Verdict | None = None
    while True:
        try:
            point = cast("Generator[Point, Verdict | None]", points).send(told)
        except StopIteration:
            return
        told = judge(point)


def is_adaptive(attack: Attack) -> bool:
    """Whether an attack wants to be told verdicts."""
    return bool(getattr(attack, "adaptive", False))


def verdict_of(ruler: Ruler, scores: Mapping[str, Score]) -> Verdict:
    """What an attacker may know of a point."""
    return Verdict(ruler.knowledge(scores), ruler.utility(scores), ruler.score(scores))


def dev_scores(benchmark: Benchmark, engine: Engine, lm: LM) -> Mapping[str, Score]:
    """The dev scores of a model, as points of an attack are scored."""
    engine.load(lm)
    whole: Callable[[Engine, Prompts], Evaluation] = benchmark.evaluate
    scores = getattr(benchmark, "evaluate_attacked", whole)(engine, Prompts()).scores
    engine.rest()
    return of_dev(scores)


def of_dev(scores: Mapping[str, Score]) -> Mapping[str, Score]:
    """Those scores that selection may see."""
    return {name: score for name, score in scores.items() if score.split == "dev"}


def dev_ruler(benchmark: Benchmark, engine: Engine) -> Ruler:
    """K and u on dev items, between the original and the never-learned model, both scored anew.

    Raises:
        UserError: No dev score tells the original model from its floor.
    """
    ends = [load_lm(benchmark.target())]
    reference = benchmark.reference()
    ends += [load_lm(reference)] if reference else []
    found = [dev_scores(benchmark, engine, lm) for lm in ends]
    return Ruler(found[0], found[1] if len(found) > 1 else {})
