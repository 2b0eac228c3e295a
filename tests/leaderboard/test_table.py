"""Estimates, cost ratios, leaks and what may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import pytest
from synthetic import controls, demo, record, stop

from harness.record import Cost, Record, Score
from leaderboard.derive import boards_of
from leaderboard.stats import Interval
from leaderboard.table import Line, Table, tabulate


def table(records: list[Record]) -> Table:
    (board,) = boards_of(records)
    return tabulate(board, draws=400)


def line(records: list[Record], name: str = "alpha") -> Line:
    return next(found for found in table(records).lines if found.row.label.name == name)


def test_the_interval_of_every_estimate_holds_its_value() -> None:
    for found in table(demo(2)).lines:
        for estimate in (found.k_star, found.k_before, found.utility, *([found.gain] if found.row.worst else [])):
            assert estimate.value is not None
            assert estimate.interval is not None
            assert estimate.interval.low <= estimate.value <= estimate.interval.high


def test_the_original_is_one_without_spread_since_both_ends_move_together() -> None:
    original = line(controls(), "original").k_before
    assert (original.value, original.interval and original.interval.high) == (1.0, 1.0)


def test_only_ranked_rows_have_a_rank_and_the_first_has_the_lowest_worst_case() -> None:
    ranked = [found for found in table(demo()).lines if found.rank]
    stars = [found.k_star.value for found in ranked]
    assert [found.row.section for found in ranked] == ["ranked"] * 3
    assert stars == sorted(stars, key=lambda k: k or 0.0)


def test_a_family_with_a_missing_attack_is_a_lower_bound() -> None:
    records = [*controls(), record(stops=[stop(0.1)]), record("other", [stop(0.1)])]
    records += [record(m, [stop(0.3)], attack="full", family="relearn") for m in ("alpha", "other")]
    records += [record("other", [stop(0.3)], attack="lora", family="relearn")]
    relearn = line(records).families[0]
    assert (relearn.bound, relearn.attack) == (True, "full")


def test_cost_is_in_units_of_the_cheapest_method() -> None:
    cheap, dear = Cost(token_forwards=10.0, token_backwards=10.0), Cost(token_forwards=30.0, token_backwards=15.0)
    records = [record(stops=[stop(0.1)], cost=cheap), record("other", [stop(0.1)], cost=dear)]
    assert line([*controls(), *records], "other").cost_ratio == pytest.approx(60 / 30)


def test_the_leak_is_negative_where_forget_text_still_betrays_training() -> None:
    def with_auc(made: Record, auc: float) -> Record:
        score = Score(auc, 0.01, 100, "zero", "privacy", chance=0.5)
        (only,) = made.measurements
        return replace(made, measurements=(replace(only, scores={**only.scores, "auc": score}),))

    original, never = controls()
    records = [original, with_auc(never, 0.5), with_auc(record(stops=[stop(0.1)]), 0.6)]
    assert line(records).leaks["auc"].value == pytest.approx(-0.2)


def test_the_interval_of_the_leak_covers_both_sides_and_pairs_them_with_the_reference() -> None:
    # Equal texts on either side of both models: the leak is 0 in every draw, however the texts fall.
    def with_auc(made: Record, members: tuple[float, ...], others: tuple[float, ...]) -> Record:
        by_member = Score(fmean(members), 0.01, len(members), "zero", "privacy", chance=0.5, items=members)
        by_other = Score(fmean(others), 0.01, len(others), "zero", "diagnostic", chance=0.5, items=others)
        (only,) = made.measurements
        return replace(
            made, measurements=(replace(only, scores={**only.scores, "auc": by_member, "auc_by_other": by_other}),)
        )

    spread, level = (0.2, 0.4, 0.6, 0.8), (0.5,) * 4
    original, never = controls()

    def width(own: Sequence[tuple[float, ...]], control: Sequence[tuple[float, ...]]) -> float:
        made = line([original, with_auc(never, *control), with_auc(record(stops=[stop(0.1)]), *own)]).leaks["auc"]
        assert made.interval is not None
        assert made.value == pytest.approx(0.0)
        return made.interval.high - made.interval.low

    assert width((spread, spread), (spread, spread)) == pytest.approx(0.0)
    assert width((spread, spread), (level, level)) > width((spread, level), (level, level)) > 0.1


def test_rows_with_equal_items_are_paired_with_the_leader_and_those_far_apart_are_told_from_it() -> None:
    """Equal answers differ by nothing in every draw, though each K by itself is uncertain."""
    plan = {"first": 0.30, "twin": 0.30, "worse": 0.70}
    records = controls({"relearn": ("relearn", [stop(0.0)])})
    for name, k in plan.items():
        records += [record(name, [stop(0.1)]), record(name, [stop(k)], attack="relearn", family="relearn")]
    found = {one.row.label.name: one.to_leader[0] for one in table(records).lines}
    assert found["first"] is None
    assert found["twin"] == Interval(0.0, 0.0)
    assert found["worse"] is not None
    assert 0.25 < found["worse"].low < 0.4 < found["worse"].high < 0.55


def test_what_an_attack_brought_back_is_read_off_the_seeds_that_it_ran_on() -> None:
    rows = [record(stops=[stop(k)], seed=seed) for seed, k in enumerate((0.1, 0.3))]
    idle = record(stops=[stop(0.1)], attack="relearn", family="relearn", seed=0)
    (gain,) = line([*controls(), *rows, idle]).gains
    assert gain.value == pytest.approx(0.0)
    assert gain.interval == Interval(0.0, 0.0)


def test_an_attack_that_was_not_run_on_every_seed_is_not_compared_with_the_leader() -> None:
    records = controls({"relearn": ("relearn", [stop(0.0)])})
    for name, seeds in (("first", (0, 1)), ("half", (0,))):
        records += [record(name, [stop(0.1)], seed=seed) for seed in (0, 1)]
        records += [record(name, [stop(0.5)], attack="relearn", family="relearn", seed=seed) for seed in seeds]
    found = {one.row.label.name: one for one in table(records).lines}
    assert found["half"].to_leader == (None,)
    assert found["half"].families[0].bound
    assert not found["first"].families[0].bound


def test_rows_that_start_alike_bring_no_warning() -> None:
    alike = [record(stops=[stop(0.10)]), record("other", [stop(0.14)])]
    assert table([*controls(), *alike]).starts is None


def test_rows_that_start_apart_bring_a_warning() -> None:
    apart = [record(stops=[stop(0.02)]), record("other", [stop(0.20)])]
    assert table([*controls(), *apart]).starts == pytest.approx((0.02, 0.20))


def test_a_second_seed_widens_the_interval_by_the_spread_between_seeds() -> None:
    one = [*controls(), record(stops=[stop(0.10)])]
    two = [*one, record(stops=[stop(0.24)], seed=1)]
    narrow, wide = line(one).k_before.interval, line(two).k_before.interval
    assert narrow is not None
    assert wide is not None
    assert wide.high - wide.low > 1.4 * (narrow.high - narrow.low)
