"""Checks of an installed component by name, built as a grid would build it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from harness.api import Benchmark
from harness.components import build, preset_of
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.lm import load_lm
from harness.range_test import reference_lr
from harness.testing.attack import check_attack
from harness.testing.benchmark import check_benchmark
from harness.testing.method import check_method
from harness.testing.result import Result

SEED = 0


def check_installed(
    kind: Literal["method", "attack", "benchmark"],
    name: str,
    *,
    benchmark: str = "pocket-wmdp",
    settings: Mapping[str, object] | None = None,
    place: Mapping[str, object] | None = None,
) -> list[Result]:
    """Run every check of one installed component, with its preset for the benchmark.

    Args:
        kind: What it is.
        name: Its installed name.
        benchmark: Where a method or an attack is tried.
        settings: Fields of the component.
        place: Fields of the benchmark that a method or an attack is tried on.
    """
    if kind == "benchmark":
        return check_benchmark(build(kind, name, overrides=settings), build("engine", "transformers"))
    world: Benchmark = build("benchmark", benchmark, overrides=place)
    component = build(kind, name, overrides=settings, benchmark=preset_of(benchmark, world))
    if kind == "method":
        return check_method(component, world, seed=SEED)
    rate = attempt(lambda: _reference_lr(world))
    if isinstance(rate, Fault):
        raise UserError(f"No attack can be tried on {benchmark}: {rate.reason}. Mend it or choose another benchmark.")
    return check_attack(component, world, reference_lr=rate, seed=SEED)


def _reference_lr(world: Benchmark) -> float:
    data = world.attacker_data(1.0)
    utility = [item.prompt + item.answer for item in data.utility_items]
    return reference_lr(load_lm(world.target()), unrelated=data.unrelated, utility=utility, seed=SEED)
