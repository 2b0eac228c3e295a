"""Worker processes: they die, hang and lose their parent, and only the running cell is lost."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_run import LIGHT, real_plan, real_task
from fake_tasks import act, plan, record
from processes import ended, when

from harness.executors import Event, Executor, Finished, Started
from harness.executors.in_process import InProcess
from harness.executors.pool import Pool
from harness.executors.subprocess import Subprocess
from harness.failure import Failure
from harness.plan import Plan
from harness.record import Record, measured
from harness.run import run
from harness.store import Store

HERE = Path(__file__).parent
Start = Callable[..., subprocess.Popen[bytes]]


def results(execute: Executor, *attacks: str) -> list[Record | Failure]:
    return [event.result for event in execute(plan(*attacks).cells) if isinstance(event, Finished)]


def reasons(ends: list[Record | Failure]) -> list[str]:
    return [end.reason if isinstance(end, Failure) else "" for end in ends]


def test_a_cell_that_aborts_its_process_is_a_failure_with_the_signal_and_the_next_runs(tmp_path: Path) -> None:
    ends = results(Pool(act, tmp_path, workers=1), "abort", "sound")
    assert reasons(ends) == ["its worker process died with signal SIGABRT", ""]


def test_the_log_of_a_killed_cell_says_which_it_was_and_what_often_helps(tmp_path: Path) -> None:
    [failure] = results(Pool(act, tmp_path, workers=1), "kill")
    assert isinstance(failure, Failure)
    assert "SIGKILL (often out of memory; try fewer workers)" in failure.reason
    assert Path(failure.log).read_text().endswith(f"bench · npo · kill · seed 0\n{failure.reason}\n")


def test_what_a_dying_cell_printed_is_in_its_log_with_its_python_stack(tmp_path: Path) -> None:
    results(Pool(act, tmp_path, workers=1), "abort")
    log = next(tmp_path.glob("*.log")).read_text()
    assert "about to abort" in log
    assert "in act" in log


def test_a_cell_that_never_ends_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    ends = results(Pool(act, tmp_path, workers=1, timeout_s=2), "endless", "sound")
    assert reasons(ends) == ["took longer than 2 s and was ended", ""]


@pytest.mark.parametrize("executor", [InProcess, Pool])
def test_a_cell_that_raises_leaves_its_traceback_in_its_log(tmp_path: Path, executor: type) -> None:
    execute = executor(act, tmp_path) if executor is InProcess else executor(act, tmp_path, workers=1)
    (failure,) = results(execute, "raise")
    assert isinstance(failure, Failure)
    assert failure.reason == "RuntimeError: no gradient today"
    assert "Traceback" in Path(failure.log).read_text()


def test_a_pool_keeps_its_workers_and_a_subprocess_ends_with_its_cell(tmp_path: Path) -> None:
    executors = (Pool(act, tmp_path, workers=1), Subprocess(act, tmp_path, workers=1))
    processes = [{end.provenance.threads for end in results(one, "sound", "sound", "sound")} for one in executors]
    assert [len(ids) for ids in processes] == [1, 3]


def test_two_workers_share_the_cells_and_every_cell_ends_once(tmp_path: Path) -> None:
    ends = results(Pool(act, tmp_path, workers=2), *["pause"] * 6)
    assert len({end.id for end in ends}) == 6
    assert len({end.provenance.threads for end in ends}) == 2


def test_no_worker_outlives_its_pool(tmp_path: Path) -> None:
    results(Pool(act, tmp_path, workers=2), "sound", "abort", "sound")
    assert multiprocessing.active_children() == []


def test_a_pool_that_is_left_early_ends_its_workers(tmp_path: Path) -> None:
    events = Pool(act, tmp_path, workers=2)(plan("endless", "endless").cells)
    assert isinstance(next(events), Started)
    events.close()
    assert multiprocessing.active_children() == []


def test_an_empty_list_of_cells_starts_nothing(tmp_path: Path) -> None:
    assert list(Pool(act, tmp_path, workers=2)(())) == []


def here(wanted: Plan, store: Store, task: Callable[..., Record] = act) -> None:
    run(wanted, store, InProcess(task, store.logs))


def the_same(one: Store, other: Store) -> bool:
    return [measured(record) for record in one.records()] == [measured(record) for record in other.records()]


def test_a_worker_killed_at_any_moment_costs_its_cell_and_a_second_run_heals_it(store: Store, tmp_path: Path) -> None:
    wanted = plan(*["pause"] * 4)

    def kill(event: Event) -> None:
        if isinstance(event, Started) and event.planned == wanted.cells[1]:
            time.sleep(random.Random(str(tmp_path)).uniform(0, 0.5))
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    first = run(wanted, store, Pool(act, store.logs, workers=1), kill)
    assert [one.reason.partition(" (")[0] for one in first.failures] == ["its worker process died with signal SIGKILL"]
    here(wanted, store)
    assert [measured(one) for one in store.records()] == [measured(record("pause", seed)) for seed in range(4)]


@pytest.fixture
def start(fake_site: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts ``fake_run.py`` on the results folder of the fixture ``store``."""
    begun = []

    def process(*arguments: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(fake_site), str(HERE)))}
        command = [sys.executable, HERE / "fake_run.py", tmp_path / "results", *arguments]
        begun.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield process
    for one in begun:
        one.kill()
        one.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_ended_at_any_moment_leaves_no_worker_and_the_next_completes_its_records(
    start: Start, store: Store, tmp_path: Path, how: signal.Signals
) -> None:
    process = start()
    assert when(lambda: len(store.ids()) > 0, within_s=60)
    time.sleep(random.Random(str(tmp_path)).uniform(0, 0.6))
    assert ended(process, how)
    with store.lock():
        here(LIGHT, store)
    assert [measured(one) for one in store.records()] == [measured(record("pause", seed)) for seed in range(6)]


def test_a_second_run_on_the_folder_of_a_running_one_is_refused(start: Start, store: Store) -> None:
    first = start()
    assert when(lambda: store.root.joinpath(".lock").exists() and len(store.ids()) > 0, within_s=60)
    second = start()
    assert second.wait(60) != 0
    assert first.poll() is None


@pytest.mark.slow
@pytest.mark.usefixtures("fake_world")
def test_a_real_run_killed_at_any_moment_is_completed_to_the_numbers_of_an_uncut_run(
    start: Start, store: Store, tiny_models: Path, tmp_path: Path
) -> None:
    process = start(tiny_models)
    assert when(lambda: len(store.ids()) > 0, within_s=120)
    time.sleep(random.Random(str(tmp_path)).uniform(0, 1.5))
    assert ended(process, signal.SIGKILL)
    wanted, uncut = real_plan(tiny_models, pause_s=0), Store(tmp_path / "uncut")
    with store.lock():
        here(wanted, store, real_task(store))
    here(wanted, uncut, real_task(uncut))
    assert the_same(store, uncut)
