"""Sentences of evaluations: said once, with what they concern."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sites import data, everything
from synthetic import controls, record, stop

from harness.record import Record
from leaderboard.derive import boards_of
from leaderboard.remarks import Remark, metric_gaps, remarks_of

EMPTY = "3 of 100 generations were empty."


def remarked(made: Record, *texts: str) -> Record:
    return replace(made, measurements=tuple(replace(m, remarks=texts) for m in made.measurements))


def remarks(*records: Record) -> tuple[Remark, ...]:
    (board,) = boards_of(records)
    return remarks_of(board)


def relearned(method: str = "alpha") -> Record:
    return record(method, [stop(0.1, budget=1), stop(0.2, budget=9)], attack="relearn", family="relearn")


def test_a_remark_of_every_record_is_said_once_without_names() -> None:
    everywhere = [remarked(made, EMPTY) for made in (*controls(), record(stops=[stop(0.1)]), relearned())]
    assert remarks(*everywhere) == (Remark(EMPTY, ""),)


def test_a_remark_of_all_records_of_a_row_names_the_row() -> None:
    mine = [remarked(record(stops=[stop(0.1)]), EMPTY), remarked(relearned(), EMPTY)]
    assert remarks(*controls(), *mine) == (Remark(EMPTY, "alpha"),)


def test_a_remark_under_one_attack_names_row_and_attack() -> None:
    records = [record(stops=[stop(0.1)]), remarked(relearned(), EMPTY)]
    assert remarks(*controls(), *records) == (Remark(EMPTY, "alpha under relearn"),)


def test_rows_with_the_same_attacks_are_named_together() -> None:
    both = [made for m in ("alpha", "beta") for made in (record(m, [stop(0.1)]), remarked(relearned(m), EMPTY))]
    assert remarks(*controls(), *both) == (Remark(EMPTY, "alpha, beta under relearn"),)


def test_a_remark_before_attack_says_so() -> None:
    records = [remarked(record(stops=[stop(0.1)]), EMPTY), relearned()]
    assert remarks(*controls(), *records) == (Remark(EMPTY, "alpha under no attack"),)


def test_one_stop_is_enough_for_a_remark_to_count() -> None:
    made = relearned()
    later = replace(made, measurements=(made.measurements[0], replace(made.measurements[1], remarks=(EMPTY,))))
    assert remarks(*controls(), later)[0].text == EMPTY


def test_remarks_stand_escaped_on_the_page_and_whole_in_the_data(tmp_path: Path) -> None:
    text = everything([*controls(), remarked(record(stops=[stop(0.1)]), "<b>odd</b>")], tmp_path)
    assert text.count("&lt;b&gt;odd&lt;/b&gt;") == 1
    assert data(tmp_path)["remarks"] == [{"text": "<b>odd</b>", "concerns": "alpha"}]


def test_a_board_without_remarks_has_no_such_section(tmp_path: Path) -> None:
    assert "<summary>Remarks" not in everything(controls(), tmp_path)


def test_a_reason_given_at_every_stop_is_one_gap() -> None:
    made = relearned()
    stops = tuple(replace(m, not_applicable={"knowmem": "too small"}) for m in made.measurements)
    (board,) = boards_of([*controls(), replace(made, measurements=stops)])
    assert metric_gaps(board) == (("knowmem", "too small"),)
