"""The only loop of the program: cells without a record are executed, what they become is stored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from harness.executors import Event, Executor, Finished
from harness.failure import Failure
from harness.plan import Plan
from harness.store import Store


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        skipped: Cells that had a record already.
        finished: Cells that have one now.
        failures: Cells that have none.
    """

    skipped: int
    finished: int
    failures: tuple[Failure, ...]


def ignore(event: Event) -> None:
    """Watch nothing."""


def run(plan: Plan, store: Store, execute: Executor, on_event: Callable[[Event], None] = ignore) -> Outcome:
    """Execute the cells that have no record, failed ones included, and store each as it ends.

    Args:
        plan: What is wanted.
        store: Where records are; the caller holds its lock.
        execute: How cells are executed.
        on_event: Told of every start and end, after the end has been stored.

    Raises:
        UserError: A record could not be written; the cells stored before it remain.
    """
    todo = plan.without(store.ids())
    finished = 0
    failures: list[Failure] = []
    with closing(execute(todo)) as events:
        for event in events:
            if isinstance(event, Finished):
                if isinstance(event.result, Failure):
                    store.put_failure(event.result)
                    failures.append(event.result)
                else:
                    store.put(event.result)
                    finished += 1
            on_event(event)
    return Outcome(len(plan.cells) - len(todo), finished, tuple(failures))
