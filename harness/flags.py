"""From flags as typed to a grid: ``--set`` pairs, and the short spellings of settings that many runs need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import registry
from harness.components import component_class, field_docs
from harness.contract import ALL, POCKET
from harness.errors import UserError
from harness.grid import Grid, read_grid
from harness.registry import Kind


def grid_of(
    path: Path | None, typed: Mapping[str, str | None], *, pairs: Sequence[str], places: Mapping[str, str | None]
) -> Grid:
    """The grid of a file under the flags that were typed.

    Args:
        path: A ``grid.toml``, or None.
        typed: Key of the grid -> text; None where nothing was typed.
        pairs: ``kind.name.field=value``.
        places: Field that several benchmarks have (``model``, ``data_root``) -> value for all chosen ones that have it.

    Raises:
        UserError: The file or a flag is wrong, or a field is given that no chosen benchmark has.
    """
    flags = {key: value for key, value in typed.items() if value is not None}
    settings = settings_of(pairs, example="method.npo.beta=0.2")
    grid = read_grid(path, {**flags, "set": settings})
    given: dict[str, str | tuple[str, ...]] = {field: value for field, value in places.items() if value is not None}
    given |= {"utility": _utility(grid)} if "utility" in grid.model_fields_set else {}
    placed = {key: value for field, text in given.items() for key, value in _placed(grid, field, text).items()}
    return grid.model_copy(update={"overrides": {**placed, **grid.overrides}})


def left_out(grid: Grid) -> list[str]:
    """Broken plugins that ``all`` would otherwise pass over in silence."""
    groups: dict[Kind, Sequence[str]] = {"method": grid.methods, "attack": grid.attacks, "benchmark": grid.benchmarks}
    kinds = [kind for kind, names in groups.items() if ALL in names]
    lines = [f"Left out of all {kind}s: {why}" for kind in kinds for why in registry.broken(kind).values()]
    if POCKET in grid.benchmarks and ALL not in grid.benchmarks:
        pocket = registry.broken("benchmark", f"{POCKET}-")
        lines += [f"Left out of the pocket benchmarks: {why}" for why in pocket.values()]
    return lines


def check_settings(pairs: Sequence[str], own: str, place: str) -> tuple[dict[str, str], dict[str, str]]:
    """Fields of what is checked (the grid's long spelling, which begins with ``own``, too) and of its benchmark."""
    given = {key.removeprefix(own): value for key, value in settings_of(pairs, example="steps=20").items()}
    there = {key.removeprefix(place): value for key, value in given.items() if key.startswith(place)}
    return {key: value for key, value in given.items() if not key.startswith(place)}, there


def settings_of(pairs: Sequence[str], *, example: str) -> dict[str, str]:
    """``key=value`` texts as a mapping; a key given twice takes its last value."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {pair} is not of the form key=value. Write for example --set {example}.")
        settings[key.strip()] = value.strip()
    return settings


def _utility(grid: Grid) -> tuple[str, ...]:
    """The utility tasks in one order, each once, so that one choice of tasks has one identity.

    Raises:
        UserError: None is named.
    """
    if not grid.utility:
        raise UserError(
            "The flag --utility, or the grid's key 'utility', names no task, so what unlearning costs would not be "
            "seen. Name one, such as mmlu, or leave it out for the benchmark's own."
        )
    return tuple(sorted(set(grid.utility)))


def _placed(grid: Grid, field: str, value: str | tuple[str, ...]) -> dict[str, str | tuple[str, ...]]:
    """``benchmark.<name>.<field>`` for every chosen benchmark that has the field."""
    chosen = registry.working("benchmark") if ALL in grid.benchmarks else grid.benchmarks
    named = [name for name in chosen if name != POCKET]
    having = [name for name in named if field in {doc.name for doc in field_docs(component_class("benchmark", name))}]
    flag = f"--{field.replace('_', '-')}"
    if not having:
        typed = value if isinstance(value, str) else ",".join(value)
        raise UserError(
            f"{flag} {typed} was given, but none of the chosen benchmarks ({', '.join(grid.benchmarks)}) has a field "
            f"'{field}'. Name one that has with --benchmarks, or leave {flag} out."
        )
    return {f"benchmark.{name}.{field}": value for name in having}
