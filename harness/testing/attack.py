"""Conformance of an attack, seen from outside: it runs twice on fresh copies of a benchmark's model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import torch

from harness.api import (
    LM,
    Access,
    Attack,
    AttackerData,
    Benchmark,
    DataAccess,
    Family,
    NotApplicable,
    Point,
    Prompts,
    Threat,
    Verdict,
)
from harness.course import follow_points
from harness.lm import load_lm
from harness.testing.method import compared_architecture, without_hooks
from harness.testing.result import Result, component_results, judged
from harness.testing.snapshot import Snapshot, global_randomness, snapshot

LIMIT_S = 120.0
"""CPU seconds that one attack on a pocket model may take, scoring not counted."""


@dataclass(frozen=True)
class Stop:
    """What the attack yielded, and the model at that moment."""

    point: Point
    seen: Snapshot


@dataclass(frozen=True)
class AttackTrial:
    """Two runs of one attack under one seed on the original model.

    Attributes:
        attack: The attack itself, for what it declares.
        before: The model before; of an attack that owns the original, a model moved away from it.
        first: The stops of the first run.
        second: The stops of the second run, with the global generators elsewhere.
        seconds: CPU seconds of the second run, looking included.
        not_applicable: The reason, if the attack says that it has no meaning on this benchmark.
    """

    attack: Attack
    before: Snapshot
    first: tuple[Stop, ...]
    second: tuple[Stop, ...]
    seconds: float
    not_applicable: str = ""


def check_attack(attack: Attack, benchmark: Benchmark, *, reference_lr: float, seed: int = 0) -> list[Result]:
    """Run every check of an attack.

    Args:
        attack: The attack as it would run: its fields are used as they are.
        benchmark: Where it is tried; a pocket benchmark keeps this under a minute.
        reference_lr: Range-tested learning rate of the original model, which the attack's rates are multiples of.
        seed: The seed of both runs.
    """
    described = [*component_results(attack), declares_its_threat(attack)]
    trial = partial(observe, attack, benchmark, reference_lr=reference_lr, seed=seed)
    return [*described, *judged(trial, _judge)]


def _judge(trial: AttackTrial) -> list[Result]:
    if trial.not_applicable:
        reason = f"not applicable here ({trial.not_applicable}); check it on another benchmark"
        return [Result("applies to the benchmark", False, reason)]
    return [check(trial) for check in CHECKS]


def observe(attack: Attack, benchmark: Benchmark, *, reference_lr: float, seed: int) -> AttackTrial:
    """Attack the original model twice and look at it at every stop."""
    data, model = benchmark.attacker_data(reference_lr), partial(load_lm, benchmark.target())
    if getattr(getattr(attack, "threat", None), "base_model", False):
        data, model = replace(data, original=model), partial(_moved, benchmark)
    before = snapshot(model())
    try:
        first = _stops(attack, model(), data, seed=seed, state=1)
        start = time.process_time()
        second = _stops(attack, model(), data, seed=seed, state=2)
    except NotApplicable as reason:
        return AttackTrial(attack, before, (), (), 0.0, str(reason) or "no reason given")
    return AttackTrial(attack, before, first, second, time.process_time() - start)


def _moved(benchmark: Benchmark) -> LM:
    """The original model with every weight a hundredth larger: what stands between it and the original can be seen."""
    lm = load_lm(benchmark.target())
    with torch.no_grad():
        for weight in lm.model.parameters():
            weight.mul_(1.01)
    return lm


def _stops(attack: Attack, lm: LM, data: AttackerData, *, seed: int, state: int) -> tuple[Stop, ...]:
    """Every stop; an adaptive attack hears of one after the other that it brought more back, at no cost."""
    stops = list[Stop]()

    def look(point: Point) -> Verdict:
        stops.append(Stop(point, snapshot(lm)))
        return Verdict(1 - 0.5 ** len(stops), 1.0, 1.0)

    with global_randomness(state):
        follow_points(attack, lm, data, seed=seed, judge=look)
    return tuple(stops)


def declares_its_threat(attack: Attack) -> Result:
    """A board compares attacks of one threat model, so each must say what its attacker needs."""
    name = "declares threat and family"
    threat, family = getattr(attack, "threat", None), getattr(attack, "family", None)
    if not isinstance(threat, Threat):
        return Result(name, False, "set threat: ClassVar[Threat] = Threat(access, data)")
    if threat.access not in get_args(Access) or threat.data not in get_args(DataAccess):
        return Result(name, False, f"{threat} has access or data that harness.api does not name")
    if family not in get_args(Family):
        return Result(name, False, f"family {family!r} is none of {', '.join(get_args(Family))}")
    return Result(name, True, f"{threat.access} access, {threat.data} data, family {family}")


def yields_points(trial: AttackTrial) -> Result:
    """Every stop is a Point with a budget in tokens; an attack without a stop measures nothing."""
    good = all(isinstance(stop.point, Point) and _whole(stop.point.budget) for stop in trial.first)
    detail = f"{len(trial.first)} points" if good else "yield Point(budget) with an integer budget of at least 0"
    return Result("yields points", bool(trial.first) and good, detail if trial.first else "it yielded none")


def keeps_budgets_in_order(trial: AttackTrial) -> Result:
    """Within a series the budget never falls, so that a series is a curve."""
    series: dict[str, list[int]] = {}
    for stop in trial.first:
        series.setdefault(stop.point.series, []).append(stop.point.budget)
    fallen = [name for name, budgets in series.items() if budgets != sorted(budgets)]
    detail = f"falls in series {fallen[0]!r}" if fallen else f"{len(series)} series"
    return Result("keeps budgets in order", not fallen, detail)


def does_something(trial: AttackTrial) -> Result:
    """An attack edits weights or prompts, a diagnostic may read instead; the control ``none`` does neither."""
    stops = trial.first
    acted = any(stop.seen.weights != trial.before.weights or stop.point.prompts != Prompts() for stop in stops)
    if trial.attack.family == "none":
        return Result("does nothing (control)", not acted, "weights or prompts changed" if acted else "")
    if getattr(getattr(trial.attack, "threat", None), "diagnostic", False):
        acted = acted or any(stop.point.readings for stop in stops)
        return Result("changes or reads something", acted, "" if acted else "the model as it was, and no readings")
    return Result("changes weights or prompts", acted, "" if acted else "every point is the model as it was")


def repeats_under_a_seed(trial: AttackTrial) -> Result:
    """Two runs of one seed agree at every stop, wherever the global generators stand."""
    name, runs = "repeats bit by bit under a seed", (trial.first, trial.second)
    first, second = ([(stop.point, stop.seen.weights) for stop in run] for run in runs)
    detail = "" if first == second else "two runs of one seed differ; draw from a generator of the seed"
    return Result(name, first == second, detail)


def stays_finite(trial: AttackTrial) -> Result:
    """Neither weights nor logits may be NaN or infinite at any stop."""
    wild = [stop.point for stop in trial.first if not stop.seen.finite]
    return Result("stays finite", not wild, f"NaN or infinite at {wild[0]}" if wild else "")


def keeps_the_tokenizer(trial: AttackTrial) -> Result:
    """Scores before and after are comparable only under one tokenizer."""
    passed = all(stop.seen.tokenizer == trial.before.tokenizer for stop in trial.first)
    return Result("leaves the tokenizer alone", passed, "" if passed else "vocabulary or special tokens changed")


def keeps_the_architecture(trial: AttackTrial) -> Result:
    """At every stop the model is weights of the same architecture: adapters are merged before the yield."""
    results = [compared_architecture(trial.before, stop.seen) for stop in trial.first]
    return _first_failure(results, "keeps the architecture")


def leaves_no_hooks(trial: AttackTrial) -> Result:
    """At every stop the attack is weights and prompts, nothing else: fast engines know no hooks."""
    return _first_failure([without_hooks(stop.seen) for stop in trial.first], "leaves no hooks")


def finishes(trial: AttackTrial) -> Result:
    """A grid repeats this for every method and seed."""
    return Result("finishes", trial.seconds <= LIMIT_S, f"{trial.seconds:.1f} CPU s, at most {LIMIT_S:.0f}")


def _first_failure(results: list[Result], name: str) -> Result:
    return next((result for result in results if not result.passed), Result(name, True))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


CHECKS: tuple[Callable[[AttackTrial], Result], ...] = (
    yields_points,
    keeps_budgets_in_order,
    does_something,
    repeats_under_a_seed,
    stays_finite,
    keeps_the_tokenizer,
    keeps_the_architecture,
    leaves_no_hooks,
    finishes,
)
