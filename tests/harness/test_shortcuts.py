"""Guessers who know nothing, on questions whose answers are known to be guessable or not."""

from __future__ import annotations

import random

import pytest

from harness.metrics.shortcuts import Floor, Question, features, floor_of, longest, shortest, surface

WORDS = ("amber", "birch", "cedar", "dune", "ember")


def drawn(count: int, cue: str = "", seed: int = 0) -> list[Question]:
    """Questions of random words; the right option ends with the cue."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        right = rng.randrange(4)
        options = [" ".join(rng.choices(WORDS, k=3)) + cue * (at == right) for at in range(4)]
        found.append(Question(f"Question {number}?", tuple(options), right))
    return found


SIZES = [Question("a", ("1", "22", "333", "4444"), 3), Question("b", ("1", "22", "333", "4444"), 0)]


def test_the_longest_and_the_shortest_option_are_picked_by_characters() -> None:
    assert (longest(SIZES), shortest(SIZES)) == (0.5, 0.5)


def test_equally_long_options_are_picked_equally_often() -> None:
    assert longest([Question("a", ("11", "22", "3", "4"), 0)]) == 0.5


def test_the_classifier_finds_a_cue_that_length_does_not_show() -> None:
    assert surface(drawn(80, " 7, 8"), seed=0) == 1.0


def test_the_classifier_finds_nothing_where_there_is_nothing() -> None:
    assert abs(surface(drawn(600), seed=0) - 0.25) < 3 * (0.25 * 0.75 / 600) ** 0.5


def test_a_question_asked_twice_is_not_learned_by_heart() -> None:
    twice = [*drawn(300), *drawn(300)]
    assert surface(twice, seed=0) == pytest.approx(surface(drawn(300), seed=0), abs=0.05)


def test_the_order_of_the_questions_changes_nothing() -> None:
    questions = drawn(60, "?")
    assert surface(questions[::-1], seed=0) == surface(questions, seed=0)


def test_features_do_not_see_which_option_is_right() -> None:
    one, other = (Question("What, 7?", ("a-b", "C (d)", "e", "all of f, g"), right) for right in (0, 3))
    assert (features(one) == features(other)).all()


def test_the_floor_is_the_best_guesser() -> None:
    assert Floor(0.25, 0.4, 0.1, 0.3).value == 0.4


def test_the_floor_holds_every_guesser() -> None:
    floor = floor_of(tuple(drawn(40, " and so much more")))
    assert (floor.chance, floor.longest, floor.shortest, floor.surface) == (0.25, 1.0, 0.0, 1.0)


def test_one_question_has_no_floor() -> None:
    with pytest.raises(ValueError, match="at least two questions"):
        floor_of(tuple(drawn(1)))
