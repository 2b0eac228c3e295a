"""The result of one conformance check, and the checks that hold for every kind of component."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.faults import Fault, attempt

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """One named check: whether it passed, and what was seen."""

    name: str
    passed: bool
    detail: str = ""


def failures(results: Iterable[Result]) -> list[str]:
    """The failed checks in words; empty means that the component conforms."""
    return [f"{result.name}: {result.detail}" for result in results if not result.passed]


def judged(observe: Callable[[], T], judge: Callable[[T], Sequence[Result]]) -> list[Result]:
    """The results of a trial; one failed result that names the exception if the component raises in it."""
    results = attempt(lambda: list(judge(observe())))
    return [Result("runs without an exception", False, results.reason)] if isinstance(results, Fault) else results


def component_results(component: object) -> list[Result]:
    """What every component must be: a frozen, versioned, described dataclass with documented, JSON-able fields."""
    return [
        is_a_frozen_dataclass(component),
        is_described(component),
        is_versioned(component),
        documents_its_fields(component),
        has_jsonable_fields(component),
    ]


def is_a_frozen_dataclass(component: object) -> Result:
    """A component that could change while it runs would not be what its record says."""
    cls = type(component)
    frozen = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return Result("is a frozen dataclass", frozen, cls.__qualname__ if frozen else f"decorate {cls.__qualname__} so")


def is_described(component: object) -> Result:
    """The first docstring line is what lists and pages print; dataclasses invent one that says nothing."""
    cls = type(component)
    summary = (cls.__doc__ or "").strip().partition("\n")[0]
    written = bool(summary) and not summary.startswith(f"{cls.__name__}(")
    return Result("has a one-line summary", written, summary if written else "write a docstring for the class")


def is_versioned(component: object) -> Result:
    """The version is part of the identity, so that new numbers never pass for old ones."""
    version = getattr(type(component), "version", None)
    passed = isinstance(version, int) and not isinstance(version, bool) and version >= 1
    return Result("has a version", passed, f"version = {version!r}")


def documents_its_fields(component: object) -> Result:
    """``harness show`` and the records are written from the fields, so each must say what it means."""
    fields = _fields(component)
    silent = [field.name for field in fields if not field.metadata.get("doc")]
    detail = f"declare with param(default, doc): {', '.join(silent)}" if silent else f"{len(fields)} fields"
    return Result("documents its fields", not silent, detail)


def has_jsonable_fields(component: object) -> Result:
    """Fields are stored in records: scalars and tuples of scalars, finite."""
    unfit = [field.name for field in _fields(component) if not _jsonable(getattr(component, field.name))]
    return Result("has JSON-able fields", not unfit, f"not JSON-able: {', '.join(unfit)}" if unfit else "")


def _fields(component: object) -> list[dataclasses.Field[object]]:
    """Constructor fields; what is not in the constructor is private state."""
    if not dataclasses.is_dataclass(component):
        return []
    return [field for field in dataclasses.fields(component) if field.init]


def _jsonable(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
