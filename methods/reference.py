"""The model that never learned the forget set: the lower anchor of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, Corpora, Role


@dataclass(frozen=True)
class Reference:
    """The model trained without the forget set, as the benchmark provides it."""

    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"
    role: ClassVar[Role] = "reference"

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Leave the model as it is: the stage has loaded the reference weights already."""
