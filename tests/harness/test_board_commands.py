"""From records to a board and back: pack, check, preview, reproduce, serve."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
import tiny
from test_cli_run import GRID, POINTS, Said, harness

from harness.again import plan_again, sampled
from harness.board_commands import collected
from harness.cell import Cell
from harness.components import benchmark_spec, build, spec_of
from harness.errors import UserError
from harness.local_site import EVERY_S, changes, served
from harness.record import dumps, loads
from harness.store import Store

GOLDEN = Path(__file__).parent / "golden" / "record.json"
SHIFT = ("run", "--methods", "shift", *GRID)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of one method under one attack, and its entry packed."""
    place = tmp_path_factory.mktemp("board")
    tiny.save_models(place / "models")
    tiny.write_distribution(place / "site-packages", "tiny-plugins", POINTS)
    assert harness(place, *SHIFT).code == 0
    assert harness(place, "submit", "pack", "--entry", "shift", "--results", "results/local", "--out", "mine").code == 0
    (place / "mine" / "entry.toml").write_text('method = "Shift"\nauthors = ["Me"]\n')
    return place


def entry_of(folder: Path) -> str:
    return next(path.stem for path in (folder / "site" / "e").glob("shift-*.html"))


def reproduced(folder: Path, out: str, *more: str) -> Said:
    return harness(
        folder, "leaderboard", "reproduce", entry_of(folder), "--out", out, "--model", "models", "--workers", "1", *more
    )


def test_what_was_packed_checks(folder: Path) -> None:
    said = harness(folder, "leaderboard", "check", "mine")
    assert (said.code, said.out.splitlines()[-1]) == (0, "2 records, 0 problems.")


def test_a_folder_of_submissions_is_checked_whole_and_every_line_names_its_file(folder: Path) -> None:
    for name in ("one", "two"):
        harness(folder, "submit", "pack", "--entry", "shift", "--out", f"many/{name}")
        (folder / "many" / name / "entry.toml").write_text("method = 1\n")
    said = harness(folder, "leaderboard", "check", "many")
    assert said.code == 1
    named = [line.split(":")[0] for line in said.out.splitlines()[:-1]]
    assert named == ["many/one/entry.toml", "many/two/entry.toml", "many/two/records", "many/two/records"]


def test_a_name_of_the_board_is_noted_and_counted_nowhere(folder: Path, board: Path) -> None:
    for one in Store(folder / "results" / "local").records():
        if one.method.role == "method":
            cell = replace(one.cell, method=replace(one.cell.method, version=2))
            Store(board).put(replace(one, id=cell.id, cell=cell))
    said = harness(folder, "leaderboard", "check", "mine", "--results", str(board))
    assert "another specification" not in said.out
    assert "Note: records: tiny: 'shift' is the board's, with another specification" in said.err


def test_a_row_that_the_board_has_is_told(folder: Path) -> None:
    said = harness(folder, "leaderboard", "check", "mine", "--results", "results/local")
    assert (said.code, said.out.count("is on the board already")) == (1, 2)


def test_a_folder_that_is_no_entry_is_checked_as_one_on_demand(folder: Path) -> None:
    said = harness(folder, "leaderboard", "check", "results/local", "--entry")
    assert said.code == 1
    assert "entry.toml: is missing" in said.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("leaderboard", "check", "mine", "--results", "reslts"), "There is no results folder reslts."),
        (("leaderboard", "check", "mine/entry.toml"), "mine/entry.toml is a file. Give the folder that"),
        (("submit", "pack", "--entry", "none", "--out", "x"), "'none' is a control, and those of a board are its"),
        (
            ("submit", "pack", "--entry", "shift", "--attack", "nope", "--out", "x"),
            "no finished cell of shift under nope.",
        ),
        (("submit", "pack", "--attack", "nope", "--out", "x"), "holds no finished cell of nope."),
        (("submit", "pack", "--entry", "shift", "--results", "nope", "--out", "x"), "There is no results folder nope."),
        (("leaderboard", "build", "--results", "mine", "--repository", "http://x.org/a/b"), "is no https address"),
        (
            ("leaderboard", "build", "--results", "mine", "--repository", "https://x.org/a"),
            "no address of a repository",
        ),
        (("leaderboard", "build", "--results", "mine", "--repository", "https://x.org/a/b?c"), "OWNER/NAME"),
        (("leaderboard", "build", "--results", "mine", "--repository", "https://x.org/a/b#c"), "OWNER/NAME"),
        (("leaderboard", "reproduce", "x", "--sample", "0"), "A sample of 0 measures nothing."),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(command: tuple[str, ...], said: str, folder: Path) -> None:
    found = harness(folder, *command)
    assert found.code == 2
    assert said in found.err


def test_the_repository_s_address_may_end_in_a_slash(folder: Path) -> None:
    said = harness(folder, "leaderboard", "build", "--repository", "https://x.org/a/b/", "--out", "led")
    assert said.code == 0
    assert 'href="https://x.org/a/b/issues/new' in (folder / "led" / "index.html").read_text()


def test_a_folder_of_records_is_checked_too(folder: Path) -> None:
    said = harness(folder, "leaderboard", "check", "results/local")
    assert said.out.splitlines()[-1].endswith("records, 0 problems.")


def test_an_entry_that_nobody_has_is_refused(folder: Path) -> None:
    said = harness(folder, "submit", "pack", "--entry", "nobody", "--out", "none")
    assert said.code == 2
    assert "There is no method and no entry 'nobody' among these records." in said.err
    assert not (folder / "none").exists()


def test_a_preview_stands_beside_the_board_and_is_marked(folder: Path) -> None:
    said = harness(folder, "leaderboard", "build", "--results", "results/local", "--preview", "mine", "--out", "seen")
    assert said.code == 0
    assert "local preview" in (folder / "seen" / "index.html").read_text()


def test_an_entry_measured_again_agrees_and_its_page_says_reproduced(folder: Path) -> None:
    said = reproduced(folder, "again")
    assert (said.code, said.out.splitlines()[-1]) == (0, "2 of 2 cells measured again: 2 agree, 0 differ.")
    harness(folder, "leaderboard", "build", "--reproduced", "again", "--out", "shown")
    assert "reproduced: " in (folder / "shown" / "e" / f"{entry_of(folder)}.html").read_text()


def test_a_sample_is_the_same_for_everybody(folder: Path) -> None:
    assert "1 of 2 cells measured again" in reproduced(folder, "half", "--sample", "0.5").out
    records = Store(folder / "results" / "local").records()
    mine = [record for record in records if record.cell.method.name == "shift"]
    first, second = (sampled(given, 0.5) for given in (mine, mine[::-1]))
    assert [cell.id for cell in first] == [cell.id for cell in second]
    assert {record.id for record in Store(folder / "half").records()} == {cell.id for cell in first}


def test_numbers_that_cannot_be_measured_again_are_told(folder: Path) -> None:
    (path,) = (folder / "results" / "local" / "tiny" / "shift").glob("nudge.*.json")
    honest = path.read_text()
    record = loads(honest)
    text = dumps(record)
    for measurement in record.measurements:
        for score in measurement.scores.values():
            if score.headline and score.split == "test":
                text = text.replace(f'"value":{score.value!r}', f'"value":{1 - score.value!r}')
    try:
        path.write_text(text)
        said = reproduced(folder, "doubted")
    finally:
        path.write_text(honest)
    assert said.code == 1
    assert "when measured again" in said.out
    assert "1 differ" in said.out.splitlines()[-1]


def test_another_benchmark_content_cannot_reproduce() -> None:
    benchmark = build("benchmark", "pocket-wmdp")
    spec = benchmark_spec("pocket-wmdp", benchmark)
    parts = {kind: spec_of("none", build(kind, "none")) for kind in ("method", "attack")}
    engine = spec_of("transformers", build("engine", "transformers"))
    cell = Cell(benchmark=replace(spec, content={**spec.content, "items": "other"}), engine=engine, seed=0, **parts)
    with pytest.raises(UserError, match=r"has other content here than where the record was made \(items\)"):
        plan_again([replace(loads(GOLDEN.read_text()), cell=cell)])


@pytest.fixture
def board(folder: Path, tmp_path: Path) -> Path:
    """A results folder with the maintainers' controls alone."""
    for method in ("none", "reference"):
        shutil.copytree(folder / "results" / "local" / "tiny" / method, tmp_path / "results" / "tiny" / method)
    return tmp_path / "results"


def test_what_lies_among_the_submissions_is_never_the_maintainers(folder: Path, board: Path) -> None:
    loose = board / "submissions" / "loose"
    shutil.copytree(folder / "results" / "local" / "tiny" / "shift", loose)
    shutil.copytree(folder / "mine", board / "submissions" / "mine")
    (board / "submissions" / "mine" / "changes.toml").write_text('[[change]]\nkind = "release"\n')
    shutil.copy(next(loose.glob("*.json")), board / "submissions" / "stray.json")
    found = collected([board])
    assert {record.cell.method.name for record in found.records} == {"none", "reference"}
    assert {one.folder: len(one.records) for one in found.submissions} == {"loose": 0, "mine": 2}
    assert found.changes == ()
    assert collected([board / "submissions"]).records == ()


def test_an_entry_that_is_renewed_is_not_held_against_itself(folder: Path, board: Path) -> None:
    own = board / "submissions" / "mine"
    shutil.copytree(folder / "mine", own)
    assert "already" not in harness(folder, "leaderboard", "check", "mine", "--results", str(board)).out
    assert [one.preview for one in collected([board], preview=[folder / "mine"]).submissions] == [True]
    own.rename(own.with_name("other"))
    said = harness(folder, "leaderboard", "check", "mine", "--results", str(board))
    assert said.out.count("is on the board already") == 2


def test_what_was_measured_again_is_no_row_wherever_it_lies(folder: Path, board: Path) -> None:
    shutil.copytree(folder / "results" / "local" / "tiny", board / "reproduced" / "tiny")
    found = collected([board])
    assert {record.cell.method.name for record in found.records} == {"none", "reference"}
    assert "shift" in {record.cell.method.name for record in found.rerun}


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = harness(folder, "leaderboard", "serve", "--port", str(taken.getsockname()[1]))
    assert said.code == 2
    assert "cannot be listened on: Address already in use. Choose another with --port." in said.err


def test_a_site_is_served_and_a_mistake_does_not_end_it(tmp_path: Path) -> None:
    """The page stays as it was until the mistake is mended."""
    told: list[str] = []
    ready = threading.Event()

    def render() -> None:
        (tmp_path / "index.html").write_text("<head></head>page")
        told.append("mistake" if len(told) == 1 else "rendered")
        if told[-1] == "mistake":
            raise UserError("mend it")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threading.Thread(target=served, args=(tmp_path, port, [tmp_path], render, ready.set), daemon=True).start()
    assert ready.wait(10)
    home = f"http://127.0.0.1:{port}"
    assert urlopen(f"{home}/").read() == b'<head><script src="/live.js" defer></script></head>page'
    assert b'"/newer.js?0"' in urlopen(f"{home}/live.js").read()
    for number in (2, 3):
        (tmp_path / f"{number}.json").write_text("{}")
        end = time.monotonic() + 30
        while len(told) < number and time.monotonic() < end:
            time.sleep(EVERY_S / 4)
    assert told == ["rendered", "mistake", "rendered"]
    assert urlopen(f"{home}/newer.js?0").read() == b"location.reload();"


def test_a_change_of_a_record_is_seen_and_one_of_nothing_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    doings = iter([lambda: None, lambda: path.write_text("{}"), lambda: None, path.unlink])
    seen: list[bool] = []

    class Ticks(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            done = next(doings, None)
            if done is not None:
                seen.append(False)
                done()
            return done is None

    for _ in changes([tmp_path], Ticks()):
        seen[-1] = True
    assert seen == [False, True, False, True]
