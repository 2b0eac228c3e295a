"""What of a submission may stand on a site: rows and attacks of its own, and nothing that changes anybody else's.

A board's scale, panel, cards and rows are its maintainers'. Whoever hands something in adds a row, measured under the
panel at the stops and on the items that everybody has, or an attack outside the panel on rows that there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_

from harness.record import AttackCard, BenchmarkCard, Match, MethodCard, Record, measured
from leaderboard.collection import Collection
from leaderboard.labels import key_of

_SHOWN = 20  # refusals of one submission that are printed


def admitted(collection: Collection) -> Collection:
    """The collection with what may stand of its submissions among its records; the rest is told among the problems.

    Of two submissions with the same row or cell the first by name of its folder has it. Without records of the
    maintainers there is nothing to be measured by, and everything stands. Whoever looks at a preview beside the records
    that he packed sees them as the preview.
    """
    shown = {record.id: record for one in collection.submissions if one.preview for record in one.records}
    own = tuple(record for record in collection.records if not _same(record, shown.get(record.id)))
    if not own:
        return replace(collection, records=tuple(r for one in collection.submissions for r in one.records))
    gate = Gate(own)
    taken: dict[tuple[object, ...], str] = {}
    submissions, problems = [], list(collection.problems)
    for one in sorted(collection.submissions, key=lambda s: (s.folder, s.preview)):
        refused = list(_refused(one.records, one.folder, gate, taken))
        reasons = [f"{record.id}: {why}" for record, why in refused]
        out = {record.id for record, _ in refused}
        mine = tuple(gate.carded(record) for record in one.records if record.id not in out)
        submissions.append(replace(one, records=mine, problems=(*one.problems, *reasons)))
        told = [f"{one.folder}: {line}" for line in ([] if mine else one.problems) or reasons]
        problems += told[:_SHOWN] + ([f"{one.folder}: and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])
    records = (*own, *(record for one in submissions for record in one.records))
    return replace(collection, records=records, submissions=tuple(submissions), problems=tuple(problems))


def _same(record: Record, packed: Record | None) -> bool:
    return packed is not None and measured(packed) == measured(record)


def _refused(
    records: Iterable[Record], folder: str, gate: Gate, taken: dict[tuple[object, ...], str]
) -> Iterator[tuple[Record, str]]:
    for record in records:
        why = gate.refusal(record)
        cell = record.cell
        row = (
            (cell.benchmark.key, cell.engine.key, cell.match, cell.method.key) if gate.in_panel(record) else (cell.id,)
        )
        if not why and taken.setdefault(row, folder) != folder:
            why = f"was handed in by {taken[row]} already, or belongs to a row that was"
        if why:
            yield record, why


@dataclass(frozen=True)
class _Attack:
    """What the maintainers' records of one attack have in common.

    Attributes:
        stops: Series that every model has under it, with the least number of stops; budgets differ between seeds.
        applies: Whether the controls were measured under it.
        items: Headline scores that every measurement has, with their numbers of items.
    """

    card: AttackCard
    stops: Mapping[str, int]
    applies: bool
    items: Mapping[str, int]


@dataclass(frozen=True)
class _Board:
    """The maintainers' records of one benchmark under one engine."""

    card: BenchmarkCard
    methods: Mapping[str, MethodCard]
    attacks: Mapping[str, _Attack]
    matches: frozenset[Match | None]
    items: Mapping[str, int]


class Gate:
    """Says of a record that somebody handed in whether it may stand beside the maintainers' own."""

    def __init__(self, own: Sequence[Record]) -> None:
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in own:
            groups.setdefault((record.cell.benchmark.key, record.cell.engine.key), []).append(record)
        self._boards = {key: _board(records) for key, records in groups.items()}

    def in_panel(self, record: Record) -> bool:
        """Whether the attack is one that the board has."""
        board = self._of(record)
        return board is not None and key_of(record.cell.attack) in board.attacks

    def carded(self, record: Record) -> Record:
        """The record with the board's own cards: what it says of others is not repeated, nor is a badge of its own."""
        board = self._of(record)
        if board is None:
            return record
        attack, method = board.attacks.get(record.cell.attack.key), board.methods.get(record.cell.method.key)
        return replace(
            record,
            benchmark=board.card,
            attack=attack.card if attack else record.attack,
            method=method or replace(record.method, fidelity=""),
        )

    def refusal(self, record: Record) -> str:
        """Why a record may not stand; empty if it may."""
        return next(iter(self._reasons(record)), "")

    def _of(self, record: Record) -> _Board | None:
        return self._boards.get((record.cell.benchmark.key, record.cell.engine.key))

    def _reasons(self, record: Record) -> Iterator[str]:
        board = self._of(record)
        if board is None or record.cell.match not in board.matches:
            yield "no board has its benchmark, model, engine and match; the maintainers measure the controls first"
            return
        attack, known = board.attacks.get(record.cell.attack.key), board.methods.get(record.cell.method.key)
        if attack is None and record.attack.family == "none":
            yield "says that it is under no attack, and the board's own records of that have another name"
        if known is None and record.method.role != "method":
            yield "is a control; the controls of a board are its maintainers'"
        if known is not None and attack is not None:
            yield "is a cell of a row that the board has; only attacks outside its panel may be added to that"
        if attack is not None and attack.applies and record.not_applicable:
            yield "says that the attack does not apply, and it does to every control"
        if attack is not None and record.measurements:
            here = _stops(record)
            for series, least in attack.stops.items():
                if here[series] < least:
                    yield f"has {here[series]} stops of the series '{series}', and every model has {least}"
        yield from _other_items(record, attack.items if attack else board.items)


def _other_items(record: Record, items: Mapping[str, int]) -> Iterator[str]:
    for measurement in record.measurements:
        for name, n in items.items():
            score = measurement.scores.get(name)
            if score is None or not score.headline:
                yield f"lacks the headline score {name} at a stop"
            elif len(score.items) != n:
                yield f"has {len(score.items)} items of {name}, and the board has {n}"


def _board(records: Sequence[Record]) -> _Board:
    by_attack: dict[str, list[Record]] = {}
    for record in records:
        by_attack.setdefault(record.cell.attack.key, []).append(record)
    return _Board(
        card=records[0].benchmark,
        methods={record.cell.method.key: record.method for record in records},
        attacks={key: _attack(group) for key, group in by_attack.items()},
        matches=frozenset(record.cell.match for record in records),
        items=_items(records),
    )


def _attack(records: Sequence[Record]) -> _Attack:
    measured = [_stops(record) for record in records if record.measurements]
    return _Attack(
        card=records[0].attack,
        stops=reduce(and_, measured) if measured else {},
        applies=any(record.measurements for record in records if record.method.role != "method"),
        items=_items(records),
    )


def _stops(record: Record) -> Counter[str]:
    return Counter(measurement.point.series for measurement in record.measurements)


def _items(records: Sequence[Record]) -> dict[str, int]:
    """Headline scores that every measurement has with the same number of items."""
    found: dict[str, int] | None = None
    for record in records:
        for measurement in record.measurements:
            here = {name: len(score.items) for name, score in measurement.scores.items() if score.headline}
            found = here if found is None else {name: n for name, n in found.items() if here.get(name) == n}
    return found or {}
