"""What a submitter says of his entry: one small TOML file, every field checked, and every problem named."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from leaderboard.submissions.texts import named, plain, public, shown
from leaderboard.submissions.toml import TomlError, read_toml

ABOUT = "entry.toml"
EXAMPLE = Path(__file__).with_name("entry.example.toml")
LONGEST_NAME, LONGEST_NOTE = 60, 300
LARGEST = 16 * 2**10
"""Bytes of the file: ten links, fifty authors and a note in letters of four bytes each stay below."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a submission.

    Attributes:
        file: Relative to its folder; empty if it is the folder's.
        where: Field, line or record in the file; empty if it is the file's.
        fatal: Whether nothing of the submission can be shown; otherwise it is shown as self-reported.
    """

    file: str
    where: str
    text: str
    fatal: bool = False

    def __str__(self) -> str:
        """In one line, in which whatever is not seen is spelled out: file and field are the submitter's words."""
        return shown(f"{': '.join(part for part in (self.file, self.where) if part)}: {self.text}".removeprefix(": "))


def _spdx(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.+-]{2,40}", name):
        raise ValueError(f"{name!r} is no SPDX identifier, such as CC-BY-4.0")
    return name


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(named)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(plain)]
Link = Annotated[str, Field(max_length=300), AfterValidator(public)]
Licence = Annotated[str, AfterValidator(_spdx)]


@dataclass(frozen=True)
class About:
    """The file's content.

    Attributes:
        method: The method's name as its author writes it.
        authors: None for an anonymous entry, which can be claimed later.
        licence: SPDX identifier, of the records.
        links: What it is -> https address.
    """

    method: Name
    authors: Annotated[list[Name], Field(max_length=50)] = field(default_factory=list)
    licence: Licence = "CC-BY-4.0"
    note: Note = ""
    links: Annotated[dict[Name, Link], Field(max_length=10)] = field(default_factory=dict)

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012 - pydantic reads a plain dict


_ABOUT = TypeAdapter(About)


def read_about(folder: Path) -> About | list[Problem]:
    """The file of a folder, or everything that is wrong with it."""
    try:
        found, text = read_toml(folder / ABOUT, largest=LARGEST)
    except FileNotFoundError:
        return [Problem(ABOUT, "", "is missing; `harness submit pack` writes one to fill in")]
    except TomlError as error:
        return [Problem(ABOUT, "", str(error))]
    if left := sorted(
        key for key, value in _example().items() if key in ("method", "authors") and found.get(key) == value
    ):
        return [Problem(ABOUT, key, "is still that of the example; say your own") for key in left]
    try:
        return _ABOUT.validate_json(text)  # strict: a dataclass is read from JSON alone
    except ValidationError as error:
        return [Problem(ABOUT, _field(one["loc"]), _words(one)) for one in error.errors(include_url=False)]


def about_schema() -> str:
    """JSON schema of the file's content."""
    form = {**_ABOUT.json_schema(), "title": ABOUT, "description": "What a submitter says of an entry, as TOML."}
    return json.dumps(form, indent=1, sort_keys=True) + "\n"


@cache
def _example() -> dict[str, Any]:
    return tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


def _field(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path)


def _words(error: Any) -> str:  # noqa: ANN401 - pydantic's own dictionary
    if error["type"] == "unexpected_keyword_argument":
        return "is no field of an entry"
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "list_type":
        return 'is no list, such as ["A. Author"]'
    return str(error["msg"]).removeprefix("Value error, ")
