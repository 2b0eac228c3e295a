"""What a person reads while a run or a build goes on."""

from __future__ import annotations

import pytest

from harness.cell import Cell, Spec
from harness.executors import Finished, Started
from harness.failure import Failure
from harness.plan import Planned
from harness.progress import Tally, TenLines, line, watching

CELL = Planned(Cell(Spec("b", 1), Spec("m", 1), Spec("a", 1), Spec("e", 1), 0), {})
FAILED = Finished(CELL, Failure(CELL.cell, "it broke", "logs/x.log"))


def test_the_time_left_is_unknown_before_the_first_cell_ends() -> None:
    assert Tally(total=4, began=0.0).left(now=50.0) == "unknown"


def test_the_time_left_goes_by_the_pace_so_far() -> None:
    tally = Tally(total=4, began=0.0)
    tally.add(FAILED)
    assert tally.left(now=50.0) == "2 min 30 s"


def test_a_started_cell_is_running_until_it_ends() -> None:
    tally = Tally(total=2, began=0.0)
    tally.add(Started(CELL))
    running = list(tally.running)
    tally.add(FAILED)
    assert (running, tally.running, tally.failed) == ([CELL.label], [], 1)


def test_the_line_of_a_failed_cell_says_why() -> None:
    tally = Tally(total=1, began=0.0, done=1)
    assert line(tally, FAILED, now=1.0) == "[1/1] b · m · a · seed 0  FAILED: it broke"


def test_a_run_without_a_terminal_prints_one_line_per_finished_cell(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(2) as watch:
        for event in (Started(CELL), FAILED, Started(CELL), FAILED):
            watch(event)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_build_without_a_terminal_prints_ten_lines_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    report = TenLines()
    for done in range(20, 1501, 20):
        report("target", done, 1500)
    said = capsys.readouterr().out.splitlines()
    assert (len(said), said[-1]) == (10, "target: 1500 of 1500 steps")


def test_a_watched_run_draws_a_bar_and_says_what_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with watching(1) as watch:
        watch(Started(CELL))
        watch(FAILED)
    said = capsys.readouterr().out
    assert "failed: b · m · a · seed 0: it broke" in said
    assert "1/1" in said
