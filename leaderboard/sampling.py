"""The draws of one board: every score that the table reads, resampled once, and values with intervals made of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import BY_OTHER, Measurement
from leaderboard.board import Board, Outcome, Row
from leaderboard.knowledge import Draws, Ruler, Value, mean, value_of
from leaderboard.secondary import leak_names
from leaderboard.stats import Interval, Resampled, interval, over_seeds, seed_weights

TINY_SPAN = 0.05  # B.7: a resampled m0 - L below this share of the measured one makes a ratio meaningless


@dataclass(frozen=True)
class Estimate:
    """A point value with its interval; None where nothing was measured."""

    value: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Sampler:
    """The board's draws: the ruler that reads them and which of them have a usable span."""

    ruler: Ruler
    usable: Draws
    draws: int

    def over(self, row: Row, by_seed: Mapping[int, Value | None]) -> Value | None:
        """The mean over resampled seeds; over all of them alike where some are missing."""
        known = [v for v in by_seed.values() if v is not None]
        if not known or len(known) < len(by_seed):
            return None
        if tuple(by_seed) != row.seeds:
            return mean(known)
        return over_seeds(known, seed_weights(len(known), self.draws, [zlib.crc32(row.key.encode())]))

    def before(self, row: Row, measure: Callable[[Measurement], Value | None]) -> Value | None:
        """Draws of what a measure says of the row before any attack."""
        return self.over(row, {seed: measure(m) for seed, m in sorted(row.before.items())})

    def after(self, row: Row, outcome: Outcome) -> Value | None:
        """Draws of the K that an attack left on the row."""
        return self.over(row, {s: self.ruler.knowledge(stop.measurement) for s, stop in outcome.stops.items()})

    def full(self, value: Value | None) -> Draws | None:
        """One number per draw: (B,); a value that does not vary repeats."""
        return None if value is None else np.broadcast_to(np.asarray(value, dtype=np.float64), (self.draws,))

    def estimate(self, value: float | None, draws: Value | None) -> Estimate:
        """The point value with its interval."""
        return Estimate(value, interval(draws, value, usable=self.usable))


def sampler_of(board: Board, draws: int) -> Sampler:
    """Resample everything of a board that will be read, once."""
    untouched = [m for row in board.rows for m in row.before.values()]
    ends = [m for split in board.scale.forget.values() for g in split for m in (*g.originals, *g.references)]
    stops = [s for row in board.rows for o in row.outcomes for s in o.stops.values()]
    attacked = [s.measurement for s in stops] + [s.control for s in stops if s.control]
    on_curves = [m for row in board.rows for c in row.curves for at in c.stops for m in at.values()]
    wanted: dict[str, Sequence[Measurement]] = {}
    for gauge in board.scale.forget["test"]:
        wanted[gauge.name] = [*ends, *untouched, *attacked, *on_curves]
    for gauge in board.scale.utility["test"]:
        wanted[gauge.name] = [*gauge.originals, *untouched]
    for name in {n for row in board.rows for n in leak_names(row, board.references)}:
        wanted[name] = wanted[name + BY_OTHER] = [*board.references, *untouched]
    resampled = Ruler(board.scale, Resampled(wanted, draws=draws))
    exact = Ruler(board.scale, value_of)
    usable = np.ones(draws)
    for gauge in board.scale.forget["test"]:
        usable *= np.asarray(resampled.span(gauge)) >= TINY_SPAN * float(exact.span(gauge))
    return Sampler(resampled, usable, draws)
