"""Whose is what: no submission speaks for itself, nor for the maintainers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from synthetic import controls, record, stop

from harness.board_commands import collected
from harness.failure import Failure
from harness.store import Store
from leaderboard.submissions.check import check, check_all, sorted_problems
from leaderboard.submissions.pack import pack
from leaderboard.submissions.places import places_in

MINE = [record("mine", [stop(0.1)])]
OTHER = [record("other", [stop(0.1)]), record("mine", [stop(0.1)], seed=1)]


def packed(folder: Path) -> Path:
    pack(MINE, folder)
    (folder / "entry.toml").write_text('method = "Mine"\n')
    return folder


def problems(folder: Path) -> list[str]:
    return sorted_problems(check(folder).problems)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The maintainers' controls, and an entry."""
    store = Store(tmp_path / "results")
    for one in controls():
        store.put(one)
    packed(tmp_path / "results" / "submissions" / "mine")
    return tmp_path / "results"


@pytest.mark.parametrize(
    "place", ["mine/records/reproduced", "mine/reproduced", "reproduced", "reproduced/reproduced", "loose/reproduced"]
)
@pytest.mark.parametrize("root", ["", "submissions"])
def test_nothing_below_the_submissions_is_a_rerun(place: str, root: str, results: Path) -> None:
    shutil.copytree(results / "submissions" / "mine" / "records", results / "submissions" / place, dirs_exist_ok=True)
    assert places_in(results / root).reruns == ()
    assert collected([results / root]).rerun == ()


def test_an_entry_elsewhere_holds_no_rerun_either(results: Path, tmp_path: Path) -> None:
    packed(tmp_path / "mine" / "deep")
    shutil.copytree(tmp_path / "mine" / "deep" / "records" / "toy", tmp_path / "mine" / "deep" / "records/reproduced")
    assert places_in(tmp_path / "mine").reruns == ()
    assert places_in(tmp_path / "mine" / "deep").reruns == ()


def test_the_folder_of_reruns_itself_holds_no_rows(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(results / "reproduced").put(MINE[0])
    monkeypatch.chdir(results / "reproduced")
    for folders in ([results], [results / "reproduced"], [Path()]):
        found = collected(folders)
        assert [one.id for one in found.rerun] == [MINE[0].id]
        assert MINE[0].id not in {one.id for one in found.records}


def test_the_submissions_are_told_by_where_they_lie_whatever_the_folder_is_called(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(results / "toy", results / "submissions" / "loose" / "toy")
    monkeypatch.chdir(results / "submissions")
    assert collected([Path()]).records == ()


@pytest.mark.parametrize("name", ["reproduced", "submissions"])
def test_an_entry_may_not_be_called_like_a_place_of_the_maintainers(name: str, tmp_path: Path) -> None:
    found = check(packed(tmp_path / name))
    assert found.records == ()
    assert [str(one) for one in found.problems] == [
        f"no entry may be called '{name}', a name of the maintainers; rename it"
    ]


@pytest.mark.parametrize("place", ["records/toy/x", "records/reproduced/mine", "records/toy/mine-2"])
def test_a_record_lies_where_it_is_packed(place: str, tmp_path: Path) -> None:
    folder = packed(tmp_path / "entry")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / "records/toy/mine.records.gz").rename(folder / f"{place}.records.gz")
    assert check(folder).records == ()
    assert any("belongs to records/toy/mine.records.gz; pack again" in line for line in problems(folder))


def test_an_archive_without_a_record_is_refused(tmp_path: Path) -> None:
    folder = packed(tmp_path / "entry")
    (folder / "records/toy/none.records.gz").write_bytes(b"")
    assert "records/toy/none.records.gz: holds no record; remove it and pack again" in problems(folder)


@pytest.mark.parametrize("name", ["records/toy/x.records.gz", "entry.toml", "x"])
def test_what_is_neither_file_nor_folder_is_refused_and_not_opened(name: str, tmp_path: Path) -> None:
    folder = packed(tmp_path / "entry")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    found = check(folder)
    assert found.records == ()
    assert [str(one) for one in found.problems if one.fatal] == [
        f"{name}: is neither a file nor a folder; remove it and pack again"
    ]


def test_of_two_equal_entries_the_second_is_told(tmp_path: Path) -> None:
    folders = [packed(tmp_path / name) for name in ("b", "a")]
    first, second = check_all(folders)
    assert (first.folder.name, first.problems) == ("a", ())
    said = "records: {}: was handed in by a already, or belongs to a row that was"
    assert sorted_problems(second.problems) == [said.format(MINE[0].id)]


def test_of_two_entries_with_seeds_of_one_row_the_second_is_told(tmp_path: Path) -> None:
    packed(tmp_path / "a")
    pack(OTHER, tmp_path / "b")
    found = check_all([tmp_path / "a", tmp_path / "b"], controls())[1]
    assert any(f"{OTHER[1].id}: was handed in by a already" in str(problem) for problem in found.problems)
    assert not any(OTHER[0].id in str(problem) for problem in found.problems)


def test_packing_another_entry_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    folder = packed(tmp_path / "entry")
    (folder / "mine.txt").write_text("a note of my own")
    pack(OTHER[:1], folder)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in left if "mine" in name} == {"mine.txt"}
    assert (folder / "entry.toml").read_text() == 'method = "Mine"\n'
    (folder / "mine.txt").unlink()
    assert problems(folder) == []


def test_packing_removes_nothing_that_no_entry_noted(tmp_path: Path) -> None:
    kept = [tmp_path / "secret.records.gz", tmp_path / "out" / "records" / "toy" / "own.records.gz"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"kept")
    names = ["../secret.records.gz", "records/../../secret.records.gz", "/etc/hostname", "entry.toml"]
    (tmp_path / "out" / "SHA256SUMS").write_text("".join(f"0  {name}\n" for name in names))
    (tmp_path / "out" / "entry.toml").write_text('method = "Mine"\n')
    pack(MINE, tmp_path / "out")
    assert [path.read_bytes() for path in kept] == [b"kept", b"kept"]
    assert (tmp_path / "out" / "entry.toml").read_text() == 'method = "Mine"\n'


def test_failures_of_others_say_nothing_of_the_maintainers_rows(results: Path) -> None:
    failure = Failure(controls()[0].cell, "it broke", "x.log")
    for folder in (results / "submissions", results / "submissions" / "mine"):
        Store(folder).put_failure(failure)
        assert Store(folder).failures() == (failure,)
    for folder in (results, results / "submissions", results / "submissions" / "mine"):
        assert collected([folder]).failures == ()
    Store(results).put_failure(failure)
    assert collected([results]).failures == (failure,)
