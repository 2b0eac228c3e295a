"""A run in its own process, to be interrupted: ``light`` cells that only wait, or real ones on tiny models.

Arguments: the results folder, then the folder of the models if the cells are to be real.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import fake_tasks

from harness.executors import Task
from harness.executors.pool import Pool
from harness.grid import Grid
from harness.plan import Plan, make_plan
from harness.run import run
from harness.store import Store

LIGHT = fake_tasks.plan(*["pause"] * 6)


def real_plan(models: Path, *, pause_s: float) -> Plan:
    settings = {"benchmark.fake-bench.folder": str(models), "attack.drift.pause_s": pause_s}
    return make_plan(Grid(methods=("nudge",), attacks=("drift",), benchmarks=("fake-bench",), overrides=settings))


def real_task(store: Store) -> Task:
    from fake_world import fixed_rate  # noqa: PLC0415 - these two import torch, which light runs do without

    from harness.stages import Stages  # noqa: PLC0415

    return Stages(store.scratch, "run", fixed_rate)


def main(results: Path, models: Path | None = None) -> None:
    store = Store(results)
    plan = real_plan(models, pause_s=0.3) if models else LIGHT
    task = real_task(store) if models else fake_tasks.act
    with store.lock():
        run(plan, store, Pool(task, store.logs, workers=1))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
    main(*map(Path, sys.argv[1:]))
