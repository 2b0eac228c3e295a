"""One ``harness run``: lock, executor, progress, and weights that are dropped when their row is done."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.console import say
from harness.executors import Event, Executor, Finished
from harness.executors.in_process import InProcess
from harness.executors.pool import Pool
from harness.executors.subprocess import Subprocess
from harness.means import Means, on_gpu, workers_of
from harness.plan import Plan, Planned
from harness.progress import watching
from harness.record import Record
from harness.registry import load
from harness.run import Outcome, run
from harness.stages import Stages
from harness.store import Store


def run_session(plan: Plan, store: Store, means: Means) -> Outcome:
    """Execute what has no record yet, showing progress; one run at a time holds a results folder."""
    with store.lock():
        todo = plan.without(store.ids())
        workers = workers_of(means)
        say(f"{len(plan.cells)} cells: {len(plan.cells) - len(todo)} done, {len(todo)} to run; results in {store.root}")
        for line in plan.omitted:
            say(line)
        sweep = Sweep(store.scratch / "unlearned", todo)
        with watching(len(todo)) as watch:

            def on_event(event: Event) -> None:
                watch(event)
                if not means.keep_checkpoints:
                    sweep(event)

            lasting = any(outlives_cells(planned.cell.engine.name) for planned in todo)
            return run(plan, store, executor_of(means, store, workers, lasting=lasting), on_event)


def executor_of(means: Means, store: Store, workers: int, *, lasting: bool = False) -> Executor:
    """The executor that was asked for, or the one that suits this machine.

    Args:
        means: What was asked for.
        store: Whose scratch and logs the workers use.
        workers: How many cells run at a time.
        lasting: Whether the engine outlives cells, so that a fresh process for each would start it anew.
    """
    gpu = on_gpu()
    task = Stages(store.scratch, run_id=f"{os.getpid()}-{time.time_ns()}")
    name = means.executor or ("subprocess" if gpu and not lasting else "pool")
    if name == "in-process":
        return InProcess(task, store.logs)
    if name == "subprocess":
        return Subprocess(task, store.logs, workers)
    return Pool(task, store.logs, workers, one_thread=not gpu)


def outlives_cells(engine: str) -> bool:
    """Whether this engine is so dear to start that cells should share a process."""
    return bool(getattr(load("engine", engine), "outlives_cells", False))


class Sweep:
    """Deletes unlearned weights when all cells that need them have records; a failed cell keeps them for its retry.

    A cell needs its own weights and those of the earlier requests that they build on.
    """

    def __init__(self, folder: Path, todo: Sequence[Planned]) -> None:
        self._folder = folder
        self._left = Counter(key for planned in todo for key in _weights_of(planned))

    def __call__(self, event: Event) -> None:
        """Count a finished cell."""
        if not isinstance(event, Finished) or not isinstance(event.result, Record):
            return
        for key in _weights_of(event.planned):
            self._left[key] -= 1
            if self._left[key] == 0:
                shutil.rmtree(self._folder / key, ignore_errors=True)


def _weights_of(planned: Planned) -> tuple[str, ...]:
    return (planned.cell.unlearn_id, *planned.builds_on)
