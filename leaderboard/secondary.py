"""What stands beside the headline: raw scores, PrivLeak and effort of a row before attack."""

from __future__ import annotations

from collections.abc import Sequence

from harness.record import Measurement, Score
from leaderboard.board import Row
from leaderboard.knowledge import mean


def scores_of(row: Row) -> dict[str, tuple[float, float]]:
    """Raw test scores: mean over seeds of value and of standard error."""
    names = sorted({name for m in row.before.values() for name, s in m.scores.items() if s.split == "test"})
    held: dict[str, list[Score]] = {n: [m.scores[n] for m in row.before.values() if n in m.scores] for n in names}
    return {
        n: (float(mean([s.value for s in mine])), float(mean([s.stderr for s in mine]))) for n, mine in held.items()
    }


def leaks_of(row: Row, references: Sequence[Measurement]) -> dict[str, float]:
    """PrivLeak as MUSE defines it: 100 (A - A_r) / A_r, signed, nearest to zero is best.

    A is one minus the AUC of our records: they hold the chance that a trained text looks more member-like than one
    never trained, MUSE takes the complement (metric specification B.2). Negative: forget text still betrays training.
    """
    own = [s for m in row.before.values() for s in m.scores.items() if s[1].axis == "privacy" and s[1].split == "test"]
    found = {}
    for name in sorted({name for name, _ in own}):
        control = [m.scores[name].value for m in references if name in m.scores]
        if control and mean(control) < 1:
            auc = mean([score.value for own_name, score in own if own_name == name])
            found[name] = 100 * ((1 - float(auc)) / (1 - float(mean(control))) - 1)
    return found


def passes_of(row: Row) -> float:
    """Effort of unlearning without a clock: tokens forward plus twice the tokens backward, mean over seeds.

    Whole-model passes of single tokens, so that it does not matter how many micro-batches a batch was cut into.
    """
    return float(mean([c.token_forwards + 2 * c.token_backwards for c in row.costs.values()])) if row.costs else 0.0
