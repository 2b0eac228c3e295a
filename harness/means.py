"""How a run is executed; nothing here changes a number. No session in it, because `harness plan` asks it too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

ExecutorName = Literal["pool", "subprocess", "in-process"]


@dataclass(frozen=True)
class Means:
    """How a run is executed.

    Attributes:
        executor: Where cells are executed; None means a pool on CPUs and one process per cell on a GPU.
        workers: Cells at a time; None means one per core, or one on a GPU.
        keep_checkpoints: Keep unlearned weights after the last cell that needs them.
    """

    executor: ExecutorName | None = None
    workers: int | None = None
    keep_checkpoints: bool = False


def workers_of(means: Means) -> int:
    """How many cells run at a time."""
    if means.executor == "in-process":
        return 1
    return means.workers or (1 if on_gpu() else cores())


def on_gpu() -> bool:
    """Whether there is a CUDA device."""
    return torch.cuda.is_available()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
