"""What a model knows from its log-probabilities of lettered options, beyond plain accuracy.

N questions, C options each. A model made to answer wrongly, or always with one letter, loses accuracy and not
knowledge: calibration undoes a liking for letters, and the best relabelling undoes their exchange.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Logprobs = Sequence[Sequence[float]]
_NULL_DRAWS = 20_000  # the simulation then errs by less than one question in any set of these benchmarks


@dataclass(frozen=True)
class Null:
    """What :func:`best_permutation` gives a guesser: its mean and its 95th percentile."""

    mean: float
    p95: float


def answers(logprobs: Logprobs) -> list[int]:
    """Index of the most likely option of each question; the first of equal ones, as lm-eval's arg-max has it.

    Args:
        logprobs: (N, C), nats.
    """
    return [int(index) for index in _table(logprobs).argmax(axis=1)]


def calibrated(logprobs: Logprobs) -> list[list[float]]:
    """The same table without the model's liking for letters: each letter's mean over the questions is subtracted.

    aghyad-deeb/unlearning_evaluation@26be6ba subtracts mean logits; a question's normaliser shifts all its options
    alike, so log-probabilities give the same answers.

    Args:
        logprobs: (N, C), nats.
    """
    table = _table(logprobs)
    return [[float(value) for value in row] for row in table - table.mean(axis=0)]


def right_probabilities(logprobs: Logprobs, right: Sequence[int]) -> list[float]:
    """Probability of the right option of each question among its options, in 0..1.

    Args:
        logprobs: (N, C), nats.
        right: (N), index of the right option.
    """
    table = _table(logprobs)
    _refuse_outside(right, table)
    shares = np.exp(table - table.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return [float(value) for value in shares[np.arange(len(right)), list(right)]]


def best_permutation(chosen: Sequence[int], right: Sequence[int], *, options: int = 4) -> float:
    """Accuracy after the relabelling of answers that suits them best (Hungarian method).

    It is a maximum over all relabellings and lies above 1/C for a guesser: compare it with :func:`permutation_null`.

    Args:
        chosen: (N), index of each answer.
        right: (N), index of the right option.
        options: C.
    """
    if not chosen or len(chosen) != len(right):
        raise ValueError(f"Got {len(chosen)} answers for {len(right)} questions; one each is needed.")
    counts = np.zeros((options, options), dtype=np.int64)
    np.add.at(counts, (list(chosen), list(right)), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(chosen))


@lru_cache(maxsize=64)
def permutation_null(count: int, *, options: int = 4, seed: int = 0) -> Null:
    """Distribution of :func:`best_permutation` under pure chance, answers and right letters uniform and independent.

    Args:
        count: N.
        options: C.
        seed: Of the simulation.
    """
    draws = np.random.default_rng(seed).multinomial(count, [1 / options**2] * options**2, size=_NULL_DRAWS)
    counts = draws.reshape(-1, options, options)
    letters = np.arange(options)
    found = [counts[:, letters, list(order)].sum(axis=1) for order in itertools.permutations(range(options))]
    best = np.maximum.reduce(found) / count
    return Null(float(best.mean()), float(np.quantile(best, 0.95)))


def shares_of(chosen: Sequence[int], *, options: int = 4) -> list[float]:
    """Share of answers on each option, C numbers that sum to 1.

    Args:
        chosen: (N), index of each answer.
        options: C.
    """
    if not chosen:
        raise ValueError("Shares of answers need at least one answer, got none.")
    return [sum(answer == option for answer in chosen) / len(chosen) for option in range(options)]


def entropy(shares: Sequence[float]) -> float:
    """Entropy of shares that sum to 1, nats: 0 where one letter takes all, log C where all letters are alike."""
    return abs(math.fsum(share * math.log(share) for share in shares if share > 0))


def entropy_stderr(shares: Sequence[float], count: int) -> float:
    """Standard error of the entropy of shares among ``count`` answers (delta method), nats."""
    surprise = [(share, -math.log(share)) for share in shares if share > 0]
    mean = math.fsum(share * bits for share, bits in surprise)
    return math.sqrt(math.fsum(share * (bits - mean) ** 2 for share, bits in surprise) / count)


def _table(logprobs: Logprobs) -> NDArray[np.float64]:
    """As an array (N, C); rows of unequal length are an error of the caller."""
    widths = {len(row) for row in logprobs}
    if len(widths) != 1 or 0 in widths:
        raise ValueError(f"Every question needs the same number of options, got {sorted(widths) or 'no question'}.")
    return np.asarray(logprobs, dtype=np.float64)


def _refuse_outside(right: Sequence[int], table: NDArray[np.float64]) -> None:
    if len(right) != len(table) or not all(0 <= index < table.shape[1] for index in right):
        raise ValueError(
            f"Got {len(right)} right answers from 0 to {max(right, default=0)} for {len(table)} questions of "
            f"{table.shape[1]} options."
        )
