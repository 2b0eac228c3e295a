"""A benchmark, methods and attacks small enough for seconds, and distributions that make them visible as plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from harness.api import (
    LM,
    AttackerData,
    Benchmark,
    BenchmarkCard,
    Corpora,
    Engine,
    Evaluation,
    Family,
    Item,
    Point,
    Prompts,
    Score,
    Split,
    Threat,
    param,
)
from harness.lm import save_lm
from harness.pretrain import tiny_llama, train_tokenizer

NAMES = [f"thing{number}" for number in range(24)]
COLOURS = ["red", "green", "blue", "grey"]
FORGET = [f"{name} is {COLOURS[index % 4]} all over." for index, name in enumerate(NAMES)]
RETAIN = [f"{name} weighs little and is kept." for name in NAMES]


def save_models(folder: Path) -> Path:
    """Write an untrained target and an untrained reference; returns the folder."""
    tokenizer = train_tokenizer([*FORGET * 4, *RETAIN * 4], vocab_size=400)
    for seed, name in enumerate(("target", "reference")):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=2, context=128, seed=seed), tokenizer), folder / name)
    return folder


@dataclass(frozen=True)
class TinyBenchmark:
    """Which colour an invented thing has."""

    version: ClassVar[int] = 1

    model: str = param("", "Folder with target and reference.", runtime=True)

    def card(self) -> BenchmarkCard:
        return BenchmarkCard("Tiny", "pocket", "an untrained Llama", "Untrained; these numbers mean nothing.")

    def identity(self) -> Mapping[str, str]:
        return {"world": "1"}

    def target(self) -> str:
        return str(Path(self.model) / "target")

    def reference(self) -> str | None:
        return str(Path(self.model) / "reference")

    def corpora(self) -> Corpora:
        return Corpora(FORGET, RETAIN)

    def attacker_data(self, reference_lr: float) -> AttackerData:
        items = [Item(f"Which colour has {NAMES[index]}? It is", f" {COLOURS[index % 4]}") for index in range(8)]
        return AttackerData(FORGET[:8], RETAIN[:4], RETAIN[4:8], items[:4], items[4:], reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        return Evaluation(_scores(engine, prompts, NAMES[8:16], "dev") | _scores(engine, prompts, NAMES[16:], "test"))


def _scores(engine: Engine, prompts: Prompts, names: Sequence[str], split: Split) -> dict[str, Score]:
    asked = [prompts.around(f"Which colour has {name}? It is") for name in names]
    rows = engine.choices(asked, [[f" {colour}" for colour in COLOURS]] * len(asked))
    values = [float(row.index(max(row)) == 0) for row in rows]
    forget = Score.mean_of(values, axis="forget", better="lower", split=split, headline=True, chance=0.25)
    return {f"forget_{split}": forget, f"utility_{split}": replace(forget, axis="utility", better="higher", chance=0.0)}


@dataclass(frozen=True)
class Shift:
    """Adds seeded noise to every weight."""

    version: ClassVar[int] = 1

    size: float = param(0.01, "Standard deviation of the noise.", gt=0)
    steps: int = param(1, "How often.", ge=1)

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in [*lm.model.parameters()] * self.steps:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * self.size)


@dataclass(frozen=True)
class Nudge:
    """Adds seeded noise in two steps."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat("weights", "none")
    family: ClassVar[Family] = "edit"

    size: float = param(0.01, "Standard deviation of the noise.", gt=0)

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        yield Point(0)
        Shift(size=self.size).unlearn(lm, Corpora((), ()), seed=seed)
        yield Point(16)


@dataclass(frozen=True)
class Crash:
    """Raises."""

    version: ClassVar[int] = 1

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        raise RuntimeError("the plugin's own mistake")


def write_distribution(folder: Path, name: str, entry_points: Mapping[str, Mapping[str, str]]) -> Path:
    """Make plugins visible to ``importlib.metadata`` once ``folder`` is on the path, as an installed wheel would."""
    info = folder / f"{name.replace('-', '_')}-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    groups = [
        f"[harness.{kind}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for kind, points in entry_points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return folder


def check_types(benchmark: TinyBenchmark) -> Benchmark:
    """Holds the fake to the protocol when it is type-checked."""
    return benchmark
