"""`harness run` from flags to the page, on a benchmark that takes seconds, and the progress it prints."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

from harness.cli import main
from harness.console import duration, plain_table

POINTS = {
    "benchmarks": {"tiny": "tiny:TinyBenchmark"},
    "methods": {"shift": "tiny:Shift", "crash": "tiny:Crash"},
    "attacks": {"nudge": "tiny:Nudge"},
}
GRID = ("--benchmarks", "tiny", "--attacks", "nudge", "--model", "models", "--executor", "in-process")


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: object
    out: str
    err: str


def harness(folder: Path, *arguments: str) -> Said:
    """Run a command in a folder, with the plugins that were put there; in this process, which has torch already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.syspath_prepend(folder / "site-packages")
        with pytest.raises(SystemExit) as end:
            main(arguments)
    return Said(end.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A folder after a run in which one of two methods crashed, and what that run said."""
    folder = tmp_path_factory.mktemp("run")
    tiny.save_models(folder / "models")
    tiny.write_distribution(folder / "site-packages", "tiny-plugins", POINTS)
    return folder, harness(folder, "run", "--methods", "shift,crash", *GRID)


Finished = tuple[Path, Said]


def test_failed_cells_make_the_exit_status_one_and_are_listed_with_reason_and_log(finished: Finished) -> None:
    folder, done = finished
    row = next(line for line in done.out.splitlines() if line.startswith("tiny · crash · none"))
    assert done.code == 1
    assert "RuntimeError: the plugin's own mistake" in row
    assert "the plugin's own mistake" in (folder / row.split("  ")[-1].strip()).read_text()


def test_every_other_cell_has_a_record_and_the_page_is_rendered(finished: Finished) -> None:
    folder, done = finished
    assert len(list((folder / "results" / "local" / "tiny").rglob("*.json"))) == 6
    assert "Leaderboard: site/index.html" in done.out
    assert "shift" in (folder / "site" / "index.html").read_text()


def test_each_finished_cell_is_one_plain_line_when_nobody_watches(finished: Finished) -> None:
    lines = [line for line in finished[1].out.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{number}/8" for number in range(1, 9)]
    assert "\x1b" not in finished[1].out


def test_weights_may_be_made_ahead_and_a_row_that_fails_stops_no_other(finished: Finished) -> None:
    folder, _ = finished
    grid = ("--benchmarks", "tiny", "--model", "models", "--methods", "crash,shift", "--results", "ahead")
    made = harness(folder, "unlearn", *grid)
    assert made.code == 1
    assert "tiny · crash · seed 0: failed: RuntimeError: the plugin's own mistake" in made.out
    (row,) = (line for line in made.out.splitlines() if line.startswith("tiny · shift"))
    assert (folder / row.split(": ")[-1] / "model.safetensors").is_file()


def test_weights_of_a_finished_row_are_dropped(finished: Finished) -> None:
    assert not list((finished[0] / "results" / "local" / "scratch" / "unlearned").rglob("*.safetensors"))


def test_plan_says_what_is_done_what_failed_and_what_the_rest_costs(finished: Finished) -> None:
    said = harness(finished[0], "plan", "--methods", "shift,crash", "--seeds", "2", *GRID[:6]).out
    assert "16 cells: 6 done, 10 to run." in said
    assert "failed before" in said
    assert "Time: about" in said


def test_the_same_command_runs_only_what_has_no_record_and_succeeds(finished: Finished) -> None:
    done = harness(finished[0], "run", "--methods", "shift", *GRID)
    assert "0 cells finished, 6 were done before, 0 failed." in done.out
    assert done.code == 0


def test_the_leaderboard_is_rebuilt_from_records_and_names_a_file_that_is_none(finished: Finished) -> None:
    folder = finished[0]
    stray = folder / "results" / "local" / "stray.json"
    stray.write_text("{}")
    done = harness(folder, "leaderboard", "build", "--out", "again")
    assert "stray.json is not a record that can be trusted" in done.err
    assert (folder / "again" / "changes.html").read_text().count("stray.json") >= 1
    assert stray.read_text() == "{}"


def test_checkpoints_are_kept_on_demand(finished: Finished) -> None:
    harness(finished[0], "run", "--methods", "shift", *GRID, "--results", "kept", "--keep-checkpoints")
    assert len(list((finished[0] / "kept" / "scratch" / "unlearned").rglob("*.safetensors"))) == 3


def test_an_installed_plugin_is_checked_by_name(finished: Finished) -> None:
    done = harness(finished[0], "check", "benchmark", "tiny", "--set", "model=models")
    assert done.code == 0, done.out
    assert "FAIL" not in done.out


@pytest.mark.parametrize(("seconds", "words"), [(7.6, "8 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_plain_table_keeps_every_cell_on_its_line() -> None:
    assert plain_table(("a", "bb"), [["1\n2", "3"], ["x", ""]]) == "a    bb\n1 2  3\nx"
