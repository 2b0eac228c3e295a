"""Unlearned weights made ahead of a run, by one process or by a team that accelerate launched.

`harness run` finds them under their id and goes on from there. Every process of a team plans the same cells in the same
order and computes its share of every batch; only the first one writes and speaks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from accelerate import PartialState
from transformers.utils.logging import disable_progress_bar

from harness.components import role_of
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.plan import Plan, Planned
from harness.registry import load
from harness.stages import Stages
from harness.store import Store
from harness.train.processes import position, processes, said_by_first


@dataclass(frozen=True)
class Prepared:
    """What became of one row: a line for the reader, and whether its weights are there now."""

    line: str
    made: bool


def prepare(plan: Plan, store: Store) -> Iterator[Prepared]:
    """Make the unlearned weights of every row of a plan, and yield what became of each in the first process.

    A lone process goes on with the next row when one fails. A team stops there: whoever failed is no longer in step.

    Args:
        plan: What `run` would execute; controls are left out, they cost nothing.
        store: Whose scratch keeps the weights.

    Raises:
        UserError: Nothing in the plan unlearns, or accelerate was told a precision.
    """
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in ("", "no"):
        raise UserError(
            f"accelerate was told mixed precision '{precision}', which would stand in no record. Leave it out, and say "
            "--set method.NAME.precision=mixed (passes in bf16) or =bf16 (weights too)."
        )
    rows = rows_of(plan)
    if not rows:
        why = "".join(f" {line}" for line in plan.omitted)
        raise UserError(f"No method of this grid unlearns, so there is nothing to make.{why} Name one, such as npo.")
    disable_progress_bar()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=not torch.cuda.is_available())
    stages = Stages(store.scratch, run_id=f"prepare-{said_by_first(f'{os.getpid()}-{time.time_ns()}')}")
    for planned in rows:
        label = f"{planned.cell.benchmark.name} · {planned.cell.method.name} · seed {planned.cell.seed}"
        folder = attempt(partial(stages.unlearn, planned))
        if isinstance(folder, Fault):
            yield Prepared(f"{label}: failed: {folder.reason}", made=False)
            if processes() > 1:
                return
        elif position() == 0:
            yield Prepared(f"{label}: {folder}", made=True)
    if processes() > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def rows_of(plan: Plan) -> list[Planned]:
    """One cell for each set of unlearned weights, those that others build on first."""
    cells = {planned.cell.unlearn_id: planned for planned in plan.cells if _unlearns(planned)}
    return sorted(cells.values(), key=lambda planned: len(planned.builds_on))


def _unlearns(planned: Planned) -> bool:
    return role_of(load("method", planned.cell.method.name)) == "method"
