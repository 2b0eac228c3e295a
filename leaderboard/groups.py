"""Which records are compared with each other: those of one benchmark, one engine and one match."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from harness.failure import Failure
from harness.record import BenchmarkCard, Cell, Match, Record, dumps
from leaderboard.labels import key_of, order_of


def distinct(records: Iterable[Record]) -> list[Record]:
    """Every cell once, in order of id."""
    copies: dict[str, list[Record]] = {}
    for record in records:
        copies.setdefault(record.id, []).append(record)
    return [_newest(copies[key]) for key in sorted(copies)]


def compared(records: Sequence[Record]) -> Iterator[tuple[str, str, Match | None, list[Record]]]:
    """The records of each board with the keys of its benchmark and its engine, and its match, in the page's order."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cell = record.cell
        groups.setdefault((key_of(cell.benchmark), key_of(cell.engine)), []).append(record)
    for (benchmark, engine), group in sorted(groups.items(), key=lambda pair: _place(pair[1][0])):
        for match, part in _by_match(group):
            yield benchmark, engine, match, part


def card_of(records: Sequence[Record]) -> BenchmarkCard:
    """The newest card among those that claim least: no record can lift a pocket stamp that another one carries."""
    claims = {"pocket": 0, "slice": 1, "full": 2}
    least = min(claims[r.benchmark.scale] for r in records)
    cautious = [r for r in records if claims[r.benchmark.scale] == least]
    return latest([r for r in cautious if r.benchmark.notice] or cautious).benchmark


def latest(records: Iterable[Record]) -> Record:
    """The record that was made last; of several at one time, one and the same whatever their order."""
    return max(records, key=lambda r: (r.provenance.started, r.id))


def outside(records: Sequence[Record], match: Match | None, guests: Collection[str]) -> frozenset[str]:
    """Keys of attacks that, on one board, only records have that were handed in (``guests``, ids).

    Where there are no others, whatever was handed in is the panel. The controls of a board of matched models met every
    attack that anybody ran there, so that they do not say what its panel is.
    """
    own = {key_of(r.cell.attack) for r in records if r.id not in guests and r.cell.match == match}
    return frozenset(key_of(r.cell.attack) for r in records) - own if own else frozenset()


def nowhere(records: Sequence[Record]) -> str:
    """Why a method could not be matched on any seed; empty if it could."""
    before = [r for r in records if r.attack.family == "none"]
    reasons = [r.not_applicable for r in before]
    return reasons[0] if reasons and all(reasons) else ""


def broken(failures: Sequence[Failure], cell: Cell, match: Match | None) -> dict[tuple[str, str], dict[int, str]]:
    """By keys of method and attack, why a cell of this board broke, by seed."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for one in failures:
        if (one.cell.benchmark.key, one.cell.engine.key, one.cell.match) == (
            cell.benchmark.key,
            cell.engine.key,
            match,
        ):
            found.setdefault((one.cell.method.key, one.cell.attack.key), {})[one.cell.seed] = one.reason
    return found


def _by_match(records: Sequence[Record]) -> Iterator[tuple[Match | None, list[Record]]]:
    """Models as they are first, then those at each common place, with the controls under the attacks they met there."""
    plain = [r for r in records if r.cell.match is None]
    controls = [r for r in plain if r.method.role != "method"]
    matches = sorted({r.cell.match for r in records if r.cell.match}, key=lambda m: (m.axis, m.level, m.version))
    if len(plain) > len(controls) or not matches:
        yield None, plain
    for match in matches:
        here = [r for r in records if r.cell.match == match]
        met = {key_of(r.cell.attack) for r in here}
        yield match, [*here, *(r for r in controls if r.attack.family == "none" or key_of(r.cell.attack) in met)]


def _place(record: Record) -> tuple[object, ...]:
    """Where a board stands on the page."""
    return *order_of(record.cell.benchmark), *order_of(record.cell.engine)


def _newest(copies: Sequence[Record]) -> Record:
    """One of several records of the same cell, whatever their order."""
    return copies[0] if len(copies) == 1 else max(copies, key=lambda r: (r.provenance.started, dumps(r)))
