"""What maintainers write beside records: ``changes.toml``, and of others' numbers and code ``reported.toml``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from leaderboard.collection import Change, Defect, Reported
from leaderboard.submissions.about import Link, Note
from leaderboard.submissions.toml import TomlError, read_toml

CHANGES, REPORTED = "changes.toml", "reported.toml"
LARGEST = 2**20
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Said = Annotated[Note, Field(min_length=1)]
T = TypeVar("T")
_STRICT = {"extra": "forbid", "strict": True}


class NotesError(ValueError):
    """A file of notes is none; the message names file, field and what is wrong."""


@dataclass(frozen=True)
class _Change:
    date: Date
    kind: Literal["release", "erratum", "withdrawn"]
    text: Note
    entry: Annotated[str, Field(pattern=r"^[a-z0-9-]*$", max_length=80)] = ""
    name: Note = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class _Changes:
    change: list[_Change] = field(default_factory=list)

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class _Number:
    benchmark: Said
    model: Said
    method: Said
    quantity: Said
    value: Said
    source: Said
    link: Link
    note: Note = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class _Defect:
    method: Said
    source: Said
    link: Link
    text: Said
    effect: Said

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class _Others:
    number: list[_Number] = field(default_factory=list)
    defect: list[_Defect] = field(default_factory=list)

    __pydantic_config__ = _STRICT


def changes_in(folder: Path, *, without: Collection[Path] = ()) -> Iterator[Change]:
    """Every change noted anywhere under a folder but in those ``without``.

    Raises:
        NotesError: A file is not as it should be.
    """
    for path in _noted(folder, CHANGES, without):
        for one in _read(path, TypeAdapter(_Changes)).change:
            yield Change(one.date, one.kind, one.text, one.entry, one.name)


def reported_in(folder: Path, *, without: Collection[Path] = ()) -> Iterator[Reported]:
    """Every number of others noted anywhere under a folder but in those ``without``.

    Raises:
        NotesError: A file is not as it should be.
    """
    for path in _noted(folder, REPORTED, without):
        for one in _read(path, TypeAdapter(_Others)).number:
            yield Reported(**vars(one))


def defects_in(folder: Path, *, without: Collection[Path] = ()) -> Iterator[Defect]:
    """Every defect of public code noted anywhere under a folder but in those ``without``.

    Raises:
        NotesError: A file is not as it should be.
    """
    for path in _noted(folder, REPORTED, without):
        for one in _read(path, TypeAdapter(_Others)).defect:
            yield Defect(**vars(one))


def _noted(folder: Path, name: str, without: Collection[Path]) -> list[Path]:
    return sorted(path for path in folder.rglob(name) if not set(without) & set(path.parents))


def _read(path: Path, form: TypeAdapter[T]) -> T:
    try:
        return form.validate_json(read_toml(path, largest=LARGEST)[1])
    except (OSError, TomlError) as error:
        raise NotesError(f"{path}: {error}") from error
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise NotesError(f"{path}: {'; '.join(found)}") from error
