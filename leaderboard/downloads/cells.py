"""What all files share: a value with its interval, what a row says of its board, and when its records were made."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from harness.record import Record, digest
from leaderboard.board import Board
from leaderboard.sampling import Estimate
from leaderboard.table import Table

Cell = str | int | float | bool | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Newest:
    """The newest of some records.

    Attributes:
        started: When it was made, ISO; empty of none.
        commits: Of the harness, of all records of that day; one with uncommitted changes says so.
    """

    started: str
    commits: tuple[str, ...]


def suite(board: Board) -> str:
    """What the numbers of a board were measured under: 8 digits of the benchmark, the ranked attacks and the match.

    Where it differs, K* is a worst case over something else.
    """
    panel = sorted(attack.key for attack in board.attacks if attack.counts)
    match = [board.match.words] if board.match else []
    return digest([board.benchmark.key, panel, *match])[:8]


def stamp(table: Table) -> dict[str, Cell]:
    """What every row of a download says of its board, the notice among it."""
    board = table.board
    return {
        "benchmark": board.benchmark.name,
        "board": board.variant,
        "match": board.match.words if board.match else "off",
        "suite": suite(board),
        "scale": board.card.scale,
        "notice": board.notice,
    }


def columns(name: str, estimate: Estimate) -> dict[str, Cell]:
    """A value and its interval; the ends are rounded to what the draws support, so that machines agree."""
    low, high = ends(estimate)
    return {name: estimate.value, f"{name}_low": low, f"{name}_high": high}


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    """Both ends of an interval, rounded so; None where there is none."""
    if estimate.interval is None:
        return None, None
    return round(estimate.interval.low, 6), round(estimate.interval.high, 6)


def leaks_of(table: Table) -> tuple[str, ...]:
    """Every privacy score of which some row has a PrivLeak, in order of name."""
    return tuple(sorted({name for line in table.lines for name in line.leaks}))


def inert(value: Cell) -> Cell:
    """A text that no spreadsheet takes for a formula; numbers pass."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def newest(records: Iterable[Record], guests: Set[str]) -> Newest:
    """The newest of the maintainers' own records; of all, where there are none of theirs.

    Args:
        records: In any order.
        guests: Ids of those that were handed in.
    """
    every = list(records)
    made = [r.provenance for r in every if r.id not in guests] or [r.provenance for r in every]
    started = max((one.started for one in made), default="")
    last = [one for one in made if one.commit and one.started[:10] == started[:10]]
    commits = {one.commit[:12] + (" with uncommitted changes" if one.dirty else "") for one in last}
    return Newest(started, tuple(sorted(commits)))
