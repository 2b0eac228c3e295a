"""The checks of a benchmark: each passes for one that conforms and fails for one that breaks just that rule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tiny import FORGET, TinyBenchmark, save_models

from harness.api import (
    AttackerData,
    BenchmarkCard,
    Engine,
    Evaluation,
    Item,
    Prompts,
)
from harness.engines.transformers import TransformersEngine
from harness.testing import check_benchmark, failures


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_models(tmp_path_factory.mktemp("models")))


def failed_names(results: Any) -> list[str]:
    return [result.name for result in results if not result.passed]


def test_a_conforming_benchmark_passes_every_check(models: str) -> None:
    assert failures(check_benchmark(TinyBenchmark(models), TransformersEngine())) == []


def test_a_benchmark_that_raises_fails_with_the_exception(models: str) -> None:
    @dataclass(frozen=True)
    class Raising(TinyBenchmark):
        """Raises when it scores."""

        def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
            raise KeyError(prompts.before)

    found = failures(check_benchmark(Raising(models), TransformersEngine()))
    assert found == ["runs without an exception: KeyError: ''"]


def test_a_benchmark_that_gives_scored_items_away_fails(models: str) -> None:
    @dataclass(frozen=True)
    class Leaky(TinyBenchmark):
        """Shows a scored question to the attacker."""

        def attacker_data(self, reference_lr: float) -> AttackerData:
            leak = Item("Which colour has thing20? It is", " red")
            return replace(super().attacker_data(reference_lr), items=[leak])

    results = check_benchmark(Leaky(models), TransformersEngine())
    assert failed_names(results) == ["hides scored items from attackers"]


def test_a_benchmark_that_ignores_the_attackers_prompts_fails(models: str) -> None:
    @dataclass(frozen=True)
    class Deaf(TinyBenchmark):
        """Asks without prompts."""

        def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
            return super().evaluate(engine, Prompts())

    results = check_benchmark(Deaf(models), TransformersEngine())
    assert failed_names(results) == ["asks with the attacker's prompts"]


def test_a_benchmark_whose_scores_move_between_evaluations_fails(models: str) -> None:
    calls = itertools.count()

    @dataclass(frozen=True)
    class Moody(TinyBenchmark):
        """Never scores the same twice."""

        def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
            scores = super().evaluate(engine, prompts).scores
            return Evaluation({name: replace(score, stderr=float(next(calls))) for name, score in scores.items()})

    assert failed_names(check_benchmark(Moody(models), TransformersEngine())) == ["evaluates the same twice"]


def test_a_benchmark_without_a_dev_headline_and_with_a_wrong_mean_fails_both(models: str) -> None:
    @dataclass(frozen=True)
    class Crooked(TinyBenchmark):
        """Scores crookedly."""

        def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
            scores = dict(super().evaluate(engine, prompts).scores)
            scores["forget_dev"] = replace(scores["forget_dev"], headline=False, value=0.9)
            return Evaluation(scores)

    assert failures(check_benchmark(Crooked(models), TransformersEngine())) == [
        "has headlines for forget and utility: none for forget dev",
        "has well-formed scores: malformed: forget_dev",
    ]


def test_a_pocket_benchmark_without_notice_identity_or_another_reference_fails(models: str) -> None:
    @dataclass(frozen=True)
    class Vague(TinyBenchmark):
        """Hides what it is."""

        def card(self) -> BenchmarkCard:
            return replace(super().card(), notice="")

        def identity(self) -> Mapping[str, str]:
            return {}

        def reference(self) -> str | None:
            return self.target()

    broken = ["has an honest card", "has an identity", "has models"]
    assert failed_names(check_benchmark(Vague(models), TransformersEngine())) == broken


def test_documents_shown_to_attackers_are_searched_for_scored_questions(models: str, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Chatty(TinyBenchmark):
        """Prints a scored question in a document."""

        def attacker_data(self, reference_lr: float) -> AttackerData:
            text = f"{FORGET[20]} Which colour has thing20? It is red."
            return replace(super().attacker_data(reference_lr), forget=[text])

    results = check_benchmark(Chatty(models), TransformersEngine())
    assert failed_names(results) == ["hides scored items from attackers"]
