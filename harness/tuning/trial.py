"""One trial: unlearn once, look at utility, and relearn from facts that are not scored."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import LM, Attack, Benchmark, Engine, Method, Point, Prompts, Selection, Verdict
from harness.course import follow_points, verdict_of
from harness.errors import Diverged
from harness.lm import load_lm
from harness.range_test import reference_lr
from harness.ruler import Ruler, Scores
from harness.stages import RANGE_TEST_SEED, seed_everything
from harness.train import restored
from harness.unlearned import require_finite


@dataclass(frozen=True)
class Judged:
    """What a setting came to, on dev items.

    Attributes:
        before: K before any attack, mean over the benchmark's selections.
        utility: u before any attack.
        worst: K at the worst stop of the validation attack, likewise; None if nobody attacked it: utility was below
            what is required, or K before any attack was no better than another setting's after it.
        seconds: Wall time of all of it.
    """

    before: float
    utility: float
    worst: float | None
    seconds: float


@dataclass(frozen=True)
class Bench:
    """Everything that trials of one benchmark share, made once per process."""

    benchmark: Benchmark
    engine: Engine
    selections: Sequence[Selection]
    rulers: Sequence[Ruler]

    def judge(self, method: Method, attack: Attack, *, seed: int, least_utility: float, ceiling: float) -> Judged:
        """Unlearn with a method and measure what is left before and after a validation attack.

        Args:
            method: At the setting of the trial.
            attack: Relearning, at its own setting for the benchmark.
            seed: Of both.
            least_utility: u below which no attack is tried: such a setting cannot be chosen.
            ceiling: K at and above which none is tried either: an attack can only add to it.

        Raises:
            Diverged: Weights that the method left, or a score of them, are not finite.
        """
        start = time.perf_counter()
        lm = load_lm(self.benchmark.target())
        seed_everything(seed)
        method.unlearn(lm, self.benchmark.corpora(), seed=seed)
        require_finite(lm.model, "The method")
        found = [self._scores(lm, selection, Prompts()) for selection in self.selections]
        pairs = list(zip(self.rulers, found, strict=True))
        before = _mean([ruler.knowledge(scores) for ruler, scores in pairs])
        utility = _mean([ruler.utility(scores) for ruler, scores in pairs])
        worst = self._worst(lm, attack, seed) if utility >= least_utility and before < ceiling else None
        return Judged(before, utility, worst, time.perf_counter() - start)

    def _worst(self, lm: LM, attack: Attack, seed: int) -> float:
        """K at the worst stop, mean over selections; every attack starts from the unlearned weights."""
        reached = []
        for selection, ruler in zip(self.selections, self.rulers, strict=True):
            seed_everything(seed)
            told: list[Verdict] = []

            def judge(point: Point) -> Verdict:
                told.append(verdict_of(ruler, self._scores(lm, selection, point.prompts)))  # noqa: B023 - used at once
                return told[-1]  # noqa: B023

            with restored(lm.model.parameters()):
                follow_points(attack, lm, selection.attacker, seed=seed, judge=judge)
            reached.append(max(verdict.knowledge for verdict in told))
        return _mean(reached)

    def _scores(self, lm: LM, selection: Selection, prompts: Prompts) -> Scores:
        self.engine.load(lm)
        scores: Scores = selection.evaluate(self.engine, prompts).scores
        self.engine.rest()
        wrong = [f"{name} = {score.value}" for name, score in scores.items() if not math.isfinite(score.value)]
        if wrong:
            raise Diverged(f"Scores are not finite: {', '.join(wrong)}. A lower learning rate may help.")
        return scores


def bench_of(benchmark: Any, engine: Engine) -> Bench:  # noqa: ANN401 - a benchmark with a selection
    """Measure both ends of every selection of a benchmark."""
    data = benchmark.attacker_data(1.0)
    original = load_lm(benchmark.target())
    rate = reference_lr(original, unrelated=data.unrelated, utility=benchmark.corpora().retain, seed=RANGE_TEST_SEED)
    selections = tuple(benchmark.selection(rate))
    bench = Bench(benchmark, engine, selections, ())
    tops = [bench._scores(original, selection, Prompts()) for selection in selections]
    never = load_lm(reference) if (reference := benchmark.reference()) else None
    floors = [bench._scores(never, selection, Prompts()) if never else {} for selection in selections]
    return Bench(benchmark, engine, selections, [Ruler(top, floor) for top, floor in zip(tops, floors, strict=True)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
