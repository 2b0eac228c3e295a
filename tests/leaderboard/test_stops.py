"""What stands beside the selected stop: other allowances, the dev-test gap, both controls, and savings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import controls, record, stop

from harness.record import Family, Point, Record
from leaderboard.board import Outcome
from leaderboard.derive import boards_of
from leaderboard.savings import savings_of
from leaderboard.table import tabulate

ATTACK = {"attack": "relearn", "family": "relearn"}


def outcome(*records: Record) -> Outcome:
    (board,) = boards_of([*controls(), record("m", [stop(0.1)]), *records])
    (row,) = (row for row in board.rows if row.label.name == "m")
    (found,) = row.outcomes
    return found


def test_a_larger_allowance_for_lost_utility_never_leaves_less() -> None:
    found = outcome(record("m", [stop(0.2, 1.0), stop(0.4, 0.91), stop(0.6, 0.85), stop(0.9, 0.5)], **ATTACK))
    assert [found.mean_of("strict"), found.k, found.mean_of("loose"), found.unbounded] == pytest.approx(
        [0.2, 0.4, 0.6, 0.9]
    )


def test_every_allowance_chooses_on_dev_items_alone() -> None:
    stops = [stop(0.2, dev=(0.9, 1.0)), stop(0.8, dev=(0.1, 1.0))]
    found = outcome(record("m", stops, **ATTACK))
    assert [found.mean_of("strict"), found.k, found.mean_of("loose"), found.unbounded] == pytest.approx([0.2] * 4)


def test_an_attack_that_scores_the_untouched_model_otherwise_is_named() -> None:
    untouched = stop(0.1)
    again = replace(stop(0.15), fingerprint=untouched.fingerprint)
    made = [*controls(), record("m", [untouched]), record("m", [again, stop(0.7)], **ATTACK)]
    (row,) = (row for row in boards_of(made)[0].rows if row.label.name == "m")
    assert row.remarks == ("relearn scores the untouched model 5.0 points apart",)


def test_a_training_attack_that_changed_the_weights_before_its_first_update_is_named() -> None:
    again = stop(0.15)
    assert again.fingerprint != stop(0.1).fingerprint
    made = [*controls(), record("m", [stop(0.1)]), record("m", [again, stop(0.7)], **ATTACK)]
    (row,) = (row for row in boards_of(made)[0].rows if row.label.name == "m")
    assert row.remarks == ("relearn scores the untouched model 5.0 points apart",)


def test_the_start_of_a_later_series_is_looked_at_too_and_a_mended_model_is_no_start() -> None:
    few = stop(0.3, series="N=20", budget=5)
    later = [stop(0.15, series="all"), stop(0.7, series="all", budget=9)]
    for course, said in ((later, True), ([stop(0.9, series="repaired")], False)):
        made = [*controls(), record("m", [stop(0.1)]), record("m", [few, *course], **ATTACK)]
        (row,) = (row for row in boards_of(made)[0].rows if row.label.name == "m")
        assert bool(row.remarks) is said


@pytest.mark.parametrize("starts", [True, False])
def test_an_attack_is_judged_alike_whether_or_not_it_scored_the_untouched_model(starts: bool) -> None:
    dear = stop(0.7, 0.8, budget=9)  # J = .7 - 10 (.2 - .1) = -.3, less than that of the model as it is
    found = outcome(record("m", [*([stop(0.1)] if starts else []), dear], **ATTACK))
    assert (found.k, found.unbounded) == pytest.approx((0.1, 0.7))
    assert [one.series for one in found.stops.values()] == ["left as it was"]


@pytest.mark.parametrize(("family", "left"), [("prompt", 0.7), ("embedding", 0.7), ("activation", 0.1)])
def test_what_is_put_before_a_question_costs_the_others_nothing(family: Family, left: float) -> None:
    found = outcome(record("m", [stop(0.7, 0.5, budget=9)], attack="asked", family=family))
    assert found.k == pytest.approx(left)


def test_a_model_left_as_it_was_stands_beside_the_controls_as_they_were() -> None:
    dear, taught = stop(0.7, 0.5, budget=9), stop(0.6, 0.5, budget=9)
    found = outcome(record("m", [dear], **ATTACK), record("never", [taught], role="reference", **ATTACK))
    assert found.excess == pytest.approx(0.0)
    assert found.unbounded == pytest.approx(0.7)


def test_the_same_attack_on_the_original_is_the_unit_of_k_prime() -> None:
    found = outcome(record("m", [stop(0.3)], **ATTACK), record("original", [stop(0.6)], role="original", **ATTACK))
    assert found.mean_of("normalised") == pytest.approx(0.5)


def test_an_attack_that_leaves_nothing_of_the_original_is_no_unit() -> None:
    found = outcome(record("m", [stop(0.3)], **ATTACK), record("original", [stop(0.01)], role="original", **ATTACK))
    assert found.mean_of("normalised") is None


def test_a_search_is_compared_with_the_control_where_that_knew_most() -> None:
    mine = record("m", [stop(0.7, series="3: full")], **ATTACK)
    control = [stop(0.1, series="4: full"), stop(0.2, series="9: LoRA")]
    found = outcome(mine, record("never", control, role="reference", **ATTACK))
    assert found.excess == pytest.approx(0.7 - 0.1 - 0.2)


def taught(series: str, known: list[tuple[int, float]]) -> list[object]:
    points = [Point(budget, series, readings={"known": share}) for budget, share in known]
    return [replace(stop(0.1), point=point) for point in points]


def test_savings_are_the_share_of_tokens_that_traces_spare() -> None:
    ours = taught("unlearned", [(0, 0.0), (100, 0.25), (200, 0.5)])
    fresh = taught("fresh", [(0, 0.0), (100, 0.0), (800, 0.5)])
    found = savings_of([*ours, *fresh])  # type: ignore[list-item]
    assert found is not None
    assert (found.share, found.bound) == (pytest.approx(0.75), "exact")


def test_fresh_facts_that_stay_unknown_bound_the_savings_from_below() -> None:
    ours = taught("unlearned", [(0, 0.0), (200, 0.5)])
    found = savings_of([*ours, *taught("fresh", [(0, 0.0), (800, 0.3)])])  # type: ignore[list-item]
    assert found is not None
    assert (found.share, found.bound) == (pytest.approx(0.75), "at_least")


@pytest.mark.parametrize(
    ("ours", "fresh", "bound"),
    [
        ([(0, 0.0), (100, 0.5)], [(0, 0.0), (200, 0.0), (400, 0.5)], "at_least"),
        ([(0, 0.0), (200, 0.0), (400, 0.5)], [(0, 0.0), (100, 0.5)], "at_most"),
        ([(0, 0.0), (900, 0.1)], [(0, 0.0), (50, 0.0), (400, 0.5)], "at_most"),
    ],
)
def test_a_crossing_before_the_first_stop_or_behind_the_last_bounds_the_savings(
    ours: list[tuple[int, float]], fresh: list[tuple[int, float]], bound: str
) -> None:
    found = savings_of([*taught("unlearned", ours), *taught("fresh", fresh)])  # type: ignore[list-item]
    assert found is not None
    assert found.bound == bound


def test_two_bounds_that_pull_apart_say_nothing() -> None:
    ours, fresh = taught("unlearned", [(0, 0.0), (100, 0.5)]), taught("fresh", [(0, 0.0), (100, 0.5)])
    assert savings_of([*ours, *fresh]) is None  # type: ignore[list-item]


def test_climbing_from_below_the_floor_is_nothing_brought_back() -> None:
    low = [record("original", [stop(1.0)], role="original"), record("never", [stop(0.3)], role="reference")]
    made = [*low, record("m", [stop(0.0)]), record("m", [stop(0.28)], **ATTACK)]
    (line,) = (line for line in tabulate(boards_of(made)[0], draws=200).lines if line.row.label.name == "m")
    assert line.gains[0].value == pytest.approx(-0.02 / 0.7)
    assert line.gain.value == pytest.approx(-0.02 / 0.7)


def test_there_are_no_savings_where_nothing_was_taught_or_learned() -> None:
    assert savings_of([stop(0.1)]) is None
    assert savings_of([*taught("unlearned", [(0, 0.0), (9, 0.1)]), *taught("fresh", [(0, 0.0), (9, 0.1)])]) is None  # type: ignore[list-item]


def test_what_an_attack_brought_back_has_the_interval_of_a_paired_difference() -> None:
    made = [*controls(), record("m", [stop(0.1)]), record("m", [stop(0.7)], **ATTACK)]
    made += [record("m", [stop(0.1)], attack="idle", family="prompt")]
    (table,) = (tabulate(board, draws=500) for board in boards_of(made))
    (line,) = (line for line in table.lines if line.row.label.name == "m")
    gains = {o.attack.label.text: gain for o, gain in zip(line.row.outcomes, line.gains, strict=True)}
    assert gains["relearn"].value == pytest.approx(0.6)
    assert gains["relearn"].interval is not None
    assert 0.4 < gains["relearn"].interval.low < 0.6 < gains["relearn"].interval.high
    assert gains["idle"].value == pytest.approx(0.0)
