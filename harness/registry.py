"""Finds components by Python entry point: ours and anybody's through the same door.

Listing imports nothing; only what is asked for is imported; a broken plugin is blamed by distribution and version and
harms nobody who did not name it.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, get_args

from harness.contract import violation
from harness.errors import UserError
from harness.faults import Fault, attempt

Kind = Literal["method", "attack", "benchmark", "engine"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Entry:
    """One installed name: who provides it and where it is, known without importing it."""

    kind: Kind
    name: str
    distribution: str
    version: str
    path: str

    @property
    def provider(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Listed:
    """An installed name after an attempt to import it.

    Attributes:
        entry: The name and its provider.
        summary: First line of the class's docstring; empty if broken.
        broken: Why it cannot be used; empty if it can.
    """

    entry: Entry
    summary: str
    broken: str


def installed(kind: Kind) -> tuple[Entry, ...]:
    """Every name of this kind, sorted, without importing any; a name claimed twice appears twice."""
    return _installed(kind, tuple(_state(place) for place in sys.path))


def find(kind: Kind, name: str) -> Entry:
    """The one entry of this name.

    Raises:
        UserError: No distribution, or more than one, provides it.
    """
    entries = installed(kind)
    matches = [entry for entry in entries if entry.name == name]
    if not matches:
        raise UserError(_unknown(kind, name, [entry.name for entry in entries]))
    if len(matches) > 1:
        raise UserError(_claimed_twice(matches))
    return matches[0]


def load(kind: Kind, name: str) -> type:
    """Import one component's class.

    Raises:
        UserError: Unknown, claimed twice, or its plugin is broken (named with version and cause).
    """
    return imported(find(kind, name))


def imported(entry: Entry) -> type:
    """The class of an entry.

    Raises:
        UserError: Its plugin cannot be imported, or its name or class breaks the contract.
    """
    loaded = attempt(EntryPoint(entry.name, entry.path, f"harness.{entry.kind}s").load)
    if isinstance(loaded, Fault):
        raise UserError(
            f"The {entry.kind} '{entry.name}' comes from {entry.provider} ({entry.path}), which cannot be imported: "
            f"{loaded.reason}. Repair or uninstall {entry.distribution}, or leave '{entry.name}' out."
        ) from loaded.error
    if wrong := violation(entry.kind, entry.name, loaded):
        raise UserError(f"The {entry.kind} '{entry.name}' of {entry.provider} ({entry.path}) {wrong}")
    cls: type = loaded
    return cls


def listing(kind: Kind, prefix: str = "") -> tuple[Listed, ...]:
    """Every installed name that begins so, each imported on its own, with its summary or why it is broken."""
    entries = [entry for entry in installed(kind) if entry.name.startswith(prefix)]
    return tuple(_listed(entry, [other for other in entries if other.name == entry.name]) for entry in entries)


def broken(kind: Kind, prefix: str = "") -> dict[str, str]:
    """Names that begin so and cannot be used, with the reason."""
    return {item.entry.name: item.broken for item in listing(kind, prefix) if item.broken}


def working(kind: Kind, prefix: str = "") -> tuple[str, ...]:
    """Names that begin so and can be used: what ``all`` means."""
    return tuple(item.entry.name for item in listing(kind, prefix) if not item.broken)


def summary(cls: type) -> str:
    """First line of the class's own docstring; empty if it has none (a dataclass invents one, which is not one)."""
    doc = (cls.__doc__ or "").strip()
    return "" if doc.startswith(f"{cls.__name__}(") else doc.partition("\n")[0].strip()


def suggestion(given: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?`` or, if nothing is near, an empty string."""
    near = difflib.get_close_matches(given, sorted(set(known)), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


@lru_cache(maxsize=32)
def _installed(kind: Kind, places: tuple[tuple[str, int, int], ...]) -> tuple[Entry, ...]:
    """Read off the disk once per state of it: a grid asks for names hundreds of times, and an answer takes 35 ms."""
    found = {_entry(kind, point) for point in entry_points(group=f"harness.{kind}s")}
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.distribution)))


def _state(place: str) -> tuple[str, int, int]:
    """What changes in a folder of packages when one is installed there or removed."""
    try:
        found = os.stat(place or ".")  # noqa: PTH116 - `sys.path` says the working folder as an empty text
    except OSError:
        return place, 0, 0
    return place, found.st_ino, found.st_mtime_ns


def _entry(kind: Kind, point: EntryPoint) -> Entry:
    name, version = (point.dist.name, point.dist.version) if point.dist else ("an unknown distribution", "?")
    return Entry(kind, point.name, name, version, point.value)


def _listed(entry: Entry, namesakes: list[Entry]) -> Listed:
    if len(namesakes) > 1:
        return Listed(entry, "", _claimed_twice(namesakes))
    cls = attempt(lambda: imported(entry))
    if isinstance(cls, Fault):
        return Listed(entry, "", cls.reason)
    return Listed(entry, summary(cls), "")


def _unknown(kind: Kind, name: str, known: list[str]) -> str:
    exists = ", ".join(sorted(set(known))) or "none at all"
    return f"No {kind} named '{name}' is installed.{suggestion(name, known)} Installed {kind}s: {exists}."


def _claimed_twice(matches: list[Entry]) -> str:
    kind, name = matches[0].kind, matches[0].name
    providers = " and ".join(entry.provider for entry in matches)
    return (
        f"The {kind} name '{name}' is claimed by {providers}, so it is not clear which is meant. Uninstall one of them."
    )
