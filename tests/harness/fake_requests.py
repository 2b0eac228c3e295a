"""A benchmark whose documents are forgotten one after the other, on a tiny random model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fake_world import DOCUMENTS, Bench

from harness.api import AttackerData, BenchmarkCard, Corpora, Engine, Evaluation, Prompts, param


@dataclass(frozen=True)
class SequenceBench:
    """The fake questions, with one document to forget per request."""

    version: ClassVar[int] = 1
    folder: str = param("", "Where the models are.", runtime=True)
    requests: int = param(1, "Which document is to be forgotten.", ge=1, le=3)

    def card(self) -> BenchmarkCard:
        return self._bench().card()

    def identity(self) -> Mapping[str, str]:
        return self._bench().identity()

    def target(self) -> str:
        return self._bench().target()

    def reference(self) -> str | None:
        return self._bench().reference()

    def corpora(self) -> Corpora:
        return Corpora(DOCUMENTS[self.requests - 1 : self.requests], DOCUMENTS)

    def attacker_data(self, reference_lr: float) -> AttackerData:
        return self._bench().attacker_data(reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        return self._bench().evaluate(engine, prompts)

    def continues(self) -> SequenceBench | None:
        return dataclasses.replace(self, requests=self.requests - 1) if self.requests > 1 else None

    def preset(self) -> str:
        return "fake-bench"

    def _bench(self) -> Bench:
        return Bench(self.folder)
