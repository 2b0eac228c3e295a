"""How far a row can be trusted: read off what lies in the collection, never typed by anybody.

self-reported    handed in, but its files do not check
files checked    schema, ids and hashes hold, and totals equal the mean of their items
re-scored        some of its cells were measured again by the maintainers and agree, but not all
reproduced       every cell of a seed was measured again and agrees
first-party      the maintainers' own, not measured a second time
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.record import Measurement, Record, Score
from leaderboard.collection import Collection, Submission
from leaderboard.labels import key_of

Status = Literal["self-reported", "files checked", "first-party", "re-scored", "reproduced"]
STATUSES: tuple[Status, ...] = ("self-reported", "files checked", "first-party", "re-scored", "reproduced")
TOLERANCE = 0.02
ERRORS = 3.0
"""A score agrees if it differs by no more than this, or than so many standard errors of a difference between two."""


@dataclass(frozen=True)
class Evidence:
    """What stands behind one row.

    Attributes:
        agree: Cells that were measured again and agree.
        differ: Cells that were measured again and do not, each with what differs.
        submissions: Who handed it in; none for the maintainers' own.
        attackers: Who ran an attack outside the panel on it, by the attack's key. They vouch for that attack alone.
        preview: Whether the row stands here only for its author to look at.
    """

    status: Status
    cells: int
    agree: int
    differ: tuple[str, ...]
    submissions: tuple[Submission, ...]
    attackers: Mapping[str, tuple[Submission, ...]]
    preview: bool
    date: str


class Witnesses:
    """Everything in a collection that speaks for or against a row."""

    def __init__(self, collection: Collection) -> None:
        self._submission = {record.id: one for one in collection.submissions for record in one.records}
        self._rerun = {record.id: record for record in collection.rerun}
        self._outside = collection.outside

    def evidence(self, row: Sequence[Record]) -> Evidence:
        """What stands behind the records of one row; attacks outside the panel neither support nor taint it."""
        extra = [record for record in row if self._outside(record)]
        records = [record for record in row if not self._outside(record)] or extra
        submissions = self._who(records)
        again = [(r, self._rerun[r.id]) for r in records if r.id in self._rerun]
        differ = tuple(f"{_name(one)}: {what}" for one, other in again for what in differences(one, other))
        bad = {one.id for one, other in again if any(differences(one, other))}
        agree = [one for one, _ in again if one.id not in bad]
        return Evidence(
            status=self._status(records, submissions, agree, bad),
            cells=len(records),
            agree=len(agree),
            differ=differ,
            submissions=submissions,
            attackers=self._attackers(extra),
            preview=any(one.preview for one in submissions),
            date=max(record.provenance.started for record in records)[:10],
        )

    def _who(self, records: Sequence[Record]) -> tuple[Submission, ...]:
        found = {one.folder: one for r in records if (one := self._submission.get(r.id))}
        return tuple(found[folder] for folder in sorted(found))

    def _attackers(self, extra: Sequence[Record]) -> dict[str, tuple[Submission, ...]]:
        attacks = {key_of(record.cell.attack) for record in extra}
        return {key: self._who([r for r in extra if key_of(r.cell.attack) == key]) for key in attacks}

    def _status(
        self, records: Sequence[Record], submissions: Sequence[Submission], agree: Sequence[Record], bad: set[str]
    ) -> Status:
        if any(submission.problems for submission in submissions):
            return "self-reported"
        again = {record.id for record in agree}
        whole = any(all(r.id in again for r in seed) for seed in _by_seed(records).values())
        if whole and not bad:
            return "reproduced"
        if agree and not bad:
            return "re-scored"
        return "files checked" if submissions else "first-party"


def differences(one: Record, again: Record) -> Iterator[str]:
    """In which headline scores of common stops a record and its repetition differ by more than noise, in words.

    A search goes on from what it found, and that differs between machines; but it has as many stops on each. What
    noise is, the repetition says, for the record may claim any.
    """
    stops = {_place(m): m for m in again.measurements}
    common = [(m, stops[_place(m)]) for m in one.measurements if _place(m) in stops]
    if not common and (one.measurements or again.measurements):
        yield "they have no stop in common"
    if len(one.measurements) < len(again.measurements):
        yield f"it has {len(one.measurements)} stops, and {len(again.measurements)} when measured again"
    for m, repeated in common:
        mine = _headline(m)
        for name, score in _headline(repeated).items():
            if name not in mine:
                yield f"{name} is missing, and {score.value:.3f} when measured again"
            elif abs(score.value - mine[name].value) > max(TOLERANCE, ERRORS * 2**0.5 * score.stderr):
                yield f"{name} is {mine[name].value:.3f}, and {score.value:.3f} when measured again"


def _headline(measurement: Measurement) -> Mapping[str, Score]:
    return {name: score for name, score in measurement.scores.items() if score.headline and score.split == "test"}


def _place(measurement: Measurement) -> tuple[str, int]:
    return measurement.point.series, measurement.point.budget


def _name(record: Record) -> str:
    return f"{record.cell.attack.name}, seed {record.cell.seed}"


def _by_seed(records: Sequence[Record]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    for record in records:
        found.setdefault(record.cell.seed, []).append(record)
    return found
