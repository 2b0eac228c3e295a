"""Sentences that evaluations left in their records, each said once with what it concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.record import Record
from leaderboard.board import Board
from leaderboard.labels import Label, key_of


@dataclass(frozen=True)
class Remark:
    """A sentence without which some scores would be misread.

    Attributes:
        text: As the benchmark wrote it.
        concerns: Rows and attacks whose scores it stands with; empty where it stands with all of them.
    """

    text: str
    concerns: str


@dataclass(frozen=True)
class _Names:
    methods: Mapping[str, Label]
    attacks: Mapping[str, Label]

    def attack(self, record: Record) -> str:
        """The attack as the table calls it."""
        return "no attack" if record.attack.family == "none" else self.attacks[key_of(record.cell.attack)].text


def remarks_of(board: Board) -> tuple[Remark, ...]:
    """Every distinct remark of a board in alphabetical order."""
    names = _Names({row.key: row.label for row in board.rows}, {attack.key: attack.label for attack in board.attacks})
    scored = [r for r in board.records if r.measurements and key_of(r.cell.method) in names.methods]
    texts = sorted({text for r in scored for m in r.measurements for text in m.remarks})
    return tuple(Remark(text, _concerns(text, scored, names)) for text in texts)


def metric_gaps(board: Board) -> tuple[tuple[str, str], ...]:
    """Metrics that have no meaning on this benchmark, with the reason."""
    return tuple(sorted({gap for r in board.records for m in r.measurements for gap in m.not_applicable.items()}))


def _concerns(text: str, scored: Sequence[Record], names: _Names) -> str:
    """Which rows under which attacks; a record counts if any of its stops carries the remark."""
    holding = [r for r in scored if any(text in m.remarks for m in r.measurements)]
    if len(holding) == len(scored):
        return ""
    attacks = _attacks_by_row(holding, names)
    whole = {row for row, mine in _attacks_by_row(scored, names).items() if mine == attacks.get(row)}
    parts = {row: "" if row in whole else f" under {', '.join(sorted(mine))}" for row, mine in attacks.items()}
    rows_of: dict[str, list[str]] = {}
    for row, part in sorted(parts.items()):
        rows_of.setdefault(part, []).append(row)
    return "; ".join(f"{', '.join(rows)}{part}" for part, rows in sorted(rows_of.items()))


def _attacks_by_row(records: Sequence[Record], names: _Names) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(names.methods[key_of(record.cell.method)].text, set()).add(names.attack(record))
    return found
