"""A cell that broke is missing like one that was not run, and is said to have broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sites import board, pages, site
from synthetic import controls, record, stop

from harness.failure import Failure
from harness.record import Record
from leaderboard.board import Row
from leaderboard.derive import boards_of

ROUND = {"attack": "round", "family": "edit"}
REASON = "RuntimeError: out of <memory>"


def records() -> list[Record]:
    made = [*controls(), record("whole", [stop(0.1)]), record("whole", [stop(0.2)], **ROUND)]
    return [*made, record("broke", [stop(0.1)])]


def failure(method: str = "broke", seed: int = 0) -> Failure:
    return Failure(record(method, seed=seed, **ROUND).cell, REASON, "logs/x.log")


def broke(made: list[Record], failures: list[Failure]) -> Row:
    (found,) = boards_of(made, failures=failures)
    return next(row for row in found.rows if row.label.name == "broke")


def test_it_is_a_gap_that_says_so() -> None:
    found = broke(records(), [failure()])
    assert (found.section, found.gaps) == ("incomplete", ("round (failed)",))
    assert (found.outcomes[0].state, found.outcomes[0].why_failed) == ("failed", REASON)


def test_a_seed_that_broke_beside_one_that_did_not_is_a_lower_bound() -> None:
    made = [*records(), record("broke", [stop(0.3)], **ROUND), record("broke", [stop(0.1)], seed=1)]
    found = broke(made, [failure(seed=1)])
    assert (found.outcomes[0].state, found.gaps) == ("measured", ("round (failed) (seed 1)",))


def test_a_record_of_the_same_cell_speaks_for_it() -> None:
    made = [*records(), record("broke", [stop(0.3)], **ROUND)]
    assert broke(made, [failure()]).gaps == ()


def test_a_failure_on_another_board_is_none_here() -> None:
    cell = failure().cell
    elsewhere = replace(cell, benchmark=replace(cell.benchmark, name="other"))
    assert broke(records(), [replace(failure(), cell=elsewhere)]).outcomes[0].state == "not_run"


@pytest.mark.parametrize("address", ["e/broke", "a/round", "changes", "b/toy/a-toy-model"])
def test_the_reason_stands_on_every_page_that_shows_the_gap(address: str, tmp_path: Path) -> None:
    found = pages(site(records(), tmp_path, failures=(failure(),)))
    text = "".join(page for name, page in found.items() if name.startswith(address))
    assert "out of &lt;memory&gt;" in text


def test_the_board_calls_it_failed_and_explains_the_word(tmp_path: Path) -> None:
    text = board(site(records(), tmp_path, failures=(failure(),)))
    assert '<span class="word">fail</span></td>' in text
    assert "ran and broke" in text


def test_a_lower_bound_is_not_said_to_be_better_than_the_leader(tmp_path: Path) -> None:
    found = pages(site(records(), tmp_path))
    (text,) = (page for name, page in found.items() if name.startswith("e/broke"))
    assert "<td>attacks are missing</td>" in text


def test_a_method_that_broke_before_any_record_is_listed(tmp_path: Path) -> None:
    text = pages(site(records(), tmp_path, failures=(failure("never_made"),)))["changes.html"]
    assert "<bdi>never_made</bdi> under <bdi>round</bdi>" in text
