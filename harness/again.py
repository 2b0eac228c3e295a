"""Measures cells again that somebody has a record of: the same specification, on this machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.cell import Cell, digest
from harness.components import benchmark_spec, rebuild, runtime_of
from harness.errors import UserError
from harness.plan import Plan, Planned
from harness.record import Record
from harness.registry import KINDS


def plan_again(records: Sequence[Record], *, sample: float = 1.0, places: Mapping[str, str] | None = None) -> Plan:
    """The cells of records, or a share of them that anybody would draw alike; what has no meaning is left out.

    Args:
        records: What was measured.
        sample: Share of their cells.
        places: Where the benchmark finds model and data here, by field; no part of what is measured.

    Raises:
        UserError: A component is not installed in that version, or the benchmark's content is another one here.
    """
    order = sorted(sampled(records, sample), key=lambda cell: (cell.seed, cell.unlearn_id, cell.attack.name, cell.id))
    return Plan(tuple(_planned(cell, places or {}) for cell in order), (), ())


def sampled(records: Sequence[Record], share: float) -> list[Cell]:
    """A share of the cells that hold scores, drawn by their ids alone."""
    cells = sorted((r.cell for r in records if r.measurements), key=lambda cell: digest(["again", cell.id]))
    return cells[: math.ceil(share * len(cells))]


def _planned(cell: Cell, places: Mapping[str, str]) -> Planned:
    specs = {"method": cell.method, "attack": cell.attack, "benchmark": cell.benchmark, "engine": cell.engine}
    parts = {kind: rebuild(kind, specs[kind], places if kind == "benchmark" else {}) for kind in KINDS}
    here = benchmark_spec(cell.benchmark.name, parts["benchmark"])
    if dict(here.content) != dict(cell.benchmark.content):
        changed = sorted(
            k for k in {*here.content, *cell.benchmark.content} if here.content.get(k) != cell.benchmark.content.get(k)
        )
        raise UserError(
            f"benchmark.{cell.benchmark.name} has other content here than where the record was made "
            f"({', '.join(changed)}), so the same numbers cannot be expected. Use the version that its page names."
        )
    return Planned(cell, {kind: runtime_of(part) for kind, part in parts.items()})
