"""One fresh process per cell: GPU memory, the CUDA context and the random state end with it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.executors import Event, Task
from harness.executors.pool import Pool
from harness.plan import Planned


@dataclass(frozen=True)
class Subprocess:
    """Executes cells like a pool whose workers are replaced after each; torch keeps its default threads."""

    task: Task
    logs: Path
    workers: int = 1
    timeout_s: float | None = None

    def __call__(self, cells: Sequence[Planned]) -> Generator[Event, None, None]:
        """Yield what happens to each cell."""
        pool = Pool(self.task, self.logs, self.workers, one_thread=False, timeout_s=self.timeout_s, reuse=False)
        return pool(cells)
