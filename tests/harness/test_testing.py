"""Every conformance check passes for a component that conforms and fails for one that breaks just that rule."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from tiny import Nudge, Shift, TinyBenchmark, save_models

from harness.api import (
    LM,
    AttackerData,
    Corpora,
    NotApplicable,
    Point,
    Prompts,
)
from harness.testing import check_attack, check_method, failures


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_models(tmp_path_factory.mktemp("models")))


def failed_names(results: Any) -> list[str]:
    return [result.name for result in results if not result.passed]


def test_a_conforming_method_passes_every_check(models: str) -> None:
    assert failures(check_method(Shift(), TinyBenchmark(models))) == []


def test_a_conforming_attack_passes_every_check(models: str) -> None:
    assert failures(check_attack(Nudge(), TinyBenchmark(models), reference_lr=1e-3)) == []


def raises(lm: LM, seed: int) -> None:
    raise RuntimeError("the plugin's\nown mistake")


def edits_nothing(lm: LM, seed: int) -> None:
    """Leaves the model as it is."""


def draws_from_the_global_torch_generator(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(torch.randn(lm.model.lm_head.weight.shape) * 0.01)


def draws_from_the_global_python_generator(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(random.random())


def writes_nan(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data[0, 0] = float("nan")


def adds_a_token(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(0.1)
    lm.tokenizer.add_tokens(["zzz"])


def freezes(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(0.1)
    lm.model.lm_head.weight.requires_grad_(False)


def leaves_a_hook(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(0.1)
    lm.model.model.layers[0].register_forward_hook(lambda module, inputs, output: None)


def wraps_a_module(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(0.1)
    lm.model.model.layers[0].mlp = torch.nn.Sequential(lm.model.model.layers[0].mlp)


def changes_the_configuration(lm: LM, seed: int) -> None:
    lm.model.lm_head.weight.data.add_(0.1)
    lm.model.config.rms_norm_eps = 1.0


@pytest.mark.parametrize(
    ("edit", "broken"),
    [
        (raises, "runs without an exception"),
        (edits_nothing, "changes the model"),
        (draws_from_the_global_torch_generator, "repeats bit by bit under a seed"),
        (draws_from_the_global_python_generator, "repeats bit by bit under a seed"),
        (writes_nan, "ends finite"),
        (adds_a_token, "leaves the tokenizer alone"),
        (freezes, "puts requires_grad back"),
        (leaves_a_hook, "leaves no hooks"),
        (wraps_a_module, "keeps the architecture"),
        (changes_the_configuration, "keeps the architecture"),
    ],
)
def test_a_method_that_breaks_one_rule_fails_that_check_alone(models: str, edit: Any, broken: str) -> None:
    @dataclass(frozen=True)
    class Broken:
        """Breaks one rule."""

        version: ClassVar[int] = 1

        def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
            edit(lm, seed)

    assert failed_names(check_method(Broken(), TinyBenchmark(models))) == [broken]


def test_an_exception_is_told_in_one_line_whoever_raises_it(models: str) -> None:
    @dataclass(frozen=True)
    class Raising(Nudge):
        """Raises after a point."""

        def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
            yield Point(0)
            raises(lm, seed)

    found = failures(check_attack(Raising(), TinyBenchmark(models), reference_lr=1e-3))
    assert found == ["runs without an exception: RuntimeError: the plugin's own mistake"]


def test_a_control_that_edits_the_model_fails(models: str) -> None:
    @dataclass(frozen=True)
    class Control(Shift):
        """Says that it does nothing."""

        role: ClassVar[str] = "original"

    assert failed_names(check_method(Control(), TinyBenchmark(models))) == ["leaves the model alone (control)"]


def test_fields_without_a_line_and_without_json_are_named(models: str) -> None:
    @dataclass(frozen=True)
    class Undocumented(Shift):
        """Has two bad fields."""

        silent: int = 1
        odd: object = object

    found = failures(check_method(Undocumented(), TinyBenchmark(models)))
    assert found == [
        "documents its fields: declare with param(default, doc): silent, odd",
        "has JSON-able fields: not JSON-able: odd",
    ]


def test_a_class_without_docstring_version_and_freezing_fails_three_checks(models: str) -> None:
    class Bare:
        def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
            Shift().unlearn(lm, corpora, seed=seed)

    bare: Any = Bare()
    assert failed_names(check_method(bare, TinyBenchmark(models))) == [
        "is a frozen dataclass",
        "has a one-line summary",
        "has a version",
    ]


def never(lm: LM, seed: int) -> Iterator[Point]:
    yield from ()


def backwards(lm: LM, seed: int) -> Iterator[Point]:
    yield Point(5, prompts=Prompts(before="x"))
    yield Point(3)


def fractional(lm: LM, seed: int) -> Iterator[Point]:
    budget: Any = 0.5
    yield Point(budget, prompts=Prompts(before="x"))


def idle(lm: LM, seed: int) -> Iterator[Point]:
    yield Point(0)


def drifting(lm: LM, seed: int) -> Iterator[Point]:
    draws_from_the_global_torch_generator(lm, seed)
    yield Point(0)


def diverging(lm: LM, seed: int) -> Iterator[Point]:
    writes_nan(lm, seed)
    yield Point(0)


def hooking(lm: LM, seed: int) -> Iterator[Point]:
    leaves_a_hook(lm, seed)
    yield Point(0)


def wrapping(lm: LM, seed: int) -> Iterator[Point]:
    wraps_a_module(lm, seed)
    yield Point(0)


def out_of_place(lm: LM, seed: int) -> Iterator[Point]:
    raise NotApplicable("there is nothing to attack")
    yield Point(0)


@pytest.mark.parametrize(
    ("stops", "broken"),
    [
        (never, ["yields points", "changes weights or prompts"]),
        (backwards, ["keeps budgets in order"]),
        (fractional, ["yields points"]),
        (idle, ["changes weights or prompts"]),
        (drifting, ["repeats bit by bit under a seed"]),
        (diverging, ["stays finite"]),
        (hooking, ["leaves no hooks"]),
        (wrapping, ["keeps the architecture"]),
        (out_of_place, ["applies to the benchmark"]),
    ],
)
def test_an_attack_that_breaks_a_rule_fails_that_check(models: str, stops: Any, broken: list[str]) -> None:
    @dataclass(frozen=True)
    class Broken(Nudge):
        """Breaks one rule."""

        def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
            return stops(lm, seed)  # type: ignore[no-any-return]

    assert failed_names(check_attack(Broken(), TinyBenchmark(models), reference_lr=1e-3)) == broken


def test_an_attack_without_a_threat_says_how_to_declare_one(models: str) -> None:
    @dataclass(frozen=True)
    class Silent(Nudge):
        """Declares no threat."""

        threat: ClassVar[Any] = None

    found = failures(check_attack(Silent(), TinyBenchmark(models), reference_lr=1e-3))
    assert found == ["declares threat and family: set threat: ClassVar[Threat] = Threat(access, data)"]
