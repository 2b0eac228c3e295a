"""What stands beside the headline: raw scores, PrivLeak and effort of a row before attack."""

from __future__ import annotations

from collections.abc import Sequence

from harness.record import BY_OTHER, Measurement, Score
from leaderboard.board import Row
from leaderboard.knowledge import Read, Value, mean


def scores_of(row: Row) -> dict[str, tuple[float, float]]:
    """Raw test scores: mean over seeds of value and of standard error."""
    names = sorted({name for m in row.before.values() for name, s in m.scores.items() if s.split == "test"})
    held: dict[str, list[Score]] = {n: [m.scores[n] for m in row.before.values() if n in m.scores] for n in names}
    return {
        n: (float(mean([s.value for s in mine])), float(mean([s.stderr for s in mine]))) for n, mine in held.items()
    }


def leak_names(row: Row, references: Sequence[Measurement]) -> tuple[str, ...]:
    """The privacy scores of a row that the never-learned model has too, and below its end of the scale."""
    named = {n for m in row.before.values() for n, s in m.scores.items() if s.axis == "privacy" and s.split == "test"}
    known = (n for n in named if all(n in m.scores for m in [*row.before.values(), *references]))
    return tuple(sorted(n for n in known if references and mean([m.scores[n].value for m in references]) < 1))


def leak(read: Read, measurement: Measurement, references: Sequence[Measurement], name: str) -> Value:
    """PrivLeak as MUSE defines it, as a share: (A - A_r) / A_r, signed, nearest to zero is best.

    A is one minus the AUC of our records: they hold the chance that a trained text looks more member-like than one
    never trained, MUSE takes the complement (metric specification B.2). Negative: forget text still betrays training.
    """
    return (1 - _auc(read, measurement, name)) / (1 - mean([_auc(read, m, name) for m in references])) - 1


def _auc(read: Read, measurement: Measurement, name: str) -> Value:
    """An area with the noise of both sides: what the draws of the other side's texts add to those of the members."""
    other = name + BY_OTHER
    if other not in measurement.scores:
        return read(measurement, name)
    return read(measurement, name) + read(measurement, other) - measurement.scores[other].value


def passes_of(row: Row) -> float:
    """Effort of unlearning without a clock: tokens forward plus twice the tokens backward, mean over seeds.

    Whole-model passes of single tokens, so that it does not matter how many micro-batches a batch was cut into.
    """
    return float(mean([c.token_forwards + 2 * c.token_backwards for c in row.costs.values()])) if row.costs else 0.0
