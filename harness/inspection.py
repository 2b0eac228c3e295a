"""What is installed and what it takes, as JSON-able values: behind ``harness list`` and ``harness show``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import registry
from harness.api import Benchmark, Threat
from harness.components import build, component_class, field_docs
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.registry import KINDS, Kind
from harness.settings import shipped_settings

KIND_OF: Mapping[str, Kind] = {f"{kind}s": kind for kind in KINDS}

EXTRAS = ("role", "family", "citation", "fidelity", "needs", "search", "threat")
"""What a class may say about itself beside its fields."""


def listed(kind: Kind) -> list[dict[str, Any]]:
    """Every installed name with who provides it; a broken plugin with the reason instead of a summary."""
    return [
        {
            "name": item.entry.name,
            "distribution": item.entry.distribution,
            "version": item.entry.version,
            "summary": item.summary,
            "broken": item.broken,
            **({"threat": _threat(item)} if kind == "attack" else {}),
        }
        for item in registry.listing(kind)
    ]


def _threat(item: registry.Listed) -> str:
    """What an attack's attacker needs, in a few words; empty if the plugin is broken."""
    return "" if item.broken else threat_words(component_class("attack", item.entry.name).threat)  # type: ignore[attr-defined]


def threat_words(threat: Threat) -> str:
    """Access, data and whether the original is needed and the attack is ranked."""
    needs = " and the original model" if threat.base_model else ""
    ranked = " (diagnostic, never ranked)" if threat.base_model or threat.diagnostic else ""
    return f"{threat.access} access, {threat.data} data{needs}{ranked}"


def shown(kind: Kind, name: str) -> dict[str, Any]:
    """Everything a person needs to use one component.

    Raises:
        UserError: It is unknown or broken.
    """
    cls, entry = component_class(kind, name), registry.find(kind, name)
    described = {
        "name": name,
        "kind": kind,
        "summary": registry.summary(cls),
        "description": _description(cls),
        "distribution": entry.distribution,
        "distribution_version": entry.version,
        "path": entry.path,
        "version": cls.version,  # type: ignore[attr-defined]
        "fields": [dataclasses.asdict(field) for field in field_docs(cls) if _settable(cls, field.name)],
        "tuned": {place: dict(fields) for place, fields in shipped_settings(cls, name).items()},
        "presets": {place: dict(fields) for place, fields in getattr(cls, "presets", {}).items()},
        "published": {place: dataclasses.asdict(one) for place, one in getattr(cls, "published", {}).items()},
    }
    extras = {key: value for key in EXTRAS if (value := _extra(cls, key))}
    return described | extras | (_card(name) if kind == "benchmark" else {})


def _settable(cls: type, name: str) -> bool:
    """Whether a field is part of the constructor; the rest is private state."""
    return any(field.name == name and field.init for field in dataclasses.fields(cls))


def _description(cls: type) -> str:
    """The class's own docstring without its first line."""
    if not registry.summary(cls):
        return ""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[2].strip()


def _extra(cls: type, key: str) -> object:
    value = getattr(cls, key, None)
    if isinstance(value, Threat):
        return {**dataclasses.asdict(value), "words": threat_words(value)}
    return None if callable(value) else value


def _card(name: str) -> dict[str, Any]:
    """The benchmark's card, or why it has none until its fields are set; the network is not asked."""
    card = attempt(lambda: dataclasses.asdict(_local(name, build("benchmark", name)).card()))
    return {"card_missing": card.reason} if isinstance(card, Fault) else {"card": card}


def _local(name: str, benchmark: Benchmark) -> Benchmark:
    """A benchmark whose model is on this machine: another one's card would have to be fetched first."""
    if "@" in benchmark.target() and not Path(benchmark.target()).is_dir():
        raise UserError(
            f"The model {benchmark.target()} is on the hub; `harness doctor --benchmarks {name}` says what is here."
        )
    return benchmark
