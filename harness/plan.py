"""From what a human typed to the cells that will run; everything nameable is checked here, before any computing.

Planning loads classes and small files, never a model.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import registry
from harness.api import Benchmark, Need
from harness.cell import Cell, Match, Spec, Value
from harness.components import benchmark_spec, build, made, preset_of, role_of, runtime_of, spec_of
from harness.contract import ALL, AUTO, CORE, POCKET
from harness.engines import suitable
from harness.errors import UserError
from harness.grid import Grid, Overrides, matches_of, overrides_of, read_grid
from harness.registry import KINDS, Kind
from harness.sequence import earlier
from harness.settings import setting_of, tuned_folder

NEEDED: Mapping[Need, str] = {
    "pairs": "solved questions that are never scored",
    "personas": "prompts of an expert and a novice",
    "auxiliary": "documents of a third domain",
}
"""What a method may need that not every benchmark has, in words."""
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class Planned:
    """A cell and the runtime fields that its identity leaves out; all a worker needs, and picklable.

    Attributes:
        cell: What is measured.
        runtime: Kind -> field -> value, for fields declared ``runtime``.
        builds_on: Ids of the unlearned models of earlier requests that its own starts from, see harness/sequence.py.
        setting: Which setting of its method this is, for the record: no part of the identity, which has the fields.
    """

    cell: Cell
    runtime: Mapping[Kind, Mapping[str, Value]]
    builds_on: tuple[str, ...] = ()
    setting: str = ""

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.cell.id

    @property
    def label(self) -> str:
        """Name for a progress line."""
        cell = self.cell
        return f"{cell.benchmark.name} · {self.method} · {cell.attack.name} · seed {cell.seed}"

    @property
    def method(self) -> str:
        """The method's name, and where its models are measured if not as they are."""
        match = self.cell.match
        return f"{self.cell.method.name} at {match.words}" if match else self.cell.method.name


@dataclass(frozen=True)
class Plan:
    """Cells in the order in which they should start.

    Attributes:
        cells: Each once.
        added: Names that were not asked for but without which nothing can be derived (controls, the empty attack).
        omitted: Squares of the grid that cannot exist, with the reason.
    """

    cells: tuple[Planned, ...]
    added: tuple[str, ...]
    omitted: tuple[str, ...]

    def without(self, done: frozenset[str]) -> tuple[Planned, ...]:
        """The cells whose ids are not in ``done``, in order."""
        return tuple(planned for planned in self.cells if planned.id not in done)


def make_plan(grid: Grid) -> Plan:
    """Complete a grid to its plan.

    Raises:
        UserError: Unknown or broken component, wrong field or value, missing model folder, or an empty grid.
    """
    overrides = overrides_of(grid)
    names: dict[Kind, tuple[str, ...]] = {
        "method": expanded("method", grid.methods),
        "attack": expanded("attack", grid.attacks),
        "benchmark": expanded("benchmark", grid.benchmarks),
        "engine": expanded("engine", (suitable() if grid.engine == AUTO else grid.engine,)),
    }
    _refuse_empty(names, grid.seeds)
    controls: dict[Kind, tuple[str, ...]] = {"method": _controls("method"), "attack": _controls("attack")}
    completed = {kind: tuple(dict.fromkeys((*controls.get(kind, ()), *names[kind]))) for kind in KINDS}
    refuse_idle(overrides, completed)
    tuned = tuned_folder(grid.tuned)
    squares = [_Square(benchmark, completed, overrides, tuned) for benchmark in names["benchmark"]]
    lines = (line for square in squares for line in square.omitted(matches_of(grid)))
    omitted = (*_beyond_core(grid, completed), *lines)
    added = tuple(f"{kind} {name}" for kind in controls for name in controls[kind] if name not in names[kind])
    return Plan(_ordered([square.rows(grid.seeds, matches_of(grid)) for square in squares]), added, omitted)


@dataclass(frozen=True)
class _Part:
    """A built component with its identity and what the identity leaves out."""

    component: Any
    spec: Spec
    runtime: Mapping[str, Value]
    setting: str = ""


class _Square:
    """One benchmark's part of the grid; building it checks every field and folder it will need."""

    def __init__(
        self, name: str, names: Mapping[Kind, Sequence[str]], overrides: Overrides, tuned: Path | None
    ) -> None:
        benchmark: Benchmark = build("benchmark", name, overrides=overrides.get(("benchmark", name)))
        _refuse_missing_models(name, benchmark)
        self._name = name
        self._overrides = overrides
        self._tuned = tuned
        self._preset = preset_of(name, benchmark)
        self._has_reference = benchmark.reference() is not None
        self._offers: tuple[Need, ...] = getattr(benchmark, "offers", ())
        self._engine = self._part("engine", names["engine"][0])
        self._methods = [self._part("method", method) for method in names["method"]]
        self._attacks = [self._part("attack", attack) for attack in names["attack"]]
        if hasattr(benchmark, "require_room"):
            benchmark.require_room()
        self._world = _Part(benchmark, benchmark_spec(name, benchmark), runtime_of(benchmark))  # reads data: goes last
        self._earlier = [spec for spec, _ in earlier(name, benchmark)]

    def rows(self, seeds: Sequence[int], matches: Sequence[Match | None]) -> list[list[Planned]]:
        """Cells that share their unlearned weights, row by row."""
        methods = [method for method in self._methods if not self._obstacle(method)]
        return [
            [
                self._planned(method, attack, seed, match)
                for match in matches_for(method.component, matches)
                for attack in self._attacks
            ]
            for method in methods
            for seed in seeds
        ]

    def omitted(self, matches: Sequence[Match | None]) -> list[str]:
        """Methods that cannot be on this benchmark, and those that cannot be matched, with the reason."""
        found = [(method.spec.name, self._obstacle(method)) for method in self._methods]
        lines = [f"{self._name} · {method}: {reason}." for method, reason in found if reason]
        replaced = [m.spec.name for m in self._methods if getattr(m.component, "replaces", False) and any(matches)]
        reason = "its model is of a class of its own, and no line leads to it from the original"
        return lines + [f"{self._name} · {method}, matched: {reason}." for method in replaced]

    def _obstacle(self, method: _Part) -> str:
        """Why a method cannot run here; empty if it can."""
        if role_of(method.component) == "reference" and not self._has_reference:
            return "the benchmark has no never-learned model"
        if getattr(method.component, "replaces", False) and not getattr(self._engine.component, "serves_any", True):
            return (
                f"the engine {self._engine.spec.name} serves no model of a class of its own; --engine transformers does"
            )
        lack = lacking(method.component, self._offers)
        return f"the benchmark has no {lack}" if lack else ""

    def _part(self, kind: Kind, name: str) -> _Part:
        plain = name.partition("@")[0]
        by_hand = self._overrides.get((kind, plain))
        chosen = setting_of(kind, name, benchmark=self._preset, tuned=self._tuned)
        component = made(kind, plain, {**chosen.fields, **(by_hand or {})})
        setting = "set" if by_hand else chosen.name
        return _Part(component, spec_of(plain, component), runtime_of(component), setting)

    def _planned(self, method: _Part, attack: _Part, seed: int, match: Match | None) -> Planned:
        cell = Cell(self._world.spec, method.spec, attack.spec, self._engine.spec, seed, match)
        runtime: dict[Kind, Mapping[str, Value]] = {
            "benchmark": self._world.runtime,
            "method": method.runtime,
            "attack": attack.runtime,
            "engine": self._engine.runtime,
        }
        specs = self._earlier if role_of(method.component) != "reference" else []
        builds_on = tuple(replace(cell, benchmark=spec).unlearn_id for spec in specs)
        return Planned(cell, runtime, builds_on, method.setting)


def matches_for(method: object, matches: Sequence[Match | None]) -> tuple[Match | None, ...]:
    """Where the models of a method are wanted: controls as they are, others wherever a line leads."""
    if role_of(method) != "method":
        return (None,)
    return tuple(match for match in matches if match is None or not getattr(method, "replaces", False))


def lacking(method: object, offers: Sequence[Need]) -> str:
    """What a method needs of the corpora and a benchmark does not offer, in words; empty if it can run."""
    needs: tuple[Need, ...] = getattr(method, "needs", ())
    return ", no ".join(NEEDED[need] for need in needs if need in NEEDED and need not in offers)


def _ordered(squares: Sequence[Sequence[Sequence[Planned]]]) -> tuple[Planned, ...]:
    """The order in which workers rarely wait for each other.

    The first cell of every row comes before all others, so that no worker waits for weights another one is making;
    benchmarks take turns, so that no worker waits for a range test another one is running.
    """
    turns = itertools.chain.from_iterable(itertools.zip_longest(*squares))
    rows = [row for row in turns if row]
    first = [row[0] for row in rows]
    rest = itertools.chain.from_iterable(row[1:] for row in rows)
    return tuple({planned.id: planned for planned in (*first, *rest)}.values())


def expanded(kind: Kind, names: Sequence[str]) -> tuple[str, ...]:
    """Names with ``all``, ``core`` and ``pocket`` spelt out, each once, in order; ``@setting`` stays with its name."""
    spelt: list[str] = []
    for spelling in names:
        name, at, setting = spelling.partition("@") if kind in ("method", "attack") else (spelling, "", "")
        if name == ALL:
            spelt.extend(found + at + setting for found in registry.working(kind))
        elif name == CORE and kind in ("method", "attack"):
            spelt.extend(found + at + setting for found in core(kind))
        elif name == POCKET and kind == "benchmark":
            spelt.extend(registry.working(kind, f"{POCKET}-"))
        else:
            spelt.append(registry.find(kind, name).name + at + setting)
    return tuple(dict.fromkeys(spelt))


def core(kind: Kind) -> tuple[str, ...]:
    """Installed methods or attacks that declare themselves part of the core."""
    return tuple(name for name in registry.working(kind) if getattr(registry.load(kind, name), "core", False))


def _beyond_core(grid: Grid, names: Mapping[Kind, Sequence[str]]) -> tuple[str, ...]:
    """Lines that name what a grid of the core leaves out, so that nobody takes it for everything."""
    asked: Mapping[Kind, Sequence[str]] = {"method": grid.methods, "attack": grid.attacks}
    lines = []
    for kind, typed in asked.items():
        taken = {spelt.partition("@")[0] for spelt in names[kind]}
        rest = [name for name in registry.working(kind) if name not in taken]
        if rest and any(spelt.partition("@")[0] == CORE for spelt in typed):
            lines.append(f"Only the core {kind}s run; not {', '.join(rest)}. `--{kind}s all` runs them too.")
    return tuple(lines)


def _controls(kind: Kind) -> tuple[str, ...]:
    """Installed controls: methods that are not methods but baselines, and the attack that does nothing."""
    classes = {name: registry.load(kind, name) for name in registry.working(kind)}
    if kind == "attack":
        return tuple(name for name, cls in classes.items() if getattr(cls, "family", "") == "none")
    return tuple(name for name, cls in classes.items() if role_of(cls) != "method")


def _refuse_empty(names: Mapping[Kind, Sequence[str]], seeds: Sequence[int]) -> None:
    empty = [f"{kind}s" for kind in KINDS if not names[kind]] + ([] if seeds else ["seeds"])
    if empty:
        raise UserError(f"The grid is empty: it has no {' and no '.join(empty)}. Name at least one of each.")


def refuse_idle(overrides: Overrides, names: Mapping[Kind, Sequence[str]]) -> None:
    """A setting for something outside the grid would do nothing in silence."""
    for (kind, name), fields in overrides.items():
        registry.find(kind, name)
        if name not in {spelt.partition("@")[0] for spelt in names[kind]}:
            raise UserError(
                f"{kind}.{name}.{next(iter(fields))} is set, but {kind} '{name}' is not in this grid. "
                f"Add it to the {kind}s or remove the setting."
            )


def _refuse_missing_models(name: str, benchmark: Benchmark) -> None:
    for what, place in (("target", benchmark.target()), ("reference", benchmark.reference())):
        if place is None or (Path(place) / "config.json").is_file() or _is_hub_name(place):
            continue
        raise UserError(
            f"The benchmark '{name}' has its {what} model at {place}, where there is no config.json. "
            f"Build or fetch the model, or set the right folder (`harness show benchmark {name}`)."
        )


def _is_hub_name(place: str) -> bool:
    return bool(HUB_NAME.fullmatch(place)) and not Path(place).exists()


__all__ = ["Grid", "Plan", "Planned", "expanded", "make_plan", "read_grid"]
