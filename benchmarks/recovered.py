"""Which attacks bring knowledge back, and from which methods: the table of docs/attacks.md, from finished records.

    harness run --methods all --seeds 3 --results results/local
    python benchmarks/recovered.py results/local

Prints, per benchmark, K after every attack; in bold where it exceeds K before by more than the 95 % interval of their
paired difference. Exits with 1 if a ranked attack brings nothing back from any method.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.store import Store
from leaderboard.derive import boards_of
from leaderboard.table import Line, Table, tabulate


def lines(table: Table) -> Iterator[str]:
    """The table of one board in Markdown."""
    attacks = table.board.attacks
    yield f"### {table.board.benchmark.name}\n"
    yield f"| method | K(0) | {' | '.join(attack.label.text for attack in attacks)} |"
    yield f"|---|---|{'---|' * len(attacks)}"
    for line in table.lines:
        before = "-" if line.row.k_before is None else f"{line.row.k_before:.2f}"
        yield f"| {line.row.label.text} | {before} | {' | '.join(_cell(line, at) for at in range(len(attacks)))} |"
    yield ""


def weak(table: Table) -> list[str]:
    """Ranked attacks that bring nothing back from any method."""
    methods = [line for line in table.lines if line.row.card.role == "method"]
    return [
        attack.label.text
        for at, attack in enumerate(table.board.attacks)
        if attack.card.ranked and not any(_recovers(line, at) for line in methods)
    ]


def _cell(line: Line, at: int) -> str:
    k = line.row.outcomes[at].k
    if k is None:
        return "n/a" if line.row.outcomes[at].not_applicable else "-"
    return f"**{k:.2f}**" if _recovers(line, at) else f"{k:.2f}"


def _recovers(line: Line, at: int) -> bool:
    interval = line.gains[at].interval
    return interval is not None and interval.low > 0


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    given: Any = parser.parse_args()
    tables = [tabulate(board) for board in boards_of(Store(given.results).records()) if board.match is None]
    if not tables:
        parser.error(f"{given.results} holds no record; give the folder that `harness run` wrote")
    for table in tables:
        print("\n".join(lines(table)))
    idle = [f"{table.board.benchmark.name}: {', '.join(names)}" for table in tables if (names := weak(table))]
    for line in idle:
        print(f"Brings nothing back from any method on {line}.")
    sys.exit(1 if idle else 0)


if __name__ == "__main__":
    main()
