from __future__ import annotations

import gzip
import multiprocessing
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from fake_tasks import cell, record

from harness.archive import packed
from harness.cell import Spec
from harness.errors import UserError
from harness.failure import Failure
from harness.record import dumps
from harness.store import Store


def test_a_record_lies_under_benchmark_and_method_and_is_found_by_id(store: Store) -> None:
    kept = record("relearn", seed=2)
    path = store.put(kept)
    assert path == store.root / "bench" / "npo" / f"relearn.s2.{kept.id}.json"
    assert store.get(kept.id) == kept
    assert store.ids() == {kept.id}


def test_a_cell_that_is_not_finished_has_no_record(store: Store) -> None:
    assert store.get(record().id) is None


def test_names_that_climb_stay_inside_the_folder(store: Store) -> None:
    evil = replace(cell("none"), benchmark=Spec("../../etc", 1), attack=Spec("..", 1))
    path = store.put(replace(record(), cell=evil, id=evil.id))
    assert store.root.resolve() in path.resolve().parents


SPOILT = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "not text": lambda text: "\udcff",
    "NaN": lambda text: text.replace('"value":0.6666666666666666', '"value":NaN'),
    "another cell's id": lambda text: text.replace(record().id, "0" * 20),
    "unknown key": lambda text: text.replace('{"attack":', '{"extra":1,"attack":', 1),
    "a list": lambda text: "[]",
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_record_is_reported_by_path_not_trusted_and_not_deleted(store: Store, how: str) -> None:
    path = store.put(record())
    spoilt = SPOILT[how](path.read_text())
    path.write_text(spoilt, errors="surrogateescape")
    assert store.ids() == frozenset()
    assert [problem.path for problem in store.problems()] == [path]
    assert path.read_text(errors="surrogateescape") == spoilt


def test_a_spoilt_record_is_set_aside_when_its_cell_is_finished_again(store: Store) -> None:
    path = store.put(record())
    path.write_text("half a rec")
    store.put(record())
    assert store.get(record().id) == record()
    assert [problem.path.read_text() for problem in store.problems()] == ["half a rec"]


def test_a_second_file_of_one_cell_is_a_problem_and_the_first_counts(store: Store) -> None:
    path = store.put(record())
    copy = store.root / "copied.json"
    copy.write_text(path.read_text())
    assert len(store.records()) == 1
    assert [problem.path for problem in store.problems()] == [copy]


def test_a_record_with_nan_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.put(replace(record(), reference_lr=float("nan")))
    assert not list(store.root.rglob("*.json"))


def write_on_a_full_disk(root: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    try:
        Store(root).put(record())
    except UserError as error:
        sys.exit(0 if "could not be written: File too large" in str(error) else 1)
    sys.exit(2)


def test_a_full_disk_is_said_and_leaves_no_half_file(store: Store) -> None:
    child = multiprocessing.get_context("fork").Process(target=write_on_a_full_disk, args=(store.root,))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written: Not a directory"):
        Store(tmp_path / "file").put(record())


def test_a_finished_cell_forgets_its_failure_and_its_log(store: Store) -> None:
    failed = record()
    store.put_failure(Failure(failed.cell, "raised", str(store.log(failed.id))))
    store.logs.mkdir()
    store.log(failed.id).write_text("trace")
    assert [failure.reason for failure in store.failures()] == ["raised"]
    store.put(failed)
    assert (store.failures(), store.log(failed.id).exists()) == ((), False)


def test_failures_logs_and_scratch_are_no_records(store: Store) -> None:
    store.put_failure(Failure(cell("none"), "raised", "log"))
    (store.scratch / "range").mkdir(parents=True)
    (store.scratch / "range" / "x.json").write_text("{}")
    assert (store.records(), store.problems()) == ((), ())


def test_two_runs_on_one_folder_are_refused_with_the_owner_named(store: Store) -> None:
    with store.lock(), pytest.raises(UserError, match=f"in use by process {os.getpid()} on "), Store(store.root).lock():
        pass


def test_the_lock_ends_with_its_process(store: Store) -> None:
    code = "import os, sys; from harness.store import *; Store(Path(sys.argv[1])).lock().__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(store.root)], check=False)
    with store.lock():
        assert (store.root / ".lock").read_text().startswith(f"process {os.getpid()} ")


def test_what_a_killed_run_left_half_written_is_removed_by_the_next(store: Store) -> None:
    path = store.put(record())
    partial = path.with_name(f".{path.name}.123.partial")
    partial.write_text(dumps(record())[:50])
    with store.lock():
        assert not partial.exists()
    assert store.ids() == {record().id}


def test_weights_that_a_killed_run_left_half_written_are_removed_by_the_next(store: Store) -> None:
    partial = store.scratch / "unlearned" / ".abc.partial"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_text("half")
    with store.lock():
        assert not partial.exists()


def test_packed_records_are_read_as_records(store: Store, tmp_path: Path) -> None:
    kept = [record("relearn", seed=seed) for seed in (1, 0)] + [record("none")]
    for one in kept:
        store.put(one)
    (path,) = store.pack(tmp_path / "packed")
    other = Store(tmp_path / "packed")
    assert path == other.root / "bench" / "npo.records.gz"
    assert {one.id: one for one in other.records()} == {one.id: one for one in kept}
    assert (other.get(kept[0].id), other.problems()) == (kept[0], ())


def test_the_bytes_of_an_archive_depend_on_the_records_alone() -> None:
    some = [record("relearn", seed=seed) for seed in (1, 0)]
    assert packed(some) == packed(reversed(some))


def test_packing_that_failed_leaves_nothing_and_can_be_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(record())
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
        with pytest.raises(UserError, match="No space left"):
            store.pack(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [store.root.name]
    assert len(store.pack(tmp_path / "out")) == 1


def test_nothing_is_overwritten_by_packing(store: Store) -> None:
    store.put(record())
    (there := store.root.parent / "there").write_text("a file")
    with pytest.raises(UserError, match="is there already, and nothing is overwritten"):
        store.pack(there)
    with pytest.raises(UserError, match="where every record would stand twice"):
        store.pack(store.root / "packed")


def test_a_spoilt_line_of_an_archive_is_named_and_the_others_count(store: Store, tmp_path: Path) -> None:
    good = dumps(record()).encode()
    path = tmp_path / "x.records.gz"
    path.write_bytes(gzip.compress(good + b"\xff\n" + good.replace(b"1", b"2") + dumps(record("relearn")).encode()))
    spoilt = Store(tmp_path)
    assert spoilt.ids() == {record().id, record("relearn").id}
    assert [problem.reason.split(" is not")[0] for problem in spoilt.problems()] == ["line 2", "line 3"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no gzip", "cannot be unpacked"),
        (packed([record()])[:-20], "cannot be unpacked"),
        (gzip.compress(b"a" * 2_000), "more than 0 MiB"),
    ],
    ids=["other", "cut", "too large"],
)
def test_an_archive_that_cannot_be_unpacked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.setattr("harness.archive.LARGEST", 1_000 if reason.startswith("more") else 10**6)
    (tmp_path / "x.records.gz").write_bytes(content)
    (problem,) = Store(tmp_path).problems()
    assert reason in problem.reason
