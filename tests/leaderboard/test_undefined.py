"""Boards on which something cannot be said: no range, no reference, no original, and scores that only explain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sites import board, data, everything
from synthetic import controls, record, stop

from harness.record import BenchmarkCard, Measurement, Record, Score
from leaderboard.board import Board
from leaderboard.derive import boards_of
from leaderboard.site.board_page import BoardPage, page_of
from leaderboard.table import tabulate

SMALL = BenchmarkCard("MUSE-News", "slice", "a small model", "A small model.")


def shown(*records: Record) -> BoardPage:
    (board,) = boards_of(records)
    return page_of(tabulate(board, draws=200))


def flat() -> list[Record]:
    """The original stands one hundredth above the floor, which is less than three standard errors."""
    made = [record("original", [stop(0.06)], role="original"), record("never", [stop(0.05)], role="reference")]
    made += [record(stops=[stop(0.05)]), record(stops=[stop(0.05, series="4-bit")], attack="round", family="edit")]
    return [replace(r, benchmark=SMALL) for r in made]


def flat_board() -> Board:
    (board,) = boards_of(flat())
    return board


def test_without_a_range_no_row_is_ranked_and_the_reason_is_the_gap() -> None:
    (row,) = [r for r in flat_board().rows if r.card.role == "method"]
    assert (row.section, row.gaps) == ("incomplete", ("a headline forget score with a usable range",))


def test_an_attack_that_was_run_is_not_called_missing_where_k_is_undefined() -> None:
    (row,) = [r for r in flat_board().rows if r.card.role == "method"]
    assert [outcome.state for outcome in row.outcomes] == ["not_defined"]


def test_an_attack_that_was_not_run_is_missing_there_too() -> None:
    records = [*flat(), replace(record("other", [stop(0.05)]), benchmark=SMALL)]
    (row,) = [r for r in boards_of(records)[0].rows if r.label.name == "other"]
    assert row.gaps[1:] == ("round",)


def test_the_page_says_which_score_has_no_range_and_by_how_much() -> None:
    assert "qa: no dynamic range: the original is +0.010 from the floor" in shown(*flat()).unranked


def test_a_board_without_k_claims_no_lower_bound_and_no_selection() -> None:
    page = shown(*flat())
    assert "Not ranked: K is not defined here" in [title for _, title, _ in page.sections]
    assert not any("selected" in note for note in page.notes)


def test_a_board_without_k_renders_and_exports_its_reasons(tmp_path: Path) -> None:
    text = everything(flat(), tmp_path)
    assert "n/d" in text
    assert data(tmp_path)["unusable_scores"]["qa"].startswith("no dynamic range")


def test_a_small_model_on_real_records_is_said_beside_the_title_and_in_every_file(tmp_path: Path) -> None:
    text = everything(flat(), tmp_path)
    assert '<bdi>MUSE-News</bdi> <span class="scale">small model</span></h1>' in text
    for path in (tmp_path / "data").glob("toy-*"):
        assert "slice-scale" in path.name
        assert "not results of the models this benchmark is published for" in path.read_text()


def test_a_full_board_carries_neither_stamp_nor_tag(tmp_path: Path) -> None:
    full = BenchmarkCard("MUSE-News", "full", "a 7B model", "")
    text = everything([replace(r, benchmark=full) for r in controls()], tmp_path)
    assert 'class="scale"' not in text
    assert 'class="banner"' not in board(tmp_path)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([record(stops=[stop(0.1)])], "The original model was not measured"),
        (controls(), "No unlearning method was run"),
        ([*controls(), record(stops=[stop(0.9)])], "No row passes both gates"),
    ],
)
def test_the_reason_why_nothing_is_ranked_is_said(records: list[Record], why: str) -> None:
    assert shown(*records).unranked.startswith(why)


def test_without_an_original_the_gap_is_the_original() -> None:
    (board,) = boards_of([record(stops=[stop(0.1)])])
    assert board.rows[0].gaps == ("the original model before attack",)


def test_without_a_reference_privleak_is_said_to_be_undefined() -> None:
    measured = with_score(stop(0.1), "auc", Score(0.6, 0.03, 200, "zero", "privacy", chance=0.5))
    page = shown(controls()[0], record(stops=[measured]))
    assert any(note.startswith("PrivLeak is not defined") for note in page.notes)
    assert page.leaks == ()


def test_dev_scores_that_are_unusable_are_not_said_to_be_absent() -> None:
    broken = stop(1.0, dev=(0.0, 1.0))
    page = shown(record("original", [broken], role="original"), record(stops=[stop(0.1)]))
    assert any("no usable dev scores on both axes" in note for note in page.notes)


def test_a_page_of_one_engine_names_it() -> None:
    assert "Scored by the engine engine float32 (version 1)." in shown(*controls()).notes


def with_score(measured: Measurement, name: str, score: Score) -> Measurement:
    return replace(measured, scores={**measured.scores, name: score})


def diagnosed() -> BoardPage:
    odd = Score(0.4, 0.02, 100, "zero", "diagnostic", headline=True)
    return shown(*controls(), record(stops=[with_score(stop(0.1), "a_letter", odd)]))


def test_a_diagnostic_says_no_direction_and_stands_last() -> None:
    assert [(c.name, c.words) for c in diagnosed().scores][-1] == ("a_letter", "diagnostic, n = 100")
    assert diagnosed().diagnostics


def test_a_diagnostic_marked_as_headline_moves_neither_k_nor_u() -> None:
    (mine,) = [line for line in diagnosed().table.lines if line.row.label.name == "alpha"]
    assert (mine.k_before.value, mine.utility.value) == (0.1, 1.0)
    assert diagnosed().leaks == ()


def test_a_board_without_diagnostics_does_not_explain_them(tmp_path: Path) -> None:
    assert "Diagnostics explain" not in everything(controls(), tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_relearning_curves_speak_of_the_never_learned_model_only_where_it_was_attacked(
    known: bool, tmp_path: Path
) -> None:
    curve = [stop(0.1, budget=0), stop(0.2, budget=100), stop(0.6, budget=1_000)]
    under = controls({"relearn": ("relearn", curve)}) if known else controls()[:1]
    attacked = record(stops=curve, attack="relearn", family="relearn")
    text = everything([*under, record(stops=[stop(0.1)]), attacked], tmp_path)
    assert ("what lies above was hidden rather than re-taught" in text) is known
