import math

import numpy as np
import pytest

from harness.metrics.membership import auc, min_k


def test_min_k_is_the_mean_of_the_least_likely_tokens() -> None:
    # five tokens at 40 %: the two lowest, -5 and -3
    assert min_k([-1.0, -5.0, -0.1, -3.0, -2.0], 0.4) == -4.0


def test_min_k_floors_the_number_of_tokens() -> None:
    assert min_k([-1.0, -2.0, -3.0, -4.0], 0.4) == -4.0  # floor(1.6) = 1


def test_min_k_keeps_at_least_one_token() -> None:
    assert min_k([-2.0, -1.0], 0.4) == -2.0


def test_min_k_over_everything_is_the_mean() -> None:
    assert min_k([-1.0, -2.0, -6.0], 1.0) == -3.0


def test_min_k_is_that_of_a_naive_selection() -> None:
    logprobs, lowest = [-((7 * index) % 23) / 3 for index in range(23)], []
    rest = list(logprobs)
    while len(lowest) < int(0.4 * 23):
        lowest.append(min(rest))
        rest.remove(min(rest))
    assert min_k(logprobs, 0.4) == pytest.approx(sum(lowest) / 9)


@pytest.mark.parametrize(("logprobs", "share"), [([], 0.4), ([-1.0], 0.0), ([-1.0], 1.1)])
def test_min_k_of_nothing_or_of_no_share_is_an_error(logprobs: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="Min-K"):
        min_k(logprobs, share)


@pytest.mark.parametrize(
    ("members", "others", "expected"),
    [([3.0, 2.0], [1.0, 0.0], 1.0), ([0.0], [1.0], 0.0), ([1.0, 3.0], [2.0, 0.0], 0.75), ([1.0], [1.0], 0.5)],
)
def test_auc_is_the_share_of_pairs_in_which_the_member_is_above(
    members: list[float], others: list[float], expected: float
) -> None:
    assert auc(members, others).value == expected


def test_swapping_members_and_others_turns_the_auc_over() -> None:
    first, second = [0.3, 0.9, 0.4], [0.2, 0.35, 0.8, 0.1]
    assert auc(first, second).value == pytest.approx(1 - auc(second, first).value)


def test_either_side_tells_the_same_area_text_by_text() -> None:
    found = auc([3.0, 1.0], [2.0, 0.0, 1.0])
    assert found.by_member == pytest.approx((1.0, 0.5))
    assert found.by_other == pytest.approx((0.5, 1.0, 0.75))
    assert sum(found.by_other) / 3 == pytest.approx(found.value)


def test_an_auc_with_one_side_empty_is_an_error() -> None:
    with pytest.raises(ValueError, match="both sides"):
        auc([], [1.0])


def test_the_standard_error_is_that_of_both_sides() -> None:
    # by member 1, .5 (variance 1/8 over 2), by other .5, 1, .75 (variance 1/16 over 3)
    assert auc([3.0, 1.0], [2.0, 0.0, 1.0]).stderr == pytest.approx(math.sqrt(1 / 16 + 1 / 48))


def test_the_standard_error_is_the_spread_of_areas_over_new_samples() -> None:
    rng = np.random.default_rng(0)
    drawn = [auc(rng.normal(0.5, 1, 60).tolist(), rng.normal(0, 1, 40).tolist()) for _ in range(400)]
    assert np.mean([one.stderr for one in drawn]) == pytest.approx(np.std([one.value for one in drawn]), rel=0.1)


def test_a_perfect_auc_has_no_spread() -> None:
    assert auc([5.0, 6.0], [1.0, 2.0]).stderr == 0
