"""The record: one finished cell as one JSON text that describes itself. Imports no torch and no registry.

A record from outside is only text: strict schema, finite numbers, id recomputed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from harness.api import BY_OTHER, STRICT, BenchmarkCard, Family, Point, Prompts, Role, Score, Threat
from harness.cell import Cell, Match, Spec, digest

SCHEMA = 5
READABLE = (1, 2, 3, 4, 5)
"""Schema 1 had no remarks; 2 said neither which setting of a method it was nor what its steps and optimiser cost; 3 had
no matched models; 4 knew no diagnostics but attacks that own the original model."""


class RecordError(ValueError):
    """The text is not a record that can be trusted; the message says why."""


@dataclass(frozen=True)
class MethodCard:
    """What a page says about a method.

    Attributes:
        fidelity: What stands behind its name: formula-checked, reproduced or approximate; empty if it does not say.
        setting: Which of its settings this is: tuned, preset, published or default; ``set`` if fields were set by hand.
    """

    summary: str
    role: Role
    family: str
    citation: str
    fidelity: str = ""
    setting: str = ""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class AttackCard:
    """What a page says about an attack."""

    summary: str
    family: Family
    threat: Threat
    citation: str

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @property
    def ranked(self) -> bool:
        """Whether the attack counts for the worst case."""
        return not (self.threat.base_model or self.threat.diagnostic)


@dataclass(frozen=True)
class Cost:
    """What a stage cost; evaluation and loading are not in it.

    Attributes:
        seconds: Wall time of the optimisation.
        steps: Optimiser steps.
        forwards: Forward passes, in units of the whole model (a pass cut at half the layers counts 0.5). A batch cut
            into micro-batches takes several.
        backwards: Backward passes, in the same unit.
        tokens: Token positions fed forward, padding included.
        peak_memory_bytes: Peak of the process (CPU) or of the device, while the stage ran.
        token_forwards: Token positions that went forward through the whole model (cut at half the layers: 0.5 each).
        token_backwards: Likewise backward; unlike passes, neither depends on how batches were cut.
        step_seconds: Median wall time from one optimiser step to the next after the first few; 0 with fewer steps.
        trained_parameters: Numbers that the optimiser changes; 0 without an optimiser.
        optimizer_bytes: What the optimiser keeps beside weights and gradients.
        visible_share: Smallest share of 16-bit weights that a perturbation changed; None without such perturbations.
    """

    seconds: float = 0.0
    steps: int = 0
    forwards: float = 0.0
    backwards: float = 0.0
    tokens: int = 0
    peak_memory_bytes: int = 0
    token_forwards: float = 0.0
    token_backwards: float = 0.0
    step_seconds: float = 0.0
    trained_parameters: int = 0
    optimizer_bytes: int = 0
    visible_share: float | None = None

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from. Nothing here is part of the identity."""

    harness_version: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str]
    distributions: Mapping[str, str]
    device: str
    dtype: str
    threads: int
    started: str

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class Measurement:
    """One point of the attack, scored."""

    point: Point
    fingerprint: str
    scores: Mapping[str, Score]
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class Record:
    """A finished cell.

    Attributes:
        measurements: One per point of the attack, in the order it yielded them; empty if not applicable.
        not_applicable: Why the attack has no meaning on this benchmark; empty otherwise.
        reference_lr: Range-tested learning rate of the target that the attack's rates are multiples of.
        share: How far the attacked model lies on the line from the original to the unlearned one; 1 unless matched.
    """

    schema: int
    id: str
    cell: Cell
    benchmark: BenchmarkCard
    method: MethodCard
    attack: AttackCard
    measurements: tuple[Measurement, ...]
    not_applicable: str
    reference_lr: float
    unlearn_cost: Cost
    attack_cost: Cost
    provenance: Provenance
    share: float = 1.0

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


_RECORD = TypeAdapter(Record)


def dumps(record: Record) -> str:
    """The record's JSON text: keys sorted, one trailing newline, refuses NaN and infinities."""
    data = _RECORD.dump_python(record, mode="json")
    return json.dumps(data, sort_keys=True, indent=None, separators=(",", ":"), allow_nan=False) + "\n"


def loads(text: str) -> Record:
    """Parse and check a record.

    Raises:
        RecordError: Not JSON, another schema, unknown or missing keys, non-finite numbers, wrong id, or empty.
    """
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the text"
        raise RecordError(f"{where}: {first['msg']}") from error
    if record.schema not in READABLE:
        raise RecordError(f"schema {record.schema}, but this version reads schemas {READABLE}")
    if record.id != record.cell.id:
        raise RecordError(f"id {record.id} does not match its cell, which has id {record.cell.id}")
    if bool(record.measurements) == bool(record.not_applicable):
        raise RecordError("a record needs either measurements or the reason why it has none")
    return record


def measured(record: Record) -> Record:
    """The record without what may differ between two runs of one cell: costs and provenance."""
    blank = Provenance("", "", False, "", {}, {}, "", "", 0, "")
    return replace(record, unlearn_cost=Cost(), attack_cost=Cost(), provenance=blank)


__all__ = [
    "BY_OTHER",
    "SCHEMA",
    "AttackCard",
    "BenchmarkCard",
    "Cell",
    "Cost",
    "Family",
    "Match",
    "Measurement",
    "MethodCard",
    "Point",
    "Prompts",
    "Provenance",
    "Record",
    "RecordError",
    "Score",
    "Spec",
    "digest",
    "dumps",
    "loads",
    "measured",
]
