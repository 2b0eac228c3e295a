"""Submissions beside a board's own records: what may not stand, what they lack, and what is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.record import Record, measured
from leaderboard.board import Board
from leaderboard.collection import Submission
from leaderboard.derive import boards_of
from leaderboard.labels import key_of
from leaderboard.submissions.about import Problem
from leaderboard.submissions.admit import refusals
from leaderboard.submissions.gate import Gate
from leaderboard.submissions.pack import RECORDS


@dataclass(frozen=True)
class Beside:
    """What is said of one submission.

    Attributes:
        notes: Nothing that is wrong.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def beside(
    handed: Sequence[tuple[str, Sequence[Record]]], board: Sequence[Record], others: Sequence[Submission] = ()
) -> list[Beside]:
    """What is to be said of each of several submissions.

    Args:
        handed: Each with the name of its folder; of two with the same row or cell the first has it.
        board: The maintainers' records; without them the submissions are held against each other alone.
        others: Submissions that stand on the board already.
    """
    gate = Gate(board)
    known = [*board, *(record for one in others for record in one.records)]
    refused = refusals([*((one.folder, one.records) for one in others), *handed], gate)[len(others) :]
    guests = frozenset(record.id for one in others for record in one.records)
    return [_one(records, _Board(known, guests, gate), why) for (_, records), why in zip(handed, refused, strict=True)]


@dataclass(frozen=True)
class _Board:
    """Everything that stands, and the ids of what was handed in."""

    records: Sequence[Record]
    guests: frozenset[str]
    gate: Gate


@dataclass(frozen=True)
class _Mine:
    """What a submission adds: keys of its rows under the panel and of its attacks outside it; names that it meets."""

    rows: frozenset[str]
    attacks: frozenset[str]
    methods_met: frozenset[str]
    attacks_met: frozenset[str]


def _one(records: Sequence[Record], board: _Board, refused: Mapping[str, str]) -> Beside:
    known = {record.id: record for record in board.records}
    problems = [Problem(RECORDS, r.id, _taken(r, known[r.id])) for r in records if r.id in known]
    problems += [Problem(RECORDS, key, why) for key, why in refused.items() if key not in known]
    standing = [board.gate.carded(r) for r in records if r.id not in known and r.id not in refused]
    if len(known) == len(board.guests) or not standing:
        return Beside(tuple(problems))
    own = [record for record in board.records if record.id not in board.guests]
    mine = _Mine(
        rows=frozenset(key_of(r.cell.method) for r in standing if board.gate.in_panel(r)),
        attacks=frozenset(key_of(r.cell.attack) for r in standing),
        methods_met=frozenset(record.cell.method.name for record in own),
        attacks_met=frozenset(record.cell.attack.name for record in own),
    )
    boards = boards_of([*board.records, *standing], guests=board.guests | {record.id for record in standing})
    problems += [problem for derived in boards for problem in (*_gaps(derived, mine), *_untaught(derived, mine))]
    return Beside(tuple(problems), tuple(note for derived in boards for note in _namesakes(derived, mine)))


def _taken(record: Record, rival: Record) -> str:
    return f"is on the board already{'' if measured(rival) == measured(record) else ', with other numbers'}"


def _gaps(board: Board, mine: _Mine) -> Iterator[Problem]:
    """What a complete row would have and a row of the submission has not."""
    for row in board.rows:
        for gap in row.gaps if row.guest and row.key in mine.rows else ():
            yield Problem(RECORDS, f"{board.benchmark.name}, {row.label.text}", f"missing: {gap}")


def _untaught(board: Board, mine: _Mine) -> Iterator[Problem]:
    """Attacks outside the panel that the never-learned model did not meet."""
    for at, attack in enumerate(board.attacks):
        stops = [stop for row in board.rows for stop in row.outcomes[at].stops.values()]
        counts = attack.extra and attack.key in mine.attacks and attack.card.ranked and board.references
        if counts and any(stop.control is None for stop in stops):
            yield Problem(
                RECORDS,
                f"{board.benchmark.name}, {attack.label.text}",
                "was not run on the never-learned model, so nobody knows how much it teaches, and what it leaves never "
                "counts as best known; run it with the controls, and pack it with --attack",
            )


def _namesakes(board: Board, mine: _Mine) -> Iterator[Problem]:
    """Rows and attacks of the submission that share a name with the maintainers', and what they are called then."""
    rows = [r.label for r in board.rows if r.guest and r.key in mine.rows and r.label.name in mine.methods_met]
    attacks = [a.label for a in board.attacks if a.extra and a.key in mine.attacks and a.label.name in mine.attacks_met]
    for label in (*rows, *attacks):
        text = f"'{label.name}' is the board's, with another specification; this one will be called '{label.text}'"
        yield Problem(RECORDS, board.benchmark.name, text)
