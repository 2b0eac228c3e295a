"""The best of several answers, by hand and by trying all ways to draw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest

from harness.api import Prompts
from harness.benchmarks.written import written_f1
from harness.metrics.sampling import expected_best


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_it_is_the_mean_over_all_ways_to_draw(k: int) -> None:
    values = [0.2, 0.9, 0.0, 0.4, 0.9]
    ways = [max(chosen) for chosen in itertools.combinations(values, k)]
    assert expected_best(values, k) == pytest.approx(sum(ways) / len(ways))


def test_of_hits_and_misses_it_is_pass_at_k() -> None:
    n, c, k = 10, 3, 4
    assert expected_best([1.0] * c + [0.0] * (n - c), k) == pytest.approx(1 - math.comb(n - c, k) / math.comb(n, k))


@pytest.mark.parametrize("k", [0, 4])
def test_more_than_there_are_cannot_be_drawn(k: int) -> None:
    with pytest.raises(ValueError, match="cannot be told from 3 values"):
        expected_best([0.0, 1.0, 1.0], k)


def test_prompts_refuse_an_expectation_that_their_samples_cannot_give() -> None:
    with pytest.raises(ValueError, match="best of 4 cannot be told from 2 samples"):
        Prompts(samples=2, best_of=4)


def test_questions_are_swapped_and_surrounded() -> None:
    assert Prompts("a ", " z", (("b", "c"), ("c", "d"))).around("b c") == "a d d z"


class Writing:
    """An engine that writes given texts and keeps what it was asked."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts, self.asked, self.settings = list(texts), list[str](), dict[str, Any]()

    def generate(self, prompts: Sequence[str], **settings: Any) -> list[str]:
        self.asked, self.settings = list(prompts), settings
        return self.texts


def test_every_question_is_answered_several_times_and_the_best_counts() -> None:
    engine: Any = Writing(["red", "blue", "green", "green"])
    f1, texts = written_f1(engine, Prompts(samples=2, best_of=2), ["a", "b"], ["blue", "red"], max_tokens=1)
    assert engine.asked == ["a", "a", "b", "b"]
    assert engine.settings["temperature"] == 1.0
    assert (f1, len(texts)) == ([1.0, 0.0], 4)


def test_without_samples_there_is_one_greedy_answer() -> None:
    engine: Any = Writing(["red", "blue"])
    f1, _ = written_f1(engine, Prompts(), ["a", "b"], ["red", "red"], max_tokens=1)
    assert "temperature" not in engine.settings
    assert f1 == [1.0, 0.0]
