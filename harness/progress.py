"""Shows a run while it runs: a live line on a terminal, one plain line per finished cell elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.console import duration, say
from harness.executors import Event, Finished, Started
from harness.failure import Failure

Watcher = Callable[[Event], None]


@dataclass
class Tally:
    """How far a run is.

    Attributes:
        total: Cells that will run.
        began: Clock at the start, seconds.
        done: Cells that ended, failed ones included.
        failed: Cells that failed.
        running: Labels of the cells being executed, in order of their start.
    """

    total: int
    began: float
    done: int = 0
    failed: int = 0
    running: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Count an event."""
        label = event.planned.label
        if isinstance(event, Started):
            self.running.append(label)
            return
        if label in self.running:
            self.running.remove(label)
        self.done += 1
        self.failed += isinstance(event.result, Failure)

    def left(self, now: float) -> str:
        """Time that the remaining cells will take at the pace so far, in words."""
        if self.done == 0:
            return "unknown"
        return duration((now - self.began) / self.done * (self.total - self.done))


@contextmanager
def watching(total: int) -> Iterator[Watcher]:
    """Yield what a run should call at every event; ``total`` counts the cells that will run."""
    tally = Tally(total, time.monotonic())
    if total == 0 or not sys.stdout.isatty():
        yield lambda event: _print_line(tally, event)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console()) as bar:
        task = bar.add_task("starting", total=total)
        yield lambda event: _move_bar(bar, task, tally, event)


def _print_line(tally: Tally, event: Event) -> None:
    tally.add(event)
    if isinstance(event, Finished):
        say(line(tally, event, now=time.monotonic()))


def line(tally: Tally, event: Finished, *, now: float) -> str:
    """One finished cell in words, after it was counted."""
    failed = f"  FAILED: {event.result.reason}" if isinstance(event.result, Failure) else ""
    left = f"  ({tally.left(now)} left)" if tally.done < tally.total else ""
    return f"[{tally.done}/{tally.total}] {event.planned.label}{failed}{left}"


def _move_bar(bar: Progress, task: TaskID, tally: Tally, event: Event) -> None:
    tally.add(event)
    if isinstance(event, Finished) and isinstance(event.result, Failure):
        bar.console.print(
            f"failed: {event.planned.label}: {event.result.reason}", markup=False, highlight=False, style="red"
        )
    failed = f", {tally.failed} failed" if tally.failed else ""
    bar.update(
        task,
        completed=tally.done,
        description=f"{tally.left(time.monotonic())} left{failed}   {', '.join(tally.running)}",
    )


Report = Callable[[str, int, int], None]


@contextmanager
def building() -> Iterator[Report]:
    """Yield what a builder should call with a stage, its steps done and its steps in all: a bar, or ten lines."""
    if not sys.stdout.isatty():
        yield TenLines()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console()) as bar:
        stages: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total)
            bar.update(stages[stage], completed=done)

        yield report


class TenLines:
    """Prints a stage's progress whenever another tenth of it is done."""

    def __init__(self) -> None:
        self._tenths: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report."""
        tenth = 10 * done // total
        if tenth > self._tenths.get(stage, 0):
            self._tenths[stage] = tenth
            say(f"{stage}: {done} of {total} steps")
