"""Builds `pocket-wmdp` from a seed: its files, and its two models side by side in two single-threaded processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch

from harness.pocket.wmdp import write_files
from harness.pocket.wmdp_models import RECIPE, Model, lessons_of, make_tokenizer, train
from harness.pocket.world import make_world

Report = Callable[[str, int, int], None]
"""Takes the name of a stage, the steps done and the steps in all."""

MODELS: tuple[Model, ...] = ("target", "reference")
REPORT_EVERY = 20  # steps


def build_wmdp(out: Path, *, seed: int, report: Report) -> None:
    """Write everything that `pocket-wmdp` ships into ``out``.

    Raises:
        ChildProcessError: The training of a model ended early; its traceback is on standard error.
    """
    write_files(out, make_world(seed), seed)
    in_parallel({which: partial(build_model, out / which, which, seed) for which in MODELS}, report)


def build_model(out: Path, which: Model, seed: int, report: Report) -> None:
    """Train one model on one thread and save it with its tokenizer."""
    torch.set_num_threads(1)
    world = make_world(seed)
    tokenizer = make_tokenizer(world, seed)
    total = RECIPE.drill_steps + RECIPE.steps
    done = 0

    def after_step(step: int, loss: float) -> None:
        nonlocal done
        done += 1
        if done % REPORT_EVERY == 0 or done == total:
            report(f"pocket-wmdp {which}", done, total)

    model = train(tokenizer, lessons_of(world, tokenizer, which, seed=seed), seed=seed, after_step=after_step)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def in_parallel(jobs: dict[Any, Callable[[Report], None]], report: Report) -> None:
    """Run each job in a fresh process and pass on what they report until all have ended."""
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[tuple[str, int, int] | None] = context.SimpleQueue()
    processes = {name: context.Process(target=_run, args=(job, queue)) for name, job in jobs.items()}
    for process in processes.values():
        process.start()
    running = len(processes)
    while running:
        message = queue.get()
        if message is None:
            running -= 1
        else:
            report(*message)
    for name, process in processes.items():
        process.join()
        if process.exitcode:
            raise ChildProcessError(f"Building the {name} ended with exit code {process.exitcode}; see its traceback.")


def _run(job: Callable[[Report], None], queue: SimpleQueue[tuple[str, int, int] | None]) -> None:
    try:
        job(lambda stage, done, total: queue.put((stage, done, total)))
    finally:
        queue.put(None)
