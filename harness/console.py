"""What the command line prints: rich tables on a terminal, plain aligned lines (nothing cut) elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Rows = Sequence[Sequence[str]]
RUNTIME = " (changes no number)"


def say(text: str) -> None:
    """One line on standard output."""
    typer.echo(text)


def complain(text: str) -> None:
    """One line on standard error."""
    typer.secho(text, err=True, fg=typer.colors.RED)


def print_json(value: object) -> None:
    """A JSON document for other programs; refuses what is not JSON."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """A table; cells are data and are never read as markup."""
    if not sys.stdout.isatty():
        typer.echo(plain_table(columns, rows))
        return
    table = Table(*columns, header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def print_shown(described: Mapping[str, Any]) -> None:
    """One component as ``harness.inspection.shown`` describes it."""
    for line in heading_lines(described):
        say(line)
    if described["fields"]:
        say("")
        fields = [
            [f["name"], f["type"], _text(f["default"]), f["limits"], f["doc"] + (RUNTIME if f["runtime"] else "")]
            for f in described["fields"]
        ]
        print_table(("field", "type", "default", "allowed", "meaning"), fields)
    for line in setting_lines(described):
        say(line)


def setting_lines(described: Mapping[str, Any]) -> list[str]:
    """Every setting that a component has on a benchmark; a published one with where it comes from."""

    def told(fields: Mapping[str, Any]) -> str:
        return ", ".join(f"{key}={_text(value)}" for key, value in fields.items()) or "the defaults"

    lines = [f"tuned on {place}: {told(fields)}" for place, fields in described["tuned"].items()]
    lines += [f"preset on {place}: {told(fields)}" for place, fields in described["presets"].items()]
    found = described["published"].items()
    return lines + [f"published on {place}: {told(one['fields'])}. From: {one['source']}" for place, one in found]


def heading_lines(described: Mapping[str, Any]) -> list[str]:
    """Everything about a component but its fields, one fact a line."""
    provider = f"{described['distribution']} {described['distribution_version']} ({described['path']})"
    facts = {"from": provider, "version": described["version"]}
    facts |= {key: described[key] for key in ("role", "family", "citation", "fidelity") if key in described}
    facts |= {key: ", ".join(described[key]) for key in ("needs", "search") if key in described}
    if threat := described.get("threat"):
        facts["threat"] = threat["words"]
    facts |= {key: value for key, value in described.get("card", {}).items() if value and key != "notes"}
    if "card_missing" in described:
        facts["card"] = f"not yet: {described['card_missing']}"
    lines = [f"{described['kind']} {described['name']}: {described['summary']}", *described["description"].splitlines()]
    return [*lines, *described.get("card", {}).get("notes", ()), *(f"{key}: {value}" for key, value in facts.items())]


def _text(value: object) -> str:
    """A value as it would be typed after ``--set``."""
    if isinstance(value, (tuple, list)):
        return ",".join(_text(item) for item in value)
    return "none" if value is None else str(value)


def plain_table(columns: Sequence[str], rows: Rows) -> str:
    """The table as lines whose columns are aligned by spaces."""
    lines = [list(columns), *([" ".join(cell.split()) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def duration(seconds: float) -> str:
    """Seconds in words that a person reads at a glance: ``8 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
