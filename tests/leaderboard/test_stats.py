"""The bootstrap, against loops that say the same thing slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata
from synthetic import score

from harness.record import Measurement, Point, Score
from leaderboard.stats import Resampled, detectable_difference, interval, item_counts, over_seeds, ranks, seed_weights


def measured(value: float, name: str = "qa", items: int = 60) -> Measurement:
    return Measurement(Point(0), "f", {name: score(value, items=items)})


def test_every_resample_draws_as_many_items_as_there_are() -> None:
    assert (item_counts(37, 1_200, [1]).sum(axis=1) == 37).all()


def test_draws_equal_the_means_of_items_picked_one_by_one() -> None:
    one, other = measured(0.3), measured(0.6)
    read = Resampled({"qa": [one, other]}, draws=40)
    counts = item_counts(60, 40, [20260, 0x4D480B86])  # crc32 of "qa"
    for measurement in (one, other):
        items = measurement.scores["qa"].items
        slow = [sum(int(c) * x for c, x in zip(row, items, strict=True)) / 60 for row in counts]
        assert read(measurement, "qa") == pytest.approx(slow)


def test_two_models_share_their_item_resamples() -> None:
    one, twin = measured(0.3), measured(0.3)
    read = Resampled({"qa": [one, twin]}, draws=50)
    assert np.array_equal(read(one, "qa"), read(twin, "qa"))


def test_the_spread_of_the_draws_is_the_standard_error() -> None:
    one = measured(0.3, items=400)
    spread = float(np.std(Resampled({"qa": [one]}, draws=4_000)(one, "qa")))
    assert spread == pytest.approx(one.scores["qa"].stderr, rel=0.06)


def test_a_score_that_is_no_mean_of_items_is_drawn_from_its_standard_error() -> None:
    auc = Measurement(Point(0), "f", {"auc": Score(0.8, 0.05, 50, "lower", "forget", headline=True)})
    draws = Resampled({"auc": [auc]}, draws=4_000)(auc, "auc")
    assert [np.mean(draws), np.std(draws)] == pytest.approx([0.8, 0.05], abs=0.003)


def test_items_that_contradict_their_value_are_not_resampled() -> None:
    odd = Measurement(Point(0), "f", {"qa": Score(0.9, 0.01, 4, "lower", "forget", items=(0.0, 0.0, 0.0, 0.0))})
    draws = Resampled({"qa": [odd, measured(0.5)]}, draws=500)(odd, "qa")
    assert float(np.mean(draws)) == pytest.approx(0.9, abs=0.01)


def test_one_seed_adds_no_spread() -> None:
    values = [np.arange(5.0)]
    assert np.array_equal(over_seeds(values, seed_weights(1, 5, [3])), values[0])


def test_seeds_are_resampled_with_replacement() -> None:
    weights = seed_weights(2, 8_000, [3])
    draws = over_seeds([np.zeros(8_000), np.ones(8_000)], weights)
    assert set(np.round(draws, 6)) == {0.0, 0.5, 1.0}
    assert float(np.var(draws)) == pytest.approx(0.125, rel=0.05)


def test_the_interval_holds_the_central_share_of_draws() -> None:
    found = interval(np.linspace(0, 1, 1001), 0.5)
    assert found is not None
    assert [found.low, found.high] == pytest.approx([0.025, 0.975])


def test_no_interval_where_too_many_denominators_are_tiny() -> None:
    usable = np.ones(100)
    usable[:2] = 0
    assert interval(np.arange(100.0), 50.0, usable=usable) is None


def test_separate_rows_have_single_ranks() -> None:
    found = ranks([np.full(100, 0.1), np.full(100, 0.5)])
    assert [(r.low, r.high, r.tied_with_best) for r in found] == [(1, 1, True), (2, 2, False)]


def test_rows_that_cross_share_an_interval_and_are_tied() -> None:
    noise = np.random.default_rng(0).normal(size=2_000)
    found = ranks([noise, -noise])
    assert [(r.low, r.high, r.tied_with_best) for r in found] == [(1, 2, True), (1, 2, True)]


def test_exact_ties_share_all_their_places() -> None:
    same = np.full(10, 0.3)
    assert [(r.low, r.high) for r in ranks([same, same, np.full(10, 0.9)])] == [(1, 2), (1, 2), (3, 3)]


def test_a_common_error_does_not_blur_a_paired_difference() -> None:
    noise = np.random.default_rng(0).normal(size=2_000)
    assert ranks([noise, noise + 0.01])[1].tied_with_best is False


def test_the_detectable_difference_is_the_half_width_of_a_pair() -> None:
    noise = np.random.default_rng(0).normal(scale=0.02, size=50_000)
    assert detectable_difference([noise, np.zeros(50_000)]) == pytest.approx(1.96 * 0.02, rel=0.02)


def test_rows_that_stand_together_at_one_end_are_not_called_precise() -> None:
    assert detectable_difference([np.ones(50), np.ones(50)]) is None


def test_one_row_has_no_detectable_difference() -> None:
    assert detectable_difference([np.zeros(5)]) is None


@pytest.mark.parametrize("draws", [1, 2, 41, 1_000])
def test_the_central_interval_is_that_of_numpy(draws: int) -> None:
    array = np.random.default_rng(draws).normal(size=draws)
    found = interval(array, float(np.median(array)))
    assert found is not None
    assert [found.low, found.high] == pytest.approx(np.quantile(array, [0.025, 0.975]))


def test_places_of_ties_are_those_of_scipy() -> None:
    table = np.random.default_rng(0).integers(0, 4, size=(9, 300)).astype(float)
    tail = 0.025
    expected = [
        (
            np.quantile(rankdata(table, method="min", axis=0)[row], tail, method="inverted_cdf"),
            np.quantile(rankdata(table, method="max", axis=0)[row], 1 - tail, method="inverted_cdf"),
        )
        for row in range(9)
    ]
    assert [(rank.low, rank.high) for rank in ranks(list(table))] == expected
