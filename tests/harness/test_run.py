"""The loop: what is done is skipped, what failed is tried again, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_world import fixed_rate

from harness.errors import UserError
from harness.executors import Event, Finished, Started
from harness.executors.in_process import InProcess
from harness.plan import Plan, Planned
from harness.record import Record, measured
from harness.run import Outcome, run
from harness.stages import Stages
from harness.store import Store

PlanOf = Callable[..., Plan]


def here(plan: Plan, store: Store, run_id: str = "run") -> Outcome:
    return run(plan, store, InProcess(Stages(store.scratch, run_id, fixed_rate), store.logs))


def test_a_run_stores_every_cell(plan_of: PlanOf, store: Store) -> None:
    plan = plan_of()
    assert here(plan, store) == Outcome(0, 2, ())
    assert store.ids() == {planned.id for planned in plan.cells}


def test_what_is_done_is_skipped(plan_of: PlanOf, store: Store) -> None:
    here(plan_of(), store)
    assert here(plan_of(), store) == Outcome(2, 0, ())


def test_a_cell_that_fails_leaves_its_reason_and_a_log_with_the_traceback(plan_of: PlanOf, store: Store) -> None:
    outcome = here(plan_of("misbehave"), store)
    assert {failure.reason for failure in store.failures()} == {failure.reason for failure in outcome.failures}
    log = Path(outcome.failures[0].log).read_text()
    assert "Traceback" in log
    assert "RuntimeError: no gradient today" in log


def test_a_failing_row_does_not_stop_the_others(plan_of: PlanOf, store: Store) -> None:
    cells = (*plan_of("misbehave").cells, *plan_of().cells)
    outcome = here(Plan(cells, (), ()), store)
    assert (outcome.finished, len(outcome.failures)) == (2, 2)


class Unlucky:
    """Fails on its first cell, as a full GPU would."""

    def __init__(self, task: Callable[[Planned], Record]) -> None:
        self.task, self.left = task, 1

    def __call__(self, planned: Planned) -> Record:
        if self.left:
            self.left -= 1
            raise MemoryError("no room")
        return self.task(planned)


def test_what_failed_is_tried_again_by_the_next_run_and_its_failure_forgotten(plan_of: PlanOf, store: Store) -> None:
    task = Unlucky(Stages(store.scratch, "run", fixed_rate))
    outcomes = [run(plan_of(), store, InProcess(task, store.logs)) for _ in range(2)]
    assert [(one.skipped, one.finished, len(one.failures)) for one in outcomes] == [(0, 1, 1), (1, 1, 0)]
    assert store.failures() == ()


class Cut(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_run_cut_after_n_cells_ends_with_the_records_of_an_uncut_run(
    plan_of: PlanOf, store: Store, tmp_path: Path, count: int
) -> None:
    plan = Plan((*plan_of("none").cells, *plan_of().cells), (), ())
    left = iter(range(count))

    def cut(event: Event) -> None:
        if isinstance(event, Started) and next(left, None) is None:
            raise Cut

    with pytest.raises(Cut):
        run(plan, store, InProcess(Stages(store.scratch, "first", fixed_rate), store.logs), cut)
    here(plan, store, "second")
    uncut = Store(tmp_path / "uncut")
    here(plan, uncut)
    assert [measured(one) for one in store.records()] == [measured(one) for one in uncut.records()]


def test_a_spoilt_record_is_measured_again(plan_of: PlanOf, store: Store) -> None:
    here(plan_of(), store)
    next(store.root.rglob("drift.*.json")).write_text("{")
    assert here(plan_of(), store).finished == 1


def test_a_full_disk_ends_the_run_with_what_to_do(plan_of: PlanOf, store: Store) -> None:
    (store.root / "fake-bench").mkdir(parents=True)
    (store.root / "fake-bench" / "nudge").write_text("in the way")
    with pytest.raises(UserError, match="could not be written"):
        here(plan_of(), store)


def test_the_watcher_hears_every_start_and_every_end(plan_of: PlanOf, store: Store) -> None:
    heard: list[Event] = []
    run(plan_of(), store, InProcess(Stages(store.scratch, "run", fixed_rate), store.logs), heard.append)
    assert [type(event) for event in heard] == [Started, Finished] * 2
