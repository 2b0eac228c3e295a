"""Which setting of a component a name stands for: tuned here, of our own, published, or the defaults.

A tuned setting is a JSON file that ``harness tune`` wrote, with the study that it comes from. Those that ship lie
beside the module of their method, under ``tuned/<benchmark>/<method>.json``, so a plugin's package can bring its own.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness import registry
from harness.errors import UserError
from harness.registry import Kind

SettingName = Literal["tuned", "preset", "published", "default"]
SETTINGS: tuple[SettingName, ...] = get_args(SettingName)
"""In the order in which a plain name takes the first that there is. That of an attack leaves out what is published: the
literature's recipes are weak, and a worst case must not be (spec: attacks A.1.1)."""


@dataclass(frozen=True)
class Setting:
    """What a component sets otherwise than by default, and what kind of setting that is."""

    name: SettingName
    fields: Mapping[str, object] = field(default_factory=dict)


def setting_of(kind: Kind, spelt: str, *, benchmark: str | None = None, tuned: Path | None = None) -> Setting:
    """The setting of a component on a benchmark.

    Args:
        kind: What it is.
        spelt: Its installed name, or ``name@setting`` with one of :data:`SETTINGS`; a plain name takes the first that
            there is, and where nothing is published ``name@published`` stands for the defaults, under their name.
        benchmark: Name under which settings are looked up; None for the defaults.
        tuned: Folder of tuned settings (``<benchmark>/<method>.json``) that go before those that ship.

    Raises:
        UserError: There is no such kind of setting, or no tuned one or preset for this benchmark.
    """
    name, _, wanted = spelt.partition("@")
    if wanted and wanted not in SETTINGS:
        raise UserError(
            f"'{name}@{wanted}' names no setting.{registry.suggestion(wanted, SETTINGS)} "
            f"After the @ stands one of {', '.join(SETTINGS)}."
        )
    cls = registry.load(kind, name)
    published = getattr(cls, "published", {}).get(benchmark)
    found = {
        "tuned": _tuned(cls, name, benchmark, tuned) if benchmark else None,
        "preset": getattr(cls, "presets", {}).get(benchmark),
        "published": published.fields if published else None,
        "default": {},
    }
    if wanted in ("tuned", "preset") and found[wanted] is None:
        found_by = f" `harness tune --methods {name} --benchmarks {benchmark}` finds one;" if kind == "method" else ""
        raise UserError(
            f"{kind} '{name}' has no {wanted} setting for {benchmark}.{found_by} `harness show {kind} {name}` prints "
            "those that there are."
        )
    if wanted == "published" and published is None:
        wanted = "default"
    if kind == "attack" and not wanted:
        found["published"] = None
    chosen = next(setting for setting in SETTINGS if setting == wanted or (not wanted and found[setting] is not None))
    return Setting(chosen, {**_reading(cls, benchmark), **(found[chosen] or {})})


def _reading(cls: type, benchmark: str | None) -> dict[str, object]:
    """As many tokens of a document as those of the benchmark have; a setting that says otherwise goes before it."""
    if all(entry.name != benchmark for entry in registry.installed("benchmark")) or benchmark is None:
        return {}
    tokens = getattr(registry.load("benchmark", benchmark), "document_tokens", None)
    return {"max_tokens": tokens} if tokens and "max_tokens" in getattr(cls, "__dataclass_fields__", {}) else {}


def _tuned(cls: type, name: str, benchmark: str, tuned: Path | None) -> Mapping[str, object] | None:
    """Fields of the user's tuned setting, else of the one that the component's package brings."""
    folders = [*([tuned] if tuned else []), _shipped(cls)]
    found = (tuned_fields(folder / benchmark / f"{name}.json") for folder in folders)
    return next((fields for fields in found if fields is not None), None)


def shipped_settings(cls: type, name: str) -> dict[str, Mapping[str, object]]:
    """Tuned settings that a component's package brings, by benchmark."""
    found = {path.parent.name: tuned_fields(path) for path in sorted(_shipped(cls).glob(f"*/{name}.json"))}
    return {benchmark: fields for benchmark, fields in found.items() if fields is not None}


def _shipped(cls: type) -> Path:
    return Path(inspect.getfile(cls)).parent / "tuned"


def tuned_folder(typed: str) -> Path | None:
    """Where tuned settings are; a folder that holds none is a mistake in its name."""
    if not typed:
        return None
    folder = Path(typed)
    if not any(folder.glob("*/*.json")):
        raise UserError(
            f"--tuned {folder} holds no tuned setting (<benchmark>/<method>.json). Give the folder that `harness tune` "
            "wrote with --out, or leave it out."
        )
    return folder


def tuned_fields(path: Path) -> Mapping[str, object] | None:
    """The fields of a tuned setting; None if there is no such file.

    Raises:
        UserError: The file is not what ``harness tune`` writes.
    """
    if not path.exists():
        return None
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))["fields"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} is no tuned setting: {error}. Delete it, or run `harness tune` again.") from error
    if not isinstance(fields, dict):
        raise UserError(f"{path} has fields {fields!r}, which is no table. Delete it, or run `harness tune` again.")
    return fields
