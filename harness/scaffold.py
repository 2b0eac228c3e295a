"""Writes a third party's package for a new method or attack: entry point, one module, one test that checks it."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template
from typing import Literal

from harness import registry
from harness.contract import ALL, POCKET
from harness.errors import UserError
from harness.templates import ATTACK, METHOD, PYPROJECT, TEST

NewKind = Literal["method", "attack"]

NAME = re.compile(r"[a-z][a-z0-9_]*")
MODULES: dict[NewKind, str] = {"method": METHOD, "attack": ATTACK}


def new_package(kind: NewKind, name: str, out: Path) -> Path:
    """Write ``out/name`` and return it.

    Args:
        kind: What to write.
        name: Name in the grid; also the module and, with dashes, the distribution.
        out: Folder to write it into.

    Raises:
        UserError: The name cannot be used, or the folder exists.
    """
    _check_name(kind, name)
    folder = out / name
    words = {"kind": kind, "name": name, "cls": class_name(name), "distribution": name.replace("_", "-")}
    files = {"pyproject.toml": PYPROJECT, f"{name}.py": MODULES[kind], f"test_{name}.py": TEST}
    try:
        folder.mkdir(parents=True)
        for path, template in files.items():
            (folder / path).write_text(Template(template).substitute(words), encoding="utf-8")
    except FileExistsError as error:
        raise UserError(
            f"{folder} exists already, and nothing is overwritten. Choose another name or --out."
        ) from error
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}. Choose another folder with --out.") from error
    return folder


def class_name(name: str) -> str:
    """``my_method`` as ``MyMethod``."""
    return "".join(part.capitalize() for part in name.split("_"))


def _check_name(kind: NewKind, name: str) -> None:
    """The name becomes a module, so it must be one and must hide no other."""
    if keyword.iskeyword(name):
        raise UserError(f"'{name}' is a word of the Python language. Choose another name, such as 'my_{name}'.")
    if not NAME.fullmatch(name):
        raise UserError(
            f"'{name}' does not begin with a lower-case letter, or has other signs than lower-case letters, digits "
            f"and underscores. Choose a name such as 'my_{kind}'."
        )
    if name in (ALL, POCKET):
        raise UserError(f"'{name}' stands for several components. Choose another name, such as 'my_{kind}'.")
    if any(entry.name == name for entry in registry.installed(kind)):
        provider = registry.find(kind, name).provider
        raise UserError(f"A {kind} named '{name}' is installed already, by {provider}. Choose another name.")
    if importlib.util.find_spec(name) is not None:
        raise UserError(f"A module '{name}' can be imported already, and would be hidden. Choose another name.")
