"""Cells one after another in this process: for tests and for debuggers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.executors import Event, Finished, Started, Task
from harness.executors.worker import perform
from harness.plan import Planned


@dataclass(frozen=True)
class InProcess:
    """Executes cells here; a cell that kills its process kills the run."""

    task: Task
    logs: Path

    def __call__(self, cells: Sequence[Planned]) -> Generator[Event, None, None]:
        """Yield what happens to each cell."""
        for planned in cells:
            yield Started(planned)
            yield Finished(planned, perform(self.task, planned, self.logs / f"{planned.id}.log"))
