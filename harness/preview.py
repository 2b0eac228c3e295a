"""What a run would do, before it is done: cells, what is finished, and the time that the rest should take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.cell import Cell
from harness.console import duration
from harness.plan import Plan, Planned
from harness.record import Record
from harness.store import Store


@dataclass(frozen=True)
class Estimate:
    """Time of optimisation that the remaining cells need, from the costs of finished ones.

    Attributes:
        seconds: Sum over the stages whose cost is known, on one core.
        known: Stages (unlearnings and attacks) whose cost is known.
        stages: All stages that would run.
    """

    seconds: float
    known: int
    stages: int


COLUMNS = ("benchmark", "method", "setting", "attack", "seed", "state")


@dataclass(frozen=True)
class Preview:
    """Rows for a table under :data:`COLUMNS`, and lines that sum them up."""

    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


def preview(plan: Plan, store: Store, *, workers: int) -> Preview:
    """Compare a plan with what a results folder holds; nothing is written and no model is loaded."""
    records, failed = store.records(), {failure.id for failure in store.failures()}
    done = {record.id for record in records}
    todo = plan.without(frozenset(done))
    rows = tuple(_row(planned, done, failed) for planned in plan.cells)
    counts = f"{len(plan.cells)} cells: {len(plan.cells) - len(todo)} done, {len(todo)} to run."
    added = [f"Added without being asked for: {', '.join(plan.added)}."] if plan.added else []
    problems = [f"{problem.path} {problem.reason}" for problem in store.problems()]
    time = [in_words(estimate(todo, records), workers)] if todo else []
    return Preview(rows, (counts, *time, *added, *plan.omitted, *problems))


def estimate(todo: Sequence[Planned], records: Sequence[Record]) -> Estimate:
    """Cost of every stage that would run, taken from records of the same benchmark with that method or attack."""
    unlearning = _means((_row_key(r.cell), r.unlearn_cost.seconds) for r in records)
    attacking = _means((_column_key(r.cell), r.attack_cost.seconds) for r in records)
    made = {record.cell.unlearn_id for record in records}
    missing = {planned.cell.unlearn_id: planned.cell for planned in todo if planned.cell.unlearn_id not in made}
    costs = [unlearning.get(_row_key(cell)) for cell in missing.values()]
    costs += [attacking.get(_column_key(planned.cell)) for planned in todo]
    known = [cost for cost in costs if cost is not None]
    return Estimate(sum(known), len(known), len(costs))


def in_words(estimate: Estimate, workers: int) -> str:
    """The estimate as a sentence, which says what it leaves out."""
    if estimate.known == 0:
        return "Time: unknown, since no finished record tells what these stages cost."
    partly = f" (cost known for {estimate.known} of {estimate.stages} stages)" * (estimate.known < estimate.stages)
    needed = duration(estimate.seconds / workers)
    return f"Time: about {needed} of optimisation on {workers} workers{partly}; scoring comes on top."


def _row(planned: Planned, done: set[str], failed: set[str]) -> tuple[str, ...]:
    cell = planned.cell
    state = "done" if cell.id in done else "failed before" if cell.id in failed else "to run"
    return cell.benchmark.name, planned.method, planned.setting, cell.attack.name, str(cell.seed), state


def _row_key(cell: Cell) -> tuple[str, str]:
    return cell.benchmark.name, cell.method.name


def _column_key(cell: Cell) -> tuple[str, str]:
    return cell.benchmark.name, cell.attack.name


def _means(costs: Iterable[tuple[tuple[str, str], float]]) -> dict[tuple[str, str], float]:
    grouped: dict[tuple[str, str], list[float]] = {}
    for key, seconds in costs:
        grouped.setdefault(key, []).append(seconds)
    return {key: fmean(found) for key, found in grouped.items()}
