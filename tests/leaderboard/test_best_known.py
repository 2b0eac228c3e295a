"""Attacks outside the panel: they make no row incomplete, move no rank, and are shown with what they broke."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import board, data, pages, site
from synthetic import controls, record, stop

from harness.record import Record
from leaderboard.submissions.handed_in import handed_in
from leaderboard.submissions.pack import pack

SLY = {"attack": "sly", "family": "prompt"}


def handed(records: list[Record], folder: Path) -> list[Record]:
    pack(records, folder)
    (folder / "entry.toml").write_text('method = "Sly"\nauthors = ["A. Sly"]\n')
    return records


@pytest.fixture
def own() -> list[Record]:
    """Two rows under the maintainers' attack."""
    made = controls()
    for name, k in (("firm", 0.3), ("soft", 0.6)):
        made += [record(name, [stop(0.1)]), record(name, [stop(k)], attack="relearn", family="relearn")]
    return made


@pytest.fixture
def stronger(tmp_path: Path) -> list[Record]:
    """Somebody attacked the leader more strongly, and packed it."""
    made = [record("firm", [stop(0.9)], **SLY), record("never", [stop(0.0)], role="reference", **SLY)]
    return handed(made, tmp_path / "sly")


@pytest.fixture
def out(own: list[Record], stronger: list[Record], tmp_path: Path) -> Path:
    """The site with what he found."""
    return site(own, tmp_path / "site", submissions=(handed_in(tmp_path / "sly"),))


def test_it_moves_no_rank_and_makes_no_row_incomplete(out: Path) -> None:
    rows = {row["method"]: (row["section"], row["rank_low"], row["k_star"]) for row in data(out)["rows"]}
    assert rows["firm"] == ("ranked", 1, pytest.approx(0.3))
    assert rows["soft"] == ("ranked", 2, pytest.approx(0.6))


def test_what_it_left_stands_beside_the_panel_s_worst_case(out: Path) -> None:
    assert "best known 90.0" in board(out)


def test_the_broken_claim_is_listed_with_credit(out: Path) -> None:
    changes = pages(out)["changes.html"]
    assert "30.0 → 90.0" in changes
    assert "found by <bdi>A. Sly</bdi>" in changes


def test_the_attacked_row_keeps_its_own_evidence(own: list[Record], stronger: list[Record], tmp_path: Path) -> None:
    ((tmp_path / "sly" / "items") / "stray.txt").write_text("not listed")
    spoilt = handed_in(tmp_path / "sly")
    assert spoilt.problems
    found = site(own, tmp_path / "site", submissions=(spoilt,))
    page = next(text for name, text in pages(found).items() if name.startswith("e/firm"))
    assert "first-party" in page
    assert "Handed in by" not in page
    assert "whose files do not check" in page


def test_without_records_of_the_maintainers_what_was_handed_in_is_the_panel(own: list[Record], tmp_path: Path) -> None:
    pack(own, tmp_path / "all")
    found = site([], tmp_path / "site", submissions=(handed_in(tmp_path / "all"),))
    assert [row["k_star"] for row in data(found)["rows"] if row["method"] == "soft"] == [pytest.approx(0.6)]


def test_without_the_control_nothing_is_known_to_have_been_left(own: list[Record], tmp_path: Path) -> None:
    handed([record("firm", [stop(0.9)], **SLY)], tmp_path / "sly")
    found = site(own, tmp_path / "site", submissions=(handed_in(tmp_path / "sly"),))
    assert "best known" not in board(found)
    assert "a/sly.html" in pages(found)
