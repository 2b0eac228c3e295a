"""Identity of a cell: a versioned, pure function of *what* is measured, equal before the run and from its record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from harness.api import STRICT

IDENTITY_VERSION = 1
ID_LENGTH = 20
RANGE_TEST_VERSION = 1
"""Of the rule in :mod:`harness.range_test`: a new rule gives other rates to every attack, so it makes other cells.

It stands here because planning needs it and loads no torch."""

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Spec:
    """One component, complete: name, version, every identity field, and digests of the content it stands on."""

    name: str
    version: int
    params: Mapping[str, Value] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @cached_property
    def key(self) -> str:
        """Identity; formed once, for a board of 500 rows asks a hundred times for each."""
        return digest(asdict(self))


@dataclass(frozen=True)
class Match:
    """Where a model stands that was moved along the line from the original to the unlearned one (harness/matching.py).

    Attributes:
        axis: What is made equal for all methods: K(0) (``forget``) or u (``utility``), on dev items.
        level: The value it is brought to.
        version: Of the rule.
    """

    axis: Literal["forget", "utility"]
    level: float
    version: int = 1

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @property
    def words(self) -> str:
        """Name for a line or a heading."""
        return f"{'K(0)' if self.axis == 'forget' else 'u'} = {self.level:g}"


@dataclass(frozen=True)
class Cell:
    """One square of the grid; with a match, of the unlearned model at that place instead of as it is."""

    benchmark: Spec
    method: Spec
    attack: Spec
    engine: Spec
    seed: int
    match: Match | None = None

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @property
    def id(self) -> str:
        """Digest of the whole specification."""
        said = asdict(self)
        if self.match is None:
            del said["match"]  # cells were named before there were matches
        return digest(said)

    @property
    def unlearn_id(self) -> str:
        """Digest of what decides the unlearned weights; shared by every attack on them, matched or not."""
        return digest({"benchmark": asdict(self.benchmark), "method": asdict(self.method), "seed": self.seed})


def digest(value: object) -> str:
    """Hex digest of a JSON-able value in its one canonical spelling, under the current identity version."""
    text = json.dumps([IDENTITY_VERSION, _canonical(value)], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _canonical(value: object) -> object:
    """One spelling per value: tuples are lists and integral floats are integers, so 1 and 1.0 are one cell."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
