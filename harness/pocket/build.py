"""Builds `pocket-wmdp` from a seed: its files, and its two models side by side in two single-threaded processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from harness.pocket.parallel import Report, in_parallel
from harness.pocket.wmdp import write_files
from harness.pocket.wmdp_models import RECIPE, Model, lessons_of, make_tokenizer, train
from harness.pocket.world import make_world

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
