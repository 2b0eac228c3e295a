"""The original model, untouched: the upper anchor of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, Corpora, Role


@dataclass(frozen=True)
class NoUnlearning:
    """No unlearning: the original model."""

    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"
    role: ClassVar[Role] = "original"

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Leave the model as it is."""
