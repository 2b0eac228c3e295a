"""What a human types: the vocabulary of the command line and of ``grid.toml``, parsed and nothing more."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness import registry
from harness.cell import Match
from harness.contract import ALL, AUTO, POCKET
from harness.errors import UserError
from harness.registry import KINDS, Kind

MOST_SEEDS = 10_000
LARGEST_SEED = 2**32 - 1
"""What every library's generator accepts."""
LEVELS: Mapping[Literal["forget", "utility"], float] = {"forget": 0.25, "utility": 0.95}
"""Where matched models are compared if no level is typed: at the board's gate for K(0), and at little lost utility."""
AS_IS = "off"
MATCHES = f"write {AS_IS}, forget, utility, or a level such as forget=0.2, between 0 and 1"
SEEDS = "give a number of seeds (3 means 0, 1, 2) or a list such as 0,5"

Overrides = Mapping[tuple[Kind, str], Mapping[str, object]]


class Grid(BaseModel):
    """What a human types.

    Attributes:
        methods: Names, ``all`` or ``core``, each as it is or as ``name@setting`` (harness/settings.py). Controls are
            added by themselves.
        attacks: Names, or ``all``. The empty attack is added by itself.
        benchmarks: Names, ``all``, or ``pocket`` (every benchmark whose name starts with ``pocket-``).
        engine: Name of the engine that scores, or ``auto``: the one that suits this machine.
        seeds: A number of seeds (3 means 0, 1, 2) or a list of them.
        utility: lm-eval tasks that measure utility, on every chosen benchmark that lets them be chosen; empty: its own.
        tuned: Folder of tuned settings, as ``harness tune`` writes them, that go before those that ship; empty: none.
        match: Where unlearned models are measured: ``off`` (as they are), ``forget`` or ``utility`` (brought to a
            common K(0) or u, harness/matching.py), each with ``=level`` or at :data:`LEVELS`.
        overrides: ``kind.name.field`` -> value; spelt ``set`` in TOML, where tables may be nested.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    methods: tuple[str, ...] = (ALL,)
    attacks: tuple[str, ...] = (ALL,)
    benchmarks: tuple[str, ...] = (POCKET,)
    engine: str = AUTO
    seeds: tuple[int, ...] = (0,)
    utility: tuple[str, ...] = ()
    tuned: str = ""
    match: tuple[str, ...] = (AS_IS,)
    overrides: Mapping[str, Any] = Field(default_factory=dict, alias="set")

    @field_validator("methods", "attacks", "benchmarks", "utility", "match", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: object) -> object:
        if isinstance(value, str) and "," not in value:
            value = _seed(value)
        if isinstance(value, int):
            count = _seed(value)
            _refuse_too_many(count)
            return tuple(range(count))
        parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise ValueError(SEEDS)
        _refuse_too_many(len(parts))
        return tuple(_seed(part) for part in parts)

    @field_validator("overrides", mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        return dict(_flattened(value)) if isinstance(value, Mapping) else value


def read_grid(path: Path | None, flags: Mapping[str, object]) -> Grid:
    """The grid of a TOML file under the flags that were given; ``set`` entries are merged, other flags replace.

    Args:
        path: A ``grid.toml``, or None.
        flags: Field of :class:`Grid` (``overrides`` spelt ``set``) -> value; leave out what was not typed.

    Raises:
        UserError: No such file, not TOML, unknown key, mistyped value.
    """
    written = _toml(path) if path else {}
    if not isinstance(written.get("set", {}), Mapping):
        raise UserError(
            f"The grid's set of {path} is {written['set']!r}, which is no table. Write for example "
            "[set.method.npo] with a line beta = 0.2 below it."
        )
    merged = {**written, **flags}
    merged["set"] = {**_settings(written.get("set")), **_settings(flags.get("set"))}
    try:
        return Grid.model_validate(merged)
    except ValidationError as error:
        raise UserError(_problem(error, path, flags)) from error


def overrides_of(grid: Grid) -> Overrides:
    """The grid's settings by component.

    Raises:
        UserError: A key that is not ``kind.name.field``.
    """
    found: dict[tuple[Kind, str], dict[str, object]] = {}
    for key, value in grid.overrides.items():
        kind, name, field = _split(key)
        found.setdefault((kind, name), {})[field] = value
    return found


def matches_of(grid: Grid) -> tuple[Match | None, ...]:
    """Where unlearned models are measured, None for as they are.

    Raises:
        UserError: A text that names no such place, or none at all.
    """
    found = tuple(dict.fromkeys(_match(spelt) for spelt in grid.match))
    if not found:
        raise UserError(f"The grid's match is empty: {MATCHES}.")
    return found


def _match(spelt: str) -> Match | None:
    if spelt == AS_IS:
        return None
    typed, equals, number = spelt.partition("=")
    axis = next((axis for axis in LEVELS if axis == typed), None)
    try:
        level = float(number) if equals else LEVELS[axis] if axis else math.nan
    except ValueError:
        level = math.nan
    if axis is None or not 0 < level < 1:
        raise UserError(f"The grid's match '{spelt}' is no place to measure at: {MATCHES}.")
    return Match(axis, level)


def _split(key: str) -> tuple[Kind, str, str]:
    head, _, rest = key.partition(".")
    name, _, field = rest.rpartition(".")
    kind = next((kind for kind in KINDS if kind == head), None)
    if kind is None or not name or not field:
        raise UserError(
            f"The setting '{key}' is not of the form kind.name.field.{registry.suggestion(head, KINDS)} "
            f"Write for example method.npo.beta; kinds are {', '.join(KINDS)}."
        )
    return kind, name, field


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _settings(value: object) -> dict[str, Any]:
    return dict(_flattened(value)) if isinstance(value, Mapping) else {}


def _seed(value: object) -> int:
    """One whole number as typed."""
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not (text.isascii() and text.isdigit()):
        raise ValueError(SEEDS)
    if len(text) > len(str(LARGEST_SEED)) or int(text) > LARGEST_SEED:
        raise ValueError(f"a seed is at most {LARGEST_SEED}; {SEEDS}")
    return int(text)


def _refuse_too_many(count: int) -> None:
    if count > MOST_SEEDS:
        raise ValueError(f"these are {count} seeds, and {MOST_SEEDS} are the most; {SEEDS}")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors put a byte order mark first
    except UnicodeDecodeError as error:
        raise UserError(f"The grid file {path} cannot be decoded. Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"The grid file {path} cannot be read: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise UserError(f"The grid file {path} is not TOML: {error}. Mend that line.") from error


def _problem(error: ValidationError, path: Path | None, flags: Mapping[str, object]) -> str:
    first = error.errors(include_url=False)[0]
    if first["loc"] == ("seeds",) and "ctx" in first:
        place = "--seeds" if "seeds" in flags else f"The grid's seeds of {path},"
        return f"{place} {first['input']}: {first['ctx']['error']}."
    key = ".".join(str(part) for part in first["loc"])
    known = ["set" if name == "overrides" else name for name in Grid.model_fields]
    where = f" of {path}" if path else ""
    if first["type"] == "extra_forbidden":
        return f"The grid{where} has no key '{key}'.{registry.suggestion(key, known)} It has: {', '.join(known)}."
    return f"The grid's {key}{where} is {first['input']!r}: {first['msg']}. Its keys are {', '.join(known)}."
