"""Attacks outside the panel: they make no row incomplete, move no rank, and are shown with what they broke."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import board, data, pages, site
from synthetic import controls, record, stop

from harness.record import Record
from leaderboard.submissions.handed_in import handed_in
from leaderboard.submissions.pack import pack


@pytest.fixture
def own() -> list[Record]:
    """Two rows under the maintainers' attack."""
    made = controls()
    for name, k in (("firm", 0.3), ("soft", 0.6)):
        made += [record(name, [stop(0.1)]), record(name, [stop(k)], attack="relearn", family="relearn")]
    return made


@pytest.fixture
def out(own: list[Record], tmp_path: Path) -> Path:
    """The site after somebody attacked the leader more strongly."""
    stronger = [record("firm", [stop(0.9)], attack="sly", family="prompt")]
    pack(stronger, tmp_path / "sly")
    return site([*own, *stronger], tmp_path / "site", submissions=(handed_in(tmp_path / "sly"),))


def test_it_moves_no_rank_and_makes_no_row_incomplete(out: Path) -> None:
    rows = {row["method"]: (row["section"], row["rank_low"], row["k_star"]) for row in data(out)["rows"]}
    assert rows["firm"] == ("ranked", 1, pytest.approx(0.3))
    assert rows["soft"] == ("ranked", 2, pytest.approx(0.6))


def test_what_it_left_stands_beside_the_panel_s_worst_case(out: Path) -> None:
    assert "best known 90.0" in board(out)


def test_the_broken_claim_is_listed(out: Path) -> None:
    assert "30.0 → 90.0" in pages(out)["changes.html"]


def test_without_records_of_the_maintainers_what_was_handed_in_is_the_panel(own: list[Record], tmp_path: Path) -> None:
    pack(own, tmp_path / "all")
    found = site(own, tmp_path / "site", submissions=(handed_in(tmp_path / "all"),))
    assert [row["k_star"] for row in data(found)["rows"] if row["method"] == "soft"] == [pytest.approx(0.6)]
