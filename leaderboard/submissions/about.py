"""What a submitter says of his entry: one small TOML file, every field checked, and every problem named."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

ABOUT = "entry.toml"
EXAMPLE = Path(__file__).with_name("entry.example.toml")
LONGEST_NAME, LONGEST_NOTE = 60, 300
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # some scripts and emoji cannot be written without


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
        """In one line."""
        return f"{': '.join(part for part in (self.file, self.where) if part)}: {self.text}".removeprefix(": ")


def plain(text: str) -> str:
    """Text that shows what it holds.

    Raises:
        ValueError: It holds control characters, or what turns text around or cannot be seen.
    """
    bad = sorted({f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in _UNSEEN and c not in _JOINERS})
    if bad:
        raise ValueError(f"holds {', '.join(bad)}: no control characters, and nothing unseen that turns or hides text")
    return text


def _https(address: str) -> str:
    found = urlsplit(plain(address))
    if found.scheme != "https":
        raise ValueError(f"{address!r} is no https address: it must start with https://")
    if not found.hostname or "." not in found.hostname or found.username is not None:
        raise ValueError(f"{address!r} is no https address of a public host")
    return address


def _spdx(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.+-]{2,40}", name):
        raise ValueError(f"{name!r} is no SPDX identifier, such as CC-BY-4.0")
    return name


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(plain)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(plain)]
Link = Annotated[str, Field(max_length=300), AfterValidator(_https)]
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
    path = folder / ABOUT
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [Problem(ABOUT, "", "is missing; `harness submit pack` writes one to fill in")]
    except RecursionError:
        return [Problem(ABOUT, "", "is nested too deeply")]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [Problem(ABOUT, "", f"is no TOML file: {error}")]
    if left := sorted(
        key for key, value in _example().items() if key in ("method", "authors") and found.get(key) == value
    ):
        return [Problem(ABOUT, key, "is still that of the example; say your own") for key in left]
    try:
        return _ABOUT.validate_json(json.dumps(found, default=str))  # strict: a dataclass is read from JSON alone
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
