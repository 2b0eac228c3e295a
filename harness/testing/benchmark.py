"""Conformance of a benchmark, seen from outside: its models are loaded and every text it asks is recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

from transformers import PreTrainedTokenizerBase

from harness.api import (
    LM,
    AttackerData,
    Axis,
    Benchmark,
    BenchmarkCard,
    Corpora,
    Engine,
    Evaluation,
    Prompts,
    Score,
    Split,
)
from harness.lm import load_lm
from harness.testing.result import Result, component_results, judged
from harness.testing.snapshot import Snapshot, snapshot

SHORT = 24
"""Asked texts of fewer characters occur in documents by chance and are not evidence of a leak."""
AROUND = Prompts(before="Zq before. ", after=" zq after.")


@dataclass(frozen=True)
class RecordingEngine:
    """Passes every call on and keeps the texts that were asked."""

    inner: Engine
    asked: list[str] = field(default_factory=list)
    version: ClassVar[int] = 1

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the served model."""
        return self.inner.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens that the served model can read."""
        return self.inner.context_length

    def load(self, lm: LM) -> str:
        """Serve these weights."""
        return self.inner.load(lm)

    def rest(self) -> None:
        """Give memory back."""
        self.inner.rest()

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probabilities of candidates."""
        self.asked.extend(prompts)
        return self.inner.choices(prompts, candidates)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities; a text scored without context counts as asked itself."""
        self.asked.extend(context or text for context, text in pairs)
        return self.inner.loglikelihood(pairs)

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether each continuation is the greedy one."""
        self.asked.extend(context or text for context, text in pairs)
        return self.inner.greedy(pairs)

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = (), temperature: float = 0.0
    ) -> list[str]:
        """Continuations."""
        self.asked.extend(prompts)
        return self.inner.generate(prompts, max_tokens=max_tokens, stop=stop, temperature=temperature)


@dataclass(frozen=True)
class BenchmarkTrial:
    """A benchmark's declarations and what it asked.

    Attributes:
        card: Its card.
        identity: Its digests.
        corpora: What methods see.
        attacker_data: What attackers see.
        target: The original model.
        reference: The never-learned model, None where there is none.
        evaluations: Two evaluations of the original model.
        asked: Texts asked in one evaluation without an attack on the input.
        asked_around: Texts asked under ``AROUND``.
    """

    card: BenchmarkCard
    identity: dict[str, str]
    corpora: Corpora
    attacker_data: AttackerData
    target: Snapshot
    reference: Snapshot | None
    evaluations: tuple[Evaluation, Evaluation]
    asked: tuple[str, ...]
    asked_around: tuple[str, ...]


def check_benchmark(benchmark: Benchmark, engine: Engine) -> list[Result]:
    """Run every check of a benchmark with this engine."""
    described = component_results(benchmark)
    return [*described, *judged(lambda: observe(benchmark, engine), lambda seen: [check(seen) for check in CHECKS])]


def observe(benchmark: Benchmark, engine: Engine) -> BenchmarkTrial:
    """Load the models and evaluate the original one three times, recording what is asked."""
    reference, target = benchmark.reference(), load_lm(benchmark.target())
    recording = RecordingEngine(engine)
    engine.load(target)
    first = benchmark.evaluate(recording, Prompts())
    asked = tuple(recording.asked)
    second = benchmark.evaluate(recording, Prompts())
    recording.asked.clear()
    benchmark.evaluate(recording, AROUND)
    return BenchmarkTrial(
        card=benchmark.card(),
        identity=dict(benchmark.identity()),
        corpora=benchmark.corpora(),
        attacker_data=benchmark.attacker_data(1e-4),
        target=snapshot(target),
        reference=snapshot(load_lm(reference)) if reference is not None else None,
        evaluations=(first, second),
        asked=asked,
        asked_around=tuple(recording.asked),
    )


def has_a_card(trial: BenchmarkTrial) -> Result:
    """Numbers below full scale must carry the sentence that keeps them from passing for more."""
    honest = trial.card.scale == "full" or bool(trial.card.notice)
    return Result("has an honest card", bool(trial.card.title) and honest, f"{trial.card.title} ({trial.card.scale})")


def has_an_identity(trial: BenchmarkTrial) -> Result:
    """Digests of data and models make cells of changed content other cells."""
    good = bool(trial.identity) and all(isinstance(value, str) and value for value in trial.identity.values())
    return Result("has an identity", good, ", ".join(sorted(trial.identity)) or "identity() is empty")


def has_models(trial: BenchmarkTrial) -> Result:
    """The original model loads, and differs from the never-learned one if there is one."""
    name = "has models"
    if not trial.target.finite:
        return Result(name, False, "the target has NaN or infinite weights or logits")
    if trial.reference is None:
        return Result(name, True, "target; no never-learned reference")
    if trial.reference.tokenizer != trial.target.tokenizer:
        return Result(name, False, "target and reference have different tokenizers")
    differ = trial.reference.weights != trial.target.weights
    return Result(name, differ, "target and reference" if differ else "target and reference are the same weights")


def has_documents(trial: BenchmarkTrial) -> Result:
    """Methods need something to forget and something to keep; attackers need the texts that attacks ask for."""
    data = trial.attacker_data
    counts = {
        "forget": len(trial.corpora.forget),
        "retain": len(trial.corpora.retain),
        "attacker forget": len(data.forget),
        "attacker unrelated": len(data.unrelated),
    }
    empty = [name for name, count in counts.items() if count == 0]
    detail = f"empty: {', '.join(empty)}" if empty else ", ".join(f"{name} {n}" for name, n in counts.items())
    return Result("has documents", not empty, detail)


def hides_scored_items(trial: BenchmarkTrial) -> Result:
    """No text that is asked occurs in what an attacker may see: items are split by fact."""
    data = trial.attacker_data
    seen = [*data.forget, *data.near, *data.unrelated]
    seen += [item.prompt + item.answer for item in (*data.items, *data.utility_items)]
    everything = "\n".join(seen)
    leaked = [text for text in set(trial.asked) if len(text.strip()) >= SHORT and text.strip() in everything]
    detail = f"{len(leaked)} asked texts, such as {min(leaked)[:60]!r}" if leaked else f"{len(set(trial.asked))} asked"
    return Result("hides scored items from attackers", not leaked, detail)


def has_headline_scores(trial: BenchmarkTrial) -> Result:
    """K and u are built on headline scores, on dev for selection and on test for the report."""
    headlines = {(score.axis, score.split) for score in trial.evaluations[0].scores.values() if score.headline}
    wanted: list[tuple[Axis, Split]] = list(product(("forget", "utility"), ("dev", "test")))
    missing = [f"{axis} {split}" for axis, split in wanted if (axis, split) not in headlines]
    return Result("has headlines for forget and utility", not missing, f"none for {', '.join(missing)}" * bool(missing))


def has_well_formed_scores(trial: BenchmarkTrial) -> Result:
    """Finite numbers whose per-item values agree with the value they are said to make."""
    scores = trial.evaluations[0].scores
    malformed = [name for name, score in scores.items() if not _well_formed(score)]
    detail = f"malformed: {', '.join(malformed)}" if malformed else f"{len(scores)} scores"
    return Result("has well-formed scores", bool(scores) and not malformed, detail)


def gives_a_reason_for_what_it_leaves_out(trial: BenchmarkTrial) -> Result:
    """A metric without meaning here is named with its reason, and is not also scored."""
    left_out = trial.evaluations[0].not_applicable
    wrong = [name for name, reason in left_out.items() if not reason or name in trial.evaluations[0].scores]
    return Result("gives a reason for what it leaves out", not wrong, ", ".join(wrong or left_out))


def evaluates_the_same_twice(trial: BenchmarkTrial) -> Result:
    """Scoring uses no randomness that is not fixed."""
    first, second = trial.evaluations
    differ = [name for name in first.scores if first.scores[name] != second.scores.get(name)]
    return Result("evaluates the same twice", first == second, f"differ: {', '.join(differ)}" if differ else "")


def asks_with_the_attackers_prompts(trial: BenchmarkTrial) -> Result:
    """Attacks on the input reach the model: the text stands before and after the question."""
    asked = trial.asked_around
    passed = any(AROUND.before in text for text in asked) and any(AROUND.after in text for text in asked)
    detail = "" if passed else "evaluate() asked without prompts.before or prompts.after"
    return Result("asks with the attacker's prompts", passed, detail)


def _well_formed(score: Score) -> bool:
    if not all(math.isfinite(value) for value in (score.value, score.stderr, score.chance, *score.items)):
        return False
    if score.stderr < 0 or score.n < 2 or len(score.items) not in (0, score.n):
        return False
    return not score.items or math.isclose(math.fsum(score.items) / score.n, score.value, abs_tol=1e-9)


CHECKS: tuple[Callable[[BenchmarkTrial], Result], ...] = (
    has_a_card,
    has_an_identity,
    has_models,
    has_documents,
    hides_scored_items,
    has_headline_scores,
    has_well_formed_scores,
    gives_a_reason_for_what_it_leaves_out,
    evaluates_the_same_twice,
    asks_with_the_attackers_prompts,
)
