"""Conformance of an unlearning method, seen from outside: it runs twice on fresh copies of a benchmark's model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.api import Benchmark, Method
from harness.lm import load_lm
from harness.testing.result import Result, component_results, judged
from harness.testing.snapshot import Snapshot, global_randomness, snapshot

LIMIT_S = 120.0
"""CPU seconds that one unlearning of a pocket model may take; a default grid of many cells needs it far lower."""


@dataclass(frozen=True)
class MethodTrial:
    """Two runs of one method under one seed.

    Attributes:
        control: True for a method whose role is to leave the model alone.
        replaces: True for a method that says that it gives the model another architecture.
        before: The model before.
        first: The model after the first run.
        second: A fresh copy of the model after the second run, with the global generators elsewhere.
        seconds: CPU seconds of the second run, when everything has been imported.
    """

    control: bool
    replaces: bool
    before: Snapshot
    first: Snapshot
    second: Snapshot
    seconds: float


def check_method(method: Method, benchmark: Benchmark, *, seed: int = 0) -> list[Result]:
    """Run every check of an unlearning method.

    Args:
        method: The method as it would run: its fields are used as they are.
        benchmark: Where it is tried; a pocket benchmark keeps this under a minute.
        seed: The seed of both runs.
    """
    described = component_results(method)
    trial = partial(observe, method, benchmark, seed=seed)
    return [*described, *judged(trial, lambda seen: [check(seen) for check in CHECKS])]


def observe(method: Method, benchmark: Benchmark, *, seed: int) -> MethodTrial:
    """Unlearn twice and look at the model before and after."""
    corpora = benchmark.corpora()

    def run(state: int) -> tuple[Snapshot, Snapshot, float]:
        lm = load_lm(benchmark.target())
        before, start = snapshot(lm), time.process_time()
        with global_randomness(state):
            method.unlearn(lm, corpora, seed=seed)
        return before, snapshot(lm), time.process_time() - start

    before, first, _ = run(1)
    _, second, seconds = run(2)
    control = getattr(method, "role", "method") != "method"
    return MethodTrial(control, getattr(method, "replaces", False), before, first, second, seconds)


def changes_the_model(trial: MethodTrial) -> Result:
    """A method must edit the weights in place; a control must not."""
    changed = trial.before.weights != trial.first.weights
    if trial.control:
        return Result("leaves the model alone (control)", not changed, "the weights changed" if changed else "")
    return Result("changes the model", changed, "" if changed else "no weight changed; edit lm.model in place")


def repeats_under_a_seed(trial: MethodTrial) -> Result:
    """Two runs of one seed agree bit by bit, wherever the global generators stand."""
    passed = trial.first.weights == trial.second.weights
    detail = trial.first.weights[:12] if passed else "two runs of one seed differ; draw from a generator of the seed"
    return Result("repeats bit by bit under a seed", passed, detail)


def ends_finite(trial: MethodTrial) -> Result:
    """Neither weights nor logits may be NaN or infinite."""
    passed = trial.first.finite and trial.second.finite
    return Result("ends finite", passed, "" if passed else "NaN or infinite weights or logits")


def keeps_the_tokenizer(trial: MethodTrial) -> Result:
    """Scores before and after are comparable only under one tokenizer."""
    passed = trial.before.tokenizer == trial.first.tokenizer
    return Result("leaves the tokenizer alone", passed, "" if passed else "vocabulary or special tokens changed")


def keeps_the_architecture(trial: MethodTrial) -> Result:
    """Attacks and engines load the result as the same architecture: no wrapped, added or untied modules."""
    if trial.replaces:
        changed = trial.before.modules != trial.first.modules
        return Result("replaces the architecture, as it says", changed, "" if changed else "no module is another one")
    return compared_architecture(trial.before, trial.first)


def keeps_parameters_trainable(trial: MethodTrial) -> Result:
    """A frozen parameter would silently weaken every attack that follows."""
    return compared_trainability(trial.before, trial.first)


def leaves_no_hooks(trial: MethodTrial) -> Result:
    """A hook left behind is not part of the saved weights, so it would defend in one process and not in the next."""
    return without_hooks(trial.first)


def finishes(trial: MethodTrial) -> Result:
    """A grid repeats this for every seed."""
    return Result("finishes", trial.seconds <= LIMIT_S, f"{trial.seconds:.1f} CPU s, at most {LIMIT_S:.0f}")


def compared_architecture(before: Snapshot, after: Snapshot) -> Result:
    """Names of parameters, classes of modules and the configuration are as before."""
    name = "keeps the architecture"
    if gone_or_new := sorted(set(before.trainable) ^ set(after.trainable)):
        return Result(name, False, f"parameters renamed, added or lost, such as {gone_or_new[0]}")
    if before.modules != after.modules:
        changed = next(iter(dict(set(after.modules.items()) ^ set(before.modules.items()))))
        return Result(name, False, f"module replaced: {changed}")
    same = before.config == after.config
    return Result(name, same, f"{len(after.trainable)} parameters" if same else "model.config changed")


def compared_trainability(before: Snapshot, after: Snapshot) -> Result:
    """Every parameter's requires_grad is as before."""
    shared = before.trainable.keys() & after.trainable.keys()
    changed = sorted(name for name in shared if before.trainable[name] != after.trainable[name])
    detail = f"requires_grad changed for {len(changed)}, such as {changed[0]}" if changed else ""
    return Result("puts requires_grad back", not changed, detail)


def without_hooks(after: Snapshot) -> Result:
    """Neither modules nor parameters carry hooks."""
    return Result("leaves no hooks", not after.hooked, f"on {', '.join(after.hooked[:3])}" if after.hooked else "")


CHECKS: tuple[Callable[[MethodTrial], Result], ...] = (
    changes_the_model,
    repeats_under_a_seed,
    ends_finite,
    keeps_the_tokenizer,
    keeps_the_architecture,
    keeps_parameters_trainable,
    leaves_no_hooks,
    finishes,
)
