"""From lm-eval's samples to the scores of a WMDP benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.api import Direction, Score, Split
from harness.benchmarks.wmdp_questions import LETTERS, Asked
from harness.lm_eval_bridge import Sample
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
from harness.metrics.shortcuts import floor_of

CHANCE = 1 / len(LETTERS)


def letter_scores(asked: Asked, samples: Sequence[Sample], *, headline: bool) -> dict[str, Score]:
    """Scores of questions answered by letter.

    Args:
        asked: The questions.
        samples: lm-eval's, in the same order.
        headline: Whether residual knowledge is built on them.
    """
    hits = right_answers(asked, samples, "acc")
    floor = floor_of(asked.questions).value
    test = [at for at, role in enumerate(asked.roles) if role == "test"]
    right = [asked.questions[at].right for at in test]
    logprobs = [samples[at].logprobs for at in test]
    chosen = answers(logprobs)
    unbiased = [float(a == r) for a, r in zip(answers(calibrated(logprobs)), right, strict=True)]
    return {
        **split_scores("forget_letters", asked, hits, headline=headline, chance=floor),
        asked.source.task: _knowledge(hits, chance=floor),
        "forget_calibrated": _knowledge(unbiased, chance=floor),
        "forget_best_permutation": _permuted(chosen, right),
        "forget_right_probability": _knowledge(right_probabilities(logprobs, right), chance=CHANCE),
        **_histogram(chosen),
    }


def variant_scores(
    name: str, asked: Asked, samples: Sequence[Sample], *, metric: str, chance: float
) -> dict[str, Score]:
    """Headline scores of a shortcut-controlled variant, on dev and on test, and lm-eval's own number over all items.

    Args:
        name: Of the score.
        asked: The questions.
        samples: lm-eval's, in the same order.
        metric: lm-eval's name of what counts as right.
        chance: What a guesser without knowledge reaches.
    """
    hits = right_answers(asked, samples, metric)
    own = {asked.source.task: _knowledge(hits, chance=chance)}
    return {**split_scores(name, asked, hits, headline=True, chance=chance), **own}


def right_answers(asked: Asked, samples: Sequence[Sample], metric: str) -> list[float]:
    """Whether each question was answered right, by lm-eval's own metric.

    Raises:
        ValueError: The samples are not about these questions.
    """
    if [sample.target for sample in samples] != [question.right for question in asked.questions]:
        raise ValueError(
            f"lm-eval's task {asked.source.task} asked {len(samples)} questions that are not the "
            f"{len(asked.questions)} of {asked.source.dataset} as loaded; the two read different data."
        )
    return [float(sample.metrics[metric]) for sample in samples]


def split_scores(
    name: str, asked: Asked, values: Sequence[float], *, headline: bool, chance: float
) -> dict[str, Score]:
    """One score on test, and its twin on dev."""
    scores = {}
    splits: tuple[Split, ...] = ("test", "dev")
    for split in splits:
        mine = [value for value, role in zip(values, asked.roles, strict=True) if role == split]
        scores[name if split == "test" else f"dev_{name}"] = _knowledge(
            mine, split=split, headline=headline, chance=chance
        )
    return scores


def _knowledge(values: Sequence[float], *, split: Split = "test", headline: bool = False, chance: float) -> Score:
    return Score.mean_of(values, axis="forget", better="lower", split=split, headline=headline, chance=chance)


def _permuted(chosen: Sequence[int], right: Sequence[int]) -> Score:
    """Accuracy under the best relabelling, against what a guesser gets from the choice among all of them."""
    value, count = best_permutation(chosen, right), len(chosen)
    null = permutation_null(count)
    stderr = math.sqrt(value * (1 - value) / (count - 1))
    return Score(value, stderr, count, "lower", "forget", chance=null.mean)


def _histogram(chosen: Sequence[int]) -> dict[str, Score]:
    """How often each letter was answered: a model with one letter for all scores that letter's share."""
    zero: Direction = "zero"
    scores = {
        f"letter_{letter.lower()}": Score.mean_of(
            [float(answer == at) for answer in chosen], axis="diagnostic", better=zero, chance=CHANCE
        )
        for at, letter in enumerate(LETTERS)
    }
    shares, count = shares_of(chosen), len(chosen)
    spread = Score(
        entropy(shares), entropy_stderr(shares, count), count, zero, "diagnostic", chance=math.log(len(LETTERS))
    )
    return {**scores, "letter_entropy": spread}
