import math

import pytest

from harness.metrics.membership import auc, auc_stderr, min_k


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
    assert auc(members, others) == expected


def test_swapping_members_and_others_turns_the_auc_over() -> None:
    first, second = [0.3, 0.9, 0.4], [0.2, 0.35, 0.8, 0.1]
    assert auc(first, second) == pytest.approx(1 - auc(second, first))


def test_an_auc_with_one_side_empty_is_an_error() -> None:
    with pytest.raises(ValueError, match="both sides"):
        auc([], [1.0])


def test_the_standard_error_at_chance_is_that_of_the_rank_sum() -> None:
    # at 0.5 Hanley and McNeil's formula gives sqrt((n + m + 1) / (12 n m))
    assert auc_stderr(0.5, 100, 80) == pytest.approx(math.sqrt(181 / (12 * 100 * 80)))


def test_a_perfect_auc_has_no_spread() -> None:
    assert auc_stderr(1.0, 10, 10) == 0
