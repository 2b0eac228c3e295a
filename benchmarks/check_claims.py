"""Do the numbers make sense? Checks on finished records what must hold if forgetting and recovery are real.

    harness run --methods all --seeds 3 --results results/local-claims --site site-claims
    python benchmarks/check_claims.py results/local-claims

Prints every claim with the numbers behind it and exits with 1 if one does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Printed

from harness.record import Measurement, Record, Score
from harness.store import Store
from leaderboard.derive import boards_of
from leaderboard.sampling import Estimate
from leaderboard.table import Line, Table, tabulate

COLLAPSED = "ga"
FRAGILE = ("rmu", "npo", "graddiff")
COARSEST = "3-bit"
NEAR_FLOOR = 0.10
UNCHANGED = 0.05
UTILITY_KEPT = 0.90


@dataclass(frozen=True)
class Claim:
    """A statement about one board, whether it holds, and what it rests on."""

    board: str
    says: str
    holds: bool
    numbers: str


def claims(table: Table) -> Iterator[Claim]:
    """All claims of one board."""
    title = table.board.benchmark.name
    lines = {line.row.label.text: line for line in table.lines}
    lines |= {line.row.card.role: line for line in table.lines if line.row.card.role != "method"}
    says = {
        "original": "the original lost nothing, so nothing comes back",
        "reference": "relearning does not teach the never-learned model",
        COLLAPSED: f"{COLLAPSED}, which retains nothing, either breaks the model or does not unlearn",
        **{name: f"{name} keeps utility and hides rather than removes" for name in FRAGILE},
    }
    checks = {"original": _kept, "reference": _untaught, COLLAPSED: _collapsed} | dict.fromkeys(FRAGILE, _fragile)
    for name, sentence in says.items():
        holds, numbers = checks[name](lines[name]) if name in lines else (False, "no such row")
        yield Claim(title, sentence, holds, numbers)
    yield _coarse(table)


Checked = tuple[bool, str]


def _kept(line: Line) -> Checked:
    gain = line.gain.value
    return gain is not None and gain <= UNCHANGED, f"gain {_spelt(line.gain)}"


def _untaught(line: Line) -> Checked:
    after = _relearned(line)
    return after.value is not None and after.value <= NEAR_FLOOR, f"K {_spelt(after)}"


def _collapsed(line: Line) -> Checked:
    numbers = f"u {_spelt(line.utility)}, K(0) {_spelt(line.k_before)}, {line.row.section}"
    return line.row.section in ("below_utility", "not_unlearned"), numbers


def _relearned(line: Line) -> Estimate:
    return next((cell.estimate for cell in line.families if cell.family == "relearn"), Estimate())


def _fragile(line: Line) -> Checked:
    """Knowledge returns: before and after lie outside each other's intervals, beyond what is taught; u may be 90 %."""
    before, after, excess = line.k_before.interval, _relearned(line).interval, line.excess.interval
    kept = line.utility.interval is not None and line.utility.interval.high >= UTILITY_KEPT
    returned = before is not None and after is not None and before.high < after.low
    hidden = excess is not None and excess.low > 0
    shown = {"K(0)": line.k_before, "relearned": _relearned(line), "X": line.excess, "u": line.utility}
    return kept and returned and hidden, ", ".join(f"{name} {_spelt(value)}" for name, value in shown.items())


def _spelt(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not measured"
    interval = estimate.interval
    return f"{estimate.value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def _coarse(table: Table) -> Claim:
    """Utility at the coarsest quantisation against the same models before it, paired by item, over models and seeds."""
    rows = [line.row for line in table.lines if line.row.label.text != COLLAPSED and line.row.card.role != "reference"]
    losses: list[float] = []
    for row in rows:
        for record in table.board.records:
            if record.cell.method == row.spec and record.cell.seed in row.before:
                coarse = [m for m in record.measurements if m.point.series == COARSEST]
                losses += [loss for m in coarse for loss in _losses(row.before[record.cell.seed], m)]
    title, says = table.board.benchmark.name, f"{COARSEST} quantisation costs utility"
    if not losses:
        return Claim(title, says, False, "not measured")
    score = Score.mean_of(losses, axis="utility", better="lower")
    numbers = f"loss {score.value:+.4f} +- {score.stderr:.4f}, mean over {len(rows)} models"
    return Claim(title, says, score.value > 2 * score.stderr, numbers)


def _losses(before: Measurement, after: Measurement) -> list[float]:
    """Utility lost on every scored utility item."""
    names = [n for n, s in after.scores.items() if s.headline and s.axis == "utility" and s.split == "test"]
    pairs = [zip(before.scores[n].items, after.scores[n].items, strict=True) for n in names]
    return [one - other for pair in pairs for one, other in pair]


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path)
    records: list[Record] = list(Store(parser.parse_args().results).records())
    found = [claim for board in boards_of(records) if board.match is None for claim in claims(tabulate(board))]
    printed = Printed("board", "claim", "holds", "numbers")
    for claim in found:
        printed.add_row(claim.board, claim.says, "yes" if claim.holds else "NO", claim.numbers)
    Console(width=200).print(printed)
    sys.exit(0 if found and all(claim.holds for claim in found) else 1)


if __name__ == "__main__":
    main()
