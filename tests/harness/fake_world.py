"""A small third-party distribution: every way in which foreign code behaves or misbehaves, on a tiny random model."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from harness.api import (
    LM,
    AttackerData,
    BenchmarkCard,
    Corpora,
    Engine,
    Evaluation,
    Family,
    Item,
    NotApplicable,
    Point,
    Prompts,
    Score,
    Threat,
    param,
)

DOCUMENTS = ("the fox sleeps in the den", "a crow sits on the roof", "the river runs to the sea")
QUESTIONS = ("the fox sleeps in the", "a crow sits on the", "the river runs to the")
ANSWERS = (" den", " roof", " sea")


def fixed_rate(lm: LM, *, unrelated: Sequence[str], utility: Sequence[Item], seed: int) -> float:
    return 0.01


def nudge(lm: LM, *, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in lm.model.parameters():
            weights += scale * torch.randn(weights.shape, generator=generator)


@dataclass(frozen=True)
class Bench:
    """Three questions about animals and rivers."""

    version: ClassVar[int] = 1
    folder: str = param("", "Where the models are.", runtime=True)
    references: bool = param(True, "Whether there is a never-learned model.")

    def card(self) -> BenchmarkCard:
        return BenchmarkCard("Fake", "pocket", "a random Llama", "Nothing here means anything.")

    def identity(self) -> Mapping[str, str]:
        return {"documents": "three"}

    def target(self) -> str:
        return str(Path(self.folder) / "target")

    def reference(self) -> str | None:
        return str(Path(self.folder) / "reference") if self.references else None

    def corpora(self) -> Corpora:
        return Corpora(forget=DOCUMENTS[:1], retain=DOCUMENTS[1:])

    def attacker_data(self, reference_lr: float) -> AttackerData:
        items = [Item(question, answer) for question, answer in zip(QUESTIONS, ANSWERS, strict=True)]
        return AttackerData(DOCUMENTS[:1], DOCUMENTS[1:], DOCUMENTS, items, items, reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        texts = [prompts.around(question) for question in QUESTIONS]
        rows = engine.choices(texts, [ANSWERS] * len(texts))
        values = [row[index] for index, row in enumerate(rows)]
        return Evaluation({"nats": Score.mean_of(values, axis="forget", better="lower", headline=True)})


@dataclass(frozen=True)
class Nudge:
    """Adds noise to every weight."""

    version: ClassVar[int] = 1
    family: ClassVar[str] = "noise"
    citation: ClassVar[str] = "0000.00000"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"fake-bench": {"steps": 7}}

    scale: float = param(0.01, "Standard deviation of the noise.", gt=0, le=1)
    steps: int = param(1, "Repetitions.", ge=1)
    layers: tuple[int, ...] = param((0, 1), "Layers to change.", ge=0)
    mode: str = param("plain", "Which noise.", choices=("plain", "fancy"))
    stop: int | None = param(None, "Where to stop.", ge=0)
    pause_s: float = param(0.0, "Seconds to wait first.", ge=0, runtime=True)

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        time.sleep(self.pause_s)
        nudge(lm, scale=self.scale, seed=seed)


@dataclass(frozen=True)
class Misbehave:
    """Fails in the way it is told to."""

    version: ClassVar[int] = 1
    how: str = param("raise", "What goes wrong.", choices=("raise", "nan", "abort", "exit", "rename"))

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        sys.stdout.write("about to misbehave\n")
        sys.stdout.flush()
        if self.how == "raise":
            raise RuntimeError("no gradient today")
        if self.how == "nan":
            next(iter(lm.model.parameters())).data.fill_(float("nan"))
        if self.how == "abort":
            os.abort()
        if self.how == "exit":
            sys.exit("enough")
        if self.how == "rename":
            lm.model.extra = torch.nn.Linear(2, 2)


@dataclass(frozen=True)
class Drift:
    """Adds noise twice and shows the model before, between and after."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="none")
    family: ClassVar[Family] = "edit"
    scale: float = param(0.01, "Standard deviation of the noise.", gt=0)
    pause_s: float = param(0.0, "Seconds to wait before every point.", ge=0, runtime=True)

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        for budget in range(3):
            time.sleep(self.pause_s)
            yield Point(budget)
            nudge(lm, scale=self.scale, seed=seed)


@dataclass(frozen=True)
class OddAttack:
    """Behaves in the way it is told to."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="none")
    family: ClassVar[Family] = "edit"
    how: str = param("silent", "What it does.", choices=("silent", "unfit", "late", "endless", "diverge", "bare"))

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        if self.how == "unfit":
            raise NotApplicable("there are no questions here")
        if self.how == "endless":
            time.sleep(3600)
        if self.how == "diverge":
            next(iter(lm.model.parameters())).data.fill_(float("inf"))
        if self.how == "bare":
            yield 3  # type: ignore[misc]
        if self.how != "silent":
            yield Point(0)
        if self.how == "late":
            raise NotApplicable("on second thought")
