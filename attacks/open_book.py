"""The open book (control C2): the document that holds the answer stands before every forget question.

A model that answers now can still read and use such facts: what it lost is the facts, not the format. A model that does
not was broken or taught to refuse, and its silence without the book says less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Prompts, Threat


@dataclass(frozen=True)
class OpenBook:
    """Every forget question behind the document that answers it: a control, which no attacker could be."""

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="text", data="forget", diagnostic=True)
    family: ClassVar[Family] = "prompt"
    citation: ClassVar[str] = "2508.06601"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield one point; the benchmark puts the documents in place."""
        if not data.open_book:
            raise NotApplicable("The benchmark does not say which document answers which question.")
        yield Point(0, "open book", Prompts(open_book=True))
