"""What every component must be before anything may rely on it, judged from its name and its class alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

from harness.api import Family, Threat
from harness.faults import Fault, attempt

ALL = "all"
POCKET = "pocket"
CORE = "core"
"""Methods that declare ``core``: a grid of them fits into minutes on two cores."""
AUTO = "auto"

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Names are typed between commas, stand in settings and become file names."""
WORK = {"method": "unlearn", "attack": "attack", "benchmark": "evaluate", "engine": "load"}


def violation(kind: str, name: str, cls: object) -> str:
    """What is wrong with a component and what to do, as the end of a sentence; empty if it can be used."""
    return misnamed(name) or next((wrong for check in CHECKS if (wrong := check(kind, cls))), "")


def misnamed(name: str) -> str:
    """A name that nobody could type, or that already means something else."""
    if name in (ALL, POCKET, CORE, AUTO):
        return f"has a name that stands for several components. Rename it; '{name}' is taken."
    if not NAME.fullmatch(name):
        return "has a name that cannot be typed in a grid. Rename it, using letters, digits and any of _.+-"
    return ""


def _is_class(kind: str, cls: object) -> str:
    return "" if isinstance(cls, type) else f"is not a class. The entry point of a {kind} must name a class."


def _is_frozen(kind: str, cls: type) -> str:
    frozen = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return "" if frozen else "is not a frozen dataclass. Declare it with @dataclass(frozen=True)."


def _is_versioned(kind: str, cls: type) -> str:
    version = getattr(cls, "version", None)
    good = isinstance(version, int) and not isinstance(version, bool)
    return "" if good else f"has version {version!r}, no whole number. Add `version: ClassVar[int] = 1`."


def _is_typed(kind: str, cls: type) -> str:
    hints = attempt(lambda: get_type_hints(cls))
    return f"has annotations that cannot be read ({hints.reason}). Mend them." if isinstance(hints, Fault) else ""


def _has_presets(kind: str, cls: type) -> str:
    presets = getattr(cls, "presets", {})
    if not isinstance(presets, Mapping) or not all(isinstance(fields, Mapping) for fields in presets.values()):
        return f"has presets {presets!r}. Write {{benchmark: {{field: value}}}}."
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    for benchmark, fields in presets.items():
        for key in fields:
            if key not in known:
                return f"has no field {key!r}, which its preset for {benchmark!r} sets. Remove it or declare the field."
    return ""


def _has_role(kind: str, cls: type) -> str:
    role = getattr(cls, "role", "method")
    good = kind != "method" or role in ("method", "original", "reference")
    return "" if good else f"has role {role!r}. Write 'method', 'original' or 'reference'."


def _declares_threat(kind: str, cls: type) -> str:
    if kind != "attack":
        return ""
    good = isinstance(getattr(cls, "threat", None), Threat) and getattr(cls, "family", None) in get_args(Family)
    return "" if good else f"lacks a threat or a family. Set `threat` to a Threat, `family` to one of {_families()}."


def _does_its_work(kind: str, cls: type) -> str:
    return "" if callable(getattr(cls, WORK[kind], None)) else f"has no method {WORK[kind]}(). Write it."


def _families() -> str:
    return ", ".join(get_args(Family))


CHECKS: tuple[Callable[[str, Any], str], ...] = (
    _is_class,
    _is_frozen,
    _is_versioned,
    _is_typed,
    _has_presets,
    _has_role,
    _declares_threat,
    _does_its_work,
)
"""In the order in which each may rely on those before it."""
