"""Executors: ways to have planned cells executed, all behind one callable protocol.

An executor is called with cells and yields what happens to them: each cell once as ``Started``, then once as
``Finished`` with its record or its failure. It never raises because of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from harness.failure import Failure
from harness.plan import Planned
from harness.record import Record

Task = Callable[[Planned], Record]
"""Executes one cell; picklable, since it travels to worker processes."""


@dataclass(frozen=True)
class Started:
    """A worker took this cell."""

    planned: Planned


@dataclass(frozen=True)
class Finished:
    """A cell ended, as a record or as a failure."""

    planned: Planned
    result: Record | Failure


Event = Started | Finished
Executor = Callable[[Sequence[Planned]], Generator[Event, None, None]]

__all__ = ["Event", "Executor", "Finished", "Started", "Task"]
