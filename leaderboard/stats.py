"""The joint hierarchical percentile bootstrap over unlearning seeds and items, and what is read off its draws.

One item resample per score serves every model of a board, so that differences between rows are paired; seeds are
resampled per row, and all attacks on a row share that resample. B draws, N items, S seeds, M measurements, R rows.
Source: metric specification B.10.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.record import Measurement, Score
from leaderboard.knowledge import Draws, Value

DRAWS = 10_000
LEVEL = 0.95
_SEED = 20260
_CHUNK = 500  # draws whose resampled item numbers are in memory at once
_TINY_SHARE = 0.01  # B.7: more resamples than this with a tiny span, and no interval is given
LEAST_DIFFERENCE = 0.0005
"""Half of the smallest difference that a page prints, .1 points."""


@dataclass(frozen=True)
class Interval:
    """The central 95 % of the draws."""

    low: float
    high: float


@dataclass(frozen=True)
class Rank:
    """Interval of ranks a row may hold, 1 is best, and whether the paired difference to the leader includes zero."""

    low: int
    high: int
    tied_with_best: bool


def item_counts(items: int, draws: int, seed: Sequence[int]) -> NDArray[np.float32]:
    """How often each of N items is drawn in each of B resamples of size N: (B, N), every row sums to N."""
    rng = np.random.default_rng(list(seed))
    counts = np.empty((draws, items), dtype=np.float32)  # small whole numbers: exact, and half the memory
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        picks = rng.integers(0, items, size=(size, items)) + items * np.arange(size)[:, None]
        counts[start : start + size] = np.bincount(picks.ravel(), minlength=size * items).reshape(size, items)
    return counts


def seed_weights(seeds: int, draws: int, seed: Sequence[int]) -> Draws:
    """Weight of each of S seeds in each of B resamples: (B, S), every row sums to one."""
    if seeds == 1:
        return np.ones((draws, 1))
    return item_counts(seeds, draws, seed).astype(np.float64) / seeds


class Resampled:
    """Reads a score as B draws of its mean over resampled items.

    A score that is no mean of its items (or whose items do not match the board's) is drawn from a normal distribution
    with its own standard error, independent of the others.
    """

    def __init__(self, wanted: Mapping[str, Sequence[Measurement]], *, draws: int = DRAWS) -> None:
        """Resample all wanted scores at once.

        Args:
            wanted: Score name -> the measurements that will be read; the first one sets the number of items.
            draws: B.
        """
        self._draws = draws
        self._means = {name: self._resample(name, measurements) for name, measurements in wanted.items()}

    def __call__(self, measurement: Measurement, name: str) -> Value:
        """The draws of one score of one measurement: (B,)."""
        return self._means[name][id(measurement)]

    def _resample(self, name: str, measurements: Sequence[Measurement]) -> dict[int, Draws]:
        distinct = {id(m): m.scores[name] for m in measurements if name in m.scores}
        size = max((score.n for score in distinct.values() if _is_mean(score, score.n)), default=0)
        whole = [key for key, score in distinct.items() if _is_mean(score, size)]
        means = {key: self._normal(name, score) for key, score in distinct.items() if key not in set(whole)}
        if whole:
            counts = item_counts(size, self._draws, [_SEED, zlib.crc32(name.encode())])
            items = np.array([distinct[key].items for key in whole], dtype=np.float32)  # (M, N)
            sums = counts @ items.T  # (B, M): N summed away
            means |= {key: sums[:, i].astype(np.float64) / size for i, key in enumerate(whole)}
        return means

    def _normal(self, name: str, score: Score) -> Draws:
        rng = np.random.default_rng([_SEED, zlib.crc32(f"{name} {score.value!r} {score.stderr!r}".encode())])
        return score.value + score.stderr * rng.standard_normal(self._draws)


def _is_mean(score: Score, size: int) -> bool:
    return 1 < size == len(score.items) and abs(sum(score.items) / size - score.value) < 1e-6


def over_seeds(values: Sequence[Value], weights: Draws) -> Draws:
    """The mean over resampled seeds.

    Args:
        values: One array of B draws per seed.
        weights: (B, S) as `seed_weights` gives them.
    """
    total = np.zeros(len(weights))
    for i, value in enumerate(values):
        total += weights[:, i] * value
    return total


def interval(draws: Value | None, value: float | None, *, usable: Draws | None = None) -> Interval | None:
    """The percentile interval, widened to hold the point value.

    Args:
        draws: (B,) or None.
        value: The point value.
        usable: True for draws whose denominator is not tiny; too few of them and there is no interval.
    """
    if draws is None or value is None:
        return None
    array = np.atleast_1d(np.asarray(draws, dtype=np.float64))
    if usable is not None:
        if 1 - usable.mean() > _TINY_SHARE:
            return None
        array = array[usable.astype(bool)] if array.shape == usable.shape else array
    low, high = _central(array)
    return Interval(min(low, value), max(high, value))


def _central(array: Draws) -> tuple[float, float]:
    """Both ends of the central share of draws, as `np.quantile` has them, at a third of its time."""
    places = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * (array.size - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, array.size - 1)
    ordered = np.partition(array, [*below, *above])
    low, high = ordered[below] + (places - below) * (ordered[above] - ordered[below])
    return float(low), float(high)


def ranks(draws: Sequence[Draws]) -> list[Rank]:
    """Rank intervals of rows in their order on the board, lowest value best.

    Args:
        draws: R arrays of B joint draws, the leader's first.
    """
    if not draws:
        return []
    table = np.stack(draws)  # (R, B)
    tail = (1 - LEVEL) / 2
    lowest, highest = _places(table)
    lows = np.quantile(lowest, tail, axis=1, method="inverted_cdf")
    highs = np.quantile(highest, 1 - tail, axis=1, method="inverted_cdf")
    behind = np.quantile(table - table[0], tail, axis=1)
    return [Rank(int(lo), int(hi), bool(gap <= 0)) for lo, hi, gap in zip(lows, highs, behind, strict=True)]


def _places(table: Draws) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last place that a row's value may have in its draw, both (R, B): exact ties share all their places."""
    order = np.argsort(table, axis=0)
    ordered = np.take_along_axis(table, order, 0)
    number = np.arange(len(table))[:, None]
    opens = np.vstack([np.ones((1, table.shape[1]), bool), ordered[1:] != ordered[:-1]])
    closes = np.vstack([opens[1:], np.ones((1, table.shape[1]), bool)])
    first = np.maximum.accumulate(np.where(opens, number, 0), axis=0)
    last = np.minimum.accumulate(np.where(closes, number, len(table))[::-1], axis=0)[::-1]
    lowest, highest = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(lowest, order, first + 1, 0)
    np.put_along_axis(highest, order, last + 1, 0)
    return lowest, highest


def detectable_difference(draws: Sequence[Draws]) -> float | None:
    """Half-width that the paired 95 % interval of a difference between two rows has, median over all pairs.

    None below two rows, and where rows do not vary because they stand at one end of the scale: that is no precision.
    """
    if len(draws) < 2:
        return None
    covariance = np.cov(np.stack(draws), bias=True)  # (R, R)
    variance = np.diag(covariance)
    squared = variance[:, None] + variance[None, :] - 2 * covariance  # variance of every paired difference
    widths = 1.96 * np.sqrt(np.maximum(squared[np.triu_indices(len(draws), 1)], 0.0))
    width = float(np.median(widths))
    return width if width >= LEAST_DIFFERENCE else None
