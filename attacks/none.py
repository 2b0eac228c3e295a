"""The identity element: every other attack is read against these rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, AttackerData, Family, Point, Threat


@dataclass(frozen=True)
class NoAttack:
    """No attack: the model as the method left it."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="none", data="none")
    family: ClassVar[Family] = "none"

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the untouched model once."""
        yield Point(0)
