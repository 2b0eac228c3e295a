"""Plugins whose every score is a weight of the model, so that what a search must find is known beforehand.

Knowledge is the first entry of the last norm's weights and utility the second; both are 1 in an untrained model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import tiny
import torch

from harness.api import LM, AttackerData, Corpora, Evaluation, Family, Point, Prompts, Score, Selection, Threat, param
from harness.engines.transformers import TransformersEngine


def entry(lm: LM, index: int) -> torch.Tensor:
    """A view of one entry, to read or to write in place."""
    return lm.model.model.norm.weight.detach()[index]


@dataclass(frozen=True)
class DialBenchmark(tiny.TinyBenchmark):
    """Reads two weights; has no never-learned model."""

    shared: str = param("", "Name under which presets are looked up; empty: its own.")

    def reference(self) -> str | None:
        return None

    def preset(self) -> str:
        return self.shared or "dial"

    def selection(self, reference_lr: float) -> list[Selection]:
        return [Selection(self.attacker_data(reference_lr), reading) for _ in range(2)]


class OtherBenchmark(DialBenchmark):
    """The same under another name."""


def reading(engine: Any, prompts: Prompts) -> Evaluation:
    """Both scores of the model that the engine serves."""
    forget, utility = (float(entry(engine.served[-1], index)) for index in (0, 1))
    return Evaluation(
        {
            "forget": Score(forget, 0.0, 1, "lower", "forget", "dev", True, 0.0),
            "utility": Score(utility, 0.0, 1, "higher", "utility", "dev", True, 0.0),
        }
    )


@dataclass(frozen=True)
class DialEngine(TransformersEngine):
    """Hands the model through, so that scores may read its weights."""

    grain: int = param(1, "Changes nothing, but belongs to the identity.")
    served: list[LM] = field(default_factory=list, init=False, compare=False)

    def load(self, lm: LM) -> str:
        self.served.append(lm)
        return ""

    def rest(self) -> None:
        self.served.clear()


@dataclass(frozen=True)
class Dial:
    """Sets both weights."""

    version: ClassVar[int] = 1
    search: ClassVar[tuple[str, ...]] = ("left", "mood")

    left: float = param(0.2, "Knowledge left.", gt=0)
    kept: float = param(1.0, "Utility kept.", gt=0)
    mood: str = param("calm", "Changes nothing.", choices=("calm", "wild"))
    pause_s: float = param(0.0, "Seconds to wait first.", ge=0, runtime=True)

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        time.sleep(self.pause_s)
        entry(lm, 0).fill_(self.left)
        entry(lm, 1).fill_(self.kept)


@dataclass(frozen=True)
class Recall:
    """Adds knowledge, then takes some of it away again."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat("weights", "none")
    family: ClassVar[Family] = "relearn"

    gain: float = param(0.3, "Knowledge at its worst stop.", ge=0)

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        for step, change in enumerate((0.0, self.gain, -self.gain / 2)):
            entry(lm, 0).add_(change)
            yield Point(step)
