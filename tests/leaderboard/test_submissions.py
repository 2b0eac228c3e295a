"""Packing, checking and showing what somebody hands in."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sites import board, pages, site
from synthetic import controls, record, stop

from harness.record import Record
from leaderboard.collection import Collection
from leaderboard.evidence import Witnesses, differences
from leaderboard.submissions.about import About, read_about
from leaderboard.submissions.check import check, sorted_problems
from leaderboard.submissions.handed_in import handed_in
from leaderboard.submissions.pack import EXAMPLE, pack

RELEARN = {"attack": "relearn", "family": "relearn"}
MINE = 'method = "Mine"\nauthors = ["Me"]\n'
OWN = controls({"relearn": ("relearn", [stop(0.0)])})


def mine(name: str = "mine", k: float = 0.6) -> list[Record]:
    return [record(name, [stop(0.1)]), record(name, [stop(0.1), stop(k, budget=9)], **RELEARN)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pack(mine(), tmp_path / "entry")
    (tmp_path / "entry" / "entry.toml").write_text(MINE)
    return tmp_path / "entry"


def problems(folder: Path, known: list[Record] | None = None) -> list[str]:
    return sorted_problems(check(folder, known or []).problems)


def test_what_was_packed_checks_and_reads_back(folder: Path) -> None:
    assert problems(folder) == []
    assert {r.id for r in check(folder).records} == {r.id for r in mine()}


def test_packing_twice_gives_the_same_bytes_and_keeps_what_was_filled_in(folder: Path) -> None:
    (folder / "entry.toml").write_text('method = "Mine"\n')
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    pack(mine(), folder)
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_the_example_is_to_be_filled_in(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    (tmp_path / "entry.toml").write_text(text)
    left = read_about(tmp_path)
    assert isinstance(left, list)
    assert {problem.where for problem in left} == {"method", "authors"}
    (tmp_path / "entry.toml").write_text(text.replace("My method", "Mine").replace('"A. Author", "B. Author"', '"Me"'))
    assert isinstance(read_about(tmp_path), About)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('licence = "free for all"', "licence: 'free for all' is no SPDX identifier"),
        ('colour = "red"', "colour: is no field of an entry"),
        ('note = "\\u202Egnorw"', "note: holds U+202E"),
        ('authors = "me"', 'authors: is no list, such as ["A. Author"]'),
        ('links = { code = "javascript:alert(1)" }', "links.code: 'javascript:alert(1)' is no https address"),
        ('links = { code = "http://example.org" }', "links.code: 'http://example.org' is no https address"),
        ('links = { code = "https://user@example.org" }', "links.code:"),
        ('links = { code = "//evil.org" }', "links.code:"),
        ('note = "' + "x" * 301 + '"', "note: String should have at most 300 characters"),
    ],
)
def test_every_field_of_the_file_is_held_to_its_form(line: str, said: str, folder: Path) -> None:
    (folder / "entry.toml").write_text(f'method = "Mine"\n{line}\n')
    assert any(said in found for found in problems(folder))


def test_all_problems_of_a_file_are_told_at_once(folder: Path) -> None:
    (folder / "entry.toml").write_text('method = ""\nlicence = "?"\nx = 1\n')
    assert len(problems(folder)) == 3


def remake(folder: Path, change: Callable[[Record], Record]) -> None:
    """The folder as if its maker had packed other records; ids stay what the cells say."""
    pack([change(r) for r in mine()], folder)


def skewed(made: Record) -> Record:
    """The totals of the first stop moved away from their items."""
    first = made.measurements[0]
    scores = {name: replace(score, value=min(1.0, score.value + 0.1)) for name, score in first.scores.items()}
    return replace(made, measurements=(replace(first, scores=scores), *made.measurements[1:]))


def test_a_total_that_is_not_the_mean_of_its_items_is_found(folder: Path) -> None:
    remake(folder, skewed)
    assert any("qa: is 0.200000, and the mean of its items is 0.100000" in found for found in problems(folder))


def test_a_headline_score_out_of_range_is_found(folder: Path) -> None:
    def wild(made: Record) -> Record:
        first = made.measurements[0]
        scores = {n: replace(s, value=1.5, items=(), n=3) for n, s in first.scores.items()}
        return replace(made, measurements=(replace(first, scores=scores), *made.measurements[1:]))

    remake(folder, wild)
    assert any("value out of range: a headline score lies between 0 and 1" in found for found in problems(folder))


def test_a_changed_file_a_missing_one_and_a_foreign_one_are_named(folder: Path) -> None:
    next(folder.rglob("*.records.gz")).write_bytes(gzip.compress(b"{}\n"))
    next(folder.rglob("*.csv.gz")).unlink()
    (folder / "run.sh").write_text("rm -rf /")
    found = " ".join(problems(folder))
    for said in (
        "its SHA-256 differs",
        "line 1 is not a record",
        "is noted here and is not",
        "run.sh: does not belong",
    ):
        assert said in found


def test_a_link_out_of_the_folder_is_refused_and_not_followed(folder: Path) -> None:
    (folder / "records" / "toy" / "x.records.gz").symlink_to("/etc/passwd")
    found = check(folder)
    assert found.records == ()
    assert [str(problem) for problem in found.problems] == [
        "records/toy/x.records.gz: is a link; nothing in a submission may lead out of it"
    ]


def test_an_entry_that_lacks_what_the_board_ran_says_what(folder: Path) -> None:
    other = [*mine("other"), record("other", [stop(0.2)], attack="round", family="edit")]
    assert problems(folder, [*OWN, *other]) == ["records: toy, mine: missing: round"]


def test_a_cell_that_the_board_has_with_other_numbers_is_a_conflict(folder: Path) -> None:
    known = [*OWN, *mine(k=0.3)]
    assert any("is on the board already, with other numbers" in found for found in problems(folder, known))


def entry_page(out: Path, name: str = "mine") -> str:
    (path,) = (out / "e").glob(f"{name}-*.html")
    return path.read_text()


def test_a_submitted_row_says_by_whom_and_that_its_files_were_checked(folder: Path, tmp_path: Path) -> None:
    (folder / "entry.toml").write_text(
        'method = "Mine"\nauthors = ["<b>Me</b>"]\nlinks = { code = "https://a.org/x" }\n'
    )
    out = site(OWN, tmp_path / "site", submissions=(handed_in(folder),))
    text = entry_page(out)
    assert "files checked" in text
    assert "&lt;b&gt;Me&lt;/b&gt;" in text
    assert 'href="https://a.org/x" rel="noopener nofollow ugc"' in text


def test_a_submission_that_does_not_check_is_only_self_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "entry.toml").write_text('method = "Mine"\nlinks = { code = "javascript:alert(1)" }\n')
    out = site(OWN, tmp_path / "site", submissions=(handed_in(folder),))
    assert "self-reported" in board(out)
    assert 'href="javascript' not in "".join(pages(out).values())


@pytest.mark.parametrize(
    ("again", "status"),
    [
        (mine(), "reproduced"),
        (mine()[:1], "re-scored"),
        ([*mine()[:1], *mine(k=0.9)[1:]], "files checked"),
        ([], "files checked"),
    ],
)
def test_the_status_is_read_off_what_was_measured_again(
    again: list[Record], status: str, folder: Path, tmp_path: Path
) -> None:
    out = site(OWN, tmp_path / "site", submissions=(handed_in(folder),), rerun=tuple(again))
    assert f"{status}: " in entry_page(out)


def test_a_difference_within_noise_is_none() -> None:
    first, second = mine(k=0.60)[1], mine(k=0.61)[1]
    assert list(differences(first, second)) == []


def test_the_maintainers_own_rows_are_first_party() -> None:
    made = mine()
    assert Witnesses(Collection(tuple(made))).evidence(made).status == "first-party"


def test_a_preview_is_marked_wherever_it_stands(folder: Path, tmp_path: Path) -> None:
    out = site(OWN, tmp_path / "site", submissions=(handed_in(folder, preview=True),))
    assert "local preview" in board(out)
    assert "Local preview." in entry_page(out)
    assert all("Local preview: this copy of the site shows entry" in text for text in pages(out).values())
