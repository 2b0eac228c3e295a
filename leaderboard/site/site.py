"""The whole site as values: boards, entries, methods and attacks with their addresses, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.archive import packed
from harness.record import Record
from leaderboard.board import AttackRow, Board, Outcome
from leaderboard.collection import Collection
from leaderboard.derive import boards_of
from leaderboard.evidence import STATUSES, Evidence, Witnesses
from leaderboard.experiments import experiments_of
from leaderboard.labels import key_of
from leaderboard.site.addresses import entry_id
from leaderboard.site.board_page import BoardPage, page_of
from leaderboard.site.experiment_page import ExperimentPage, experiment_page_of
from leaderboard.site.making import making_of
from leaderboard.site.words import called
from leaderboard.stats import DRAWS
from leaderboard.submissions.admit import admitted
from leaderboard.table import Line, tabulate

_SCALES = ("full", "slice", "pocket")


@dataclass(frozen=True)
class Entry:
    """One row of one board, with everything that stands behind it."""

    id: str
    page: BoardPage
    line: Line
    evidence: Evidence
    records: tuple[Record, ...]

    @cached_property
    def file(self) -> bytes:
        """Its records, packed."""
        return packed(self.records)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of that file."""
        return hashlib.sha256(self.file).hexdigest()

    @cached_property
    def making(self) -> tuple[tuple[str, str], ...]:
        """What made its numbers, as (heading, text); rows of one run share it."""
        return making_of(self.records)

    @property
    def name(self) -> str:
        """What the row is called, variant included."""
        return called(self.line.row)

    @property
    def is_method(self) -> bool:
        """Whether it is no control."""
        return self.line.row.card.role == "method"


@dataclass(frozen=True)
class MethodPage:
    """One method on every board."""

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class AttackPage:
    """One attack on every row of every board.

    Attributes:
        rows: On each board, the attack (every specification of that name) and what it left on every entry.
    """

    name: str
    rows: tuple[tuple[BoardPage, AttackRow, tuple[tuple[Entry, Outcome], ...]], ...]

    @property
    def first(self) -> AttackRow:
        """Its card on the first board that has it."""
        return self.rows[0][1]


@dataclass(frozen=True)
class Site:
    """Everything that the pages say."""

    collection: Collection
    pages: tuple[BoardPage, ...]
    experiments: tuple[ExperimentPage, ...]
    entries: tuple[Entry, ...]

    @property
    def default(self) -> BoardPage | None:
        """The board that a visitor meets first: the largest scale, then the most ranked rows; never a matched one."""
        plain = [page for page in self.pages if page.board.match is None] or list(self.pages)
        return min(plain, key=lambda page: (_SCALES.index(page.board.card.scale), -page.table.ranked), default=None)

    @cached_property
    def by_key(self) -> dict[tuple[str, str], Entry]:
        """Entries by the keys of their board and their row."""
        return {(entry.page.board.key, entry.line.row.key): entry for entry in self.entries}

    @cached_property
    def methods(self) -> tuple[MethodPage, ...]:
        """Every method in order of name; controls are no methods."""
        mine: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.is_method:
                mine.setdefault(entry.line.row.label.name, []).append(entry)
        return tuple(
            MethodPage(name, tuple(sorted(mine[name], key=lambda e: e.line.row.guest)))  # the maintainers' card speaks
            for name in sorted(mine)
        )

    @cached_property
    def attacks(self) -> tuple[AttackPage, ...]:
        """Every attack in order of name."""
        found: dict[str, list[tuple[BoardPage, AttackRow, tuple[tuple[Entry, Outcome], ...]]]] = {}
        for page in self.pages:
            mine = [entry for entry in self.entries if entry.page is page]
            for at, attack in enumerate(page.board.attacks):
                rows = tuple((entry, entry.line.row.outcomes[at]) for entry in mine)
                found.setdefault(attack.label.name, []).append((page, attack, rows))
        return tuple(AttackPage(name, tuple(found[name])) for name in sorted(found))

    @cached_property
    def statuses(self) -> tuple[tuple[str, int], ...]:
        """How many method entries stand on what evidence, the strongest first."""
        counts = {status: sum(e.evidence.status == status for e in self.entries if e.is_method) for status in STATUSES}
        return tuple((status, counts[status]) for status in reversed(STATUSES) if counts[status])

    def makings(self, page: BoardPage) -> list[tuple[tuple[str, str], ...]]:
        """Every distinct making of a board's entries."""
        return list(dict.fromkeys(self.entry(page, line).making for line in page.table.lines))

    def entry(self, page: BoardPage, line: Line) -> Entry:
        """The entry of a line of a board."""
        return self.by_key[page.board.key, line.row.key]


def site_of(collection: Collection, *, draws: int = DRAWS) -> Site:
    """Derive boards and entries from a collection and what may stand of its submissions."""
    collection = _without_withdrawn(admitted(collection))
    tables = [tabulate(board, draws=draws) for board in _boards(collection)]
    pages = tuple(page_of(table) for table in tables)
    experiments = tuple(experiment_page_of(experiment) for experiment in experiments_of(tables))
    return Site(collection, pages, experiments, tuple(_entries(pages, Witnesses(collection))))


def _boards(collection: Collection) -> tuple[Board, ...]:
    return boards_of(
        collection.records, extra=collection.extra_attacks, guests=collection.guests, failures=collection.failures
    )


def _without_withdrawn(collection: Collection) -> Collection:
    """The collection without the records of entries that were withdrawn; their pages say so."""
    gone = {change.entry for change in collection.changes if change.kind == "withdrawn"}
    if not gone:
        return collection
    out = {
        record.id
        for board in _boards(collection)
        for row in board.rows
        if entry_id(board, row) in gone
        for record in board.records
        if key_of(record.cell.method) == row.key
    }
    return replace(collection, records=tuple(record for record in collection.records if record.id not in out))


def _entries(pages: Sequence[BoardPage], witnesses: Witnesses) -> Iterable[Entry]:
    for page in pages:
        records: dict[str, list[Record]] = {}
        for record in page.board.records:
            records.setdefault(key_of(record.cell.method), []).append(record)
        for line in page.table.lines:
            mine = tuple(sorted(records[line.row.key], key=lambda r: (r.cell.attack.name, r.cell.seed, r.id)))
            yield Entry(entry_id(page.board, line.row), page, line, witnesses.evidence(mine), mine)
