"""Numbers as the page writes them."""

from __future__ import annotations

import pytest

from leaderboard.sampling import Estimate
from leaderboard.site.spelling import count, number, percent, seconds, spread
from leaderboard.stats import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3494, "34.9"), (-0.021, "\N{MINUS SIGN}2.1"), (-0.0001, "0.0"), (1.204, "120.4"), (None, "\N{EN DASH}")],
)
def test_shares_are_percentages_with_a_true_minus_and_no_negative_zero(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_an_even_interval_is_a_half_width() -> None:
    assert spread(Estimate(0.5, Interval(0.45, 0.55))) == "±5.0"


def test_an_uneven_interval_is_written_out() -> None:
    assert spread(Estimate(0.5, Interval(0.48, 0.60))) == "[48.0, 60.0]"


def test_a_value_without_an_interval_has_no_spread() -> None:
    assert spread(Estimate(0.5)) == ""


def test_half_passes_keep_their_half_and_whole_ones_have_none() -> None:
    assert (count(20.0), count(20.5), number(12_000, 0)) == ("20", "20.5", "12,000")


def test_long_times_are_minutes() -> None:
    assert (seconds(12.34), seconds(90)) == ("12.3\N{NO-BREAK SPACE}s", "1.5\N{NO-BREAK SPACE}min")
