"""What of a submission may stand on a site: rows and attacks of its own, and nothing that changes anybody else's.

A board's scale, panel, cards and rows are its maintainers'. Whoever hands something in adds a row, measured under the
panel at the stops and on the items that everybody has, or an attack outside the panel on rows that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.record import Record, measured
from leaderboard.collection import Collection
from leaderboard.submissions.gate import Gate

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
    submissions, problems = [], list(collection.problems)
    ordered = sorted(collection.submissions, key=lambda s: (s.folder, s.preview))
    for one, refused in zip(ordered, refusals([(s.folder, s.records) for s in ordered], gate), strict=True):
        reasons = [f"{key}: {why}" for key, why in refused.items()]
        mine = tuple(gate.carded(record) for record in one.records if record.id not in refused)
        submissions.append(replace(one, records=mine, problems=(*one.problems, *reasons)))
        told = [f"{one.folder}: {line}" for line in ([] if mine else one.problems) or reasons]
        problems += told[:_SHOWN] + ([f"{one.folder}: and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])
    records = (*own, *(record for one in submissions for record in one.records))
    return replace(collection, records=records, submissions=tuple(submissions), problems=tuple(problems))


def refusals(handed: Sequence[tuple[str, Iterable[Record]]], gate: Gate) -> list[dict[str, str]]:
    """Why records may not stand, by id, for each of several submissions in the order in which they are asked.

    Args:
        handed: Each with the name of its folder.
        gate: Of the board that they would stand on.
    """
    taken: dict[tuple[object, ...], int] = {}
    seeds: set[tuple[object, ...]] = set()
    found: list[dict[str, str]] = [{} for _ in handed]
    for panel in (True, False):  # an attack outside the panel needs a row that it is on
        for number, (_, records) in enumerate(handed):
            for record in records:
                if gate.in_panel(record) is not panel:
                    continue
                row = _row(record)
                why = gate.refusal(record)
                if not why and not panel and not gate.has_row(record) and (*row, record.cell.seed) not in seeds:
                    why = "is of an attack outside the panel, on a row or a seed that is not there"
                first = number if why else taken.setdefault(row if panel else (record.id,), number)
                if first != number:
                    why = f"was handed in by {handed[first][0]} already, or belongs to a row that was"
                if why:
                    found[number][record.id] = why
                elif panel:
                    seeds.add((*row, record.cell.seed))
    return found


def _same(record: Record, packed: Record | None) -> bool:
    return packed is not None and measured(packed) == measured(record)


def _row(record: Record) -> tuple[object, ...]:
    cell = record.cell
    return cell.benchmark.key, cell.engine.key, cell.match, cell.method.key
