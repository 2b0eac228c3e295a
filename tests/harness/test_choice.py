"""Choice metrics against naive forms, hand-worked cases and the published null."""

from __future__ import annotations

import itertools
import math
import random
from statistics import fmean

import pytest

from harness.metrics.choice import (
    answers,
    best_permutation,
    calibrated,
    entropy,
    entropy_stderr,
    permutation_null,
    right_probabilities,
    shares_of,
)


def drawn(count: int, seed: int = 0) -> list[list[float]]:
    rng = random.Random(seed)
    return [[math.log(rng.random()) for _ in range(4)] for _ in range(count)]


def test_the_first_of_equally_likely_options_is_the_answer() -> None:
    assert answers([[-2.0, -1.0, -1.0, -3.0], [-1.0, -1.0, -1.0, -1.0]]) == [1, 0]


def test_calibration_subtracts_each_letters_mean() -> None:
    table = drawn(7)
    naive = [[row[at] - fmean(other[at] for other in table) for at in range(4)] for row in table]
    assert [value for row in calibrated(table) for value in row] == pytest.approx([v for row in naive for v in row])


def test_calibration_brings_back_what_a_liking_for_one_letter_hides() -> None:
    table = [[-5.0 + 2 * (at == right) + 4 * (at == 2) for at in range(4)] for right in (0, 1, 2, 3)]
    assert (answers(table), answers(calibrated(table))) == ([2, 2, 2, 2], [0, 1, 2, 3])


def test_calibrated_answers_do_not_depend_on_a_questions_normaliser() -> None:
    table = drawn(9)
    shifted = [[value - shift for value in row] for shift, row in enumerate(table)]
    assert answers(calibrated(shifted)) == answers(calibrated(table))


def test_the_right_options_probability_is_normalised_over_the_options() -> None:
    rows = [[math.log(share) - 7 for share in (0.1, 0.2, 0.3, 0.4)]] * 2
    assert right_probabilities(rows, [3, 0]) == pytest.approx([0.4, 0.1])


def test_exchanged_letters_are_seen_through() -> None:
    assert best_permutation([1, 2, 3, 0, 1], [0, 1, 2, 3, 0]) == 1.0


def test_the_best_permutation_is_the_best_of_all_relabellings() -> None:
    rng = random.Random(1)
    chosen, right = ([rng.randrange(4) for _ in range(50)] for _ in range(2))
    naive = max(fmean(order[c] == r for c, r in zip(chosen, right, strict=True)) for order in ORDERS)
    assert best_permutation(chosen, right) == pytest.approx(naive)


ORDERS = list(itertools.permutations(range(4)))


@pytest.mark.parametrize(("count", "mean", "p95"), [(868, 0.278, 0.293), (1273, 0.273, 0.285), (157, 0.317, 0.350)])
def test_the_null_of_the_best_permutation_is_the_measured_one(count: int, mean: float, p95: float) -> None:
    null = permutation_null(count)
    assert (null.mean, null.p95) == (pytest.approx(mean, abs=0.0015), pytest.approx(p95, abs=0.001))


def test_the_null_of_three_questions_of_two_options_is_their_enumeration() -> None:
    sides = list(itertools.product(range(2), repeat=3))
    exact = fmean(best_permutation(chosen, right, options=2) for chosen in sides for right in sides)
    assert permutation_null(3, options=2).mean == pytest.approx(exact, abs=0.005)


def test_shares_count_every_letter() -> None:
    assert shares_of([0, 0, 2, 0]) == [0.75, 0.0, 0.25, 0.0]


EVEN = [0.25] * 4


@pytest.mark.parametrize(("shares", "value"), [(EVEN, math.log(4)), ([0, 1.0, 0, 0], 0.0), ([0.5, 0.5], math.log(2))])
def test_entropy_runs_from_one_letter_to_all(shares: list[float], value: float) -> None:
    assert entropy(shares) == pytest.approx(value)


def test_the_standard_error_of_the_entropy_is_its_spread_over_samples() -> None:
    rng, shares, count = random.Random(0), [0.6, 0.2, 0.1, 0.1], 400
    seen = [entropy(shares_of(rng.choices(range(4), shares, k=count))) for _ in range(600)]
    spread = math.sqrt(fmean((value - fmean(seen)) ** 2 for value in seen))
    assert entropy_stderr(shares, count) == pytest.approx(spread, rel=0.1)


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of options"):
        answers([[-1.0, -2.0], [-1.0]])


def test_a_right_answer_beyond_the_options_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 4 for 1 questions of 4 options"):
        right_probabilities(drawn(1), [4])


def test_an_answer_for_every_question_is_asked_for() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 questions"):
        best_permutation([0], [0, 1])
