"""What a site is built from: records, and what is known about them that no record says itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.failure import Failure
from harness.record import Record
from leaderboard.labels import key_of


@dataclass(frozen=True)
class Submission:
    """What somebody says of the entries that he handed in.

    Attributes:
        folder: Name of the folder that he packed.
        method: The method's name as its author writes it.
        authors: Names, or none for an anonymous entry that may be claimed later.
        links: What it is (paper, code, weights) -> an https address.
        licence: Of the records.
        date: On which it was packed, ISO.
        note: A sentence of his own.
        records: Those that it holds and that can be read without harm.
        problems: What `harness leaderboard check` finds wrong with it.
        preview: Whether it stands on this site only so that its author sees how it would look.
    """

    folder: str
    method: str
    authors: tuple[str, ...]
    links: Mapping[str, str]
    licence: str
    date: str
    note: str
    records: tuple[Record, ...]
    problems: tuple[str, ...] = ()
    preview: bool = False


@dataclass(frozen=True)
class Change:
    """Something that happened to the board: a release, an erratum, an entry that was withdrawn.

    Attributes:
        date: ISO.
        kind: ``release``, ``erratum`` or ``withdrawn``.
        text: What happened, and why.
        entry: Whose page it concerns; empty if it is the board's.
        name: Of a release.
    """

    date: str
    kind: str
    text: str
    entry: str = ""
    name: str = ""


@dataclass(frozen=True)
class Reported:
    """A number that somebody else published. It is shown as such and never ranked.

    Attributes:
        benchmark: Name of the benchmark.
        model: Base model.
        method: As the source calls it.
        quantity: What was measured, as the source calls it.
        value: In the source's unit.
        source: Paper or page, with table or figure.
        link: https address of it.
        note: Why it may differ from ours.
    """

    benchmark: str
    model: str
    method: str
    quantity: str
    value: str
    source: str
    link: str
    note: str = ""


@dataclass(frozen=True)
class Defect:
    """What is wrong with somebody's public code of a method, so that its numbers are not compared with ours unwarned.

    Attributes:
        method: Its name here.
        source: Repository and path.
        link: https address of it, at the commit that was read.
        text: What it computes, and what the method asks for.
        effect: What follows for numbers made with it.
    """

    method: str
    source: str
    link: str
    text: str
    effect: str


@dataclass(frozen=True)
class Collection:
    """Everything that one site shows.

    Attributes:
        records: The maintainers' own, in any order; `admitted` adds what may stand of the submissions.
        problems: Files that held no record to be trusted, each with the reason.
        submissions: What others handed in.
        failures: Cells that ran and broke when they ran last.
        rerun: Records of the same cells that the maintainers measured again.
        changes: In any order.
        reported: Numbers of others.
        defects: Of public code.
        repository: https address of the repository that takes entries and reports; empty if the site names none.
    """

    records: tuple[Record, ...]
    problems: tuple[str, ...] = ()
    submissions: tuple[Submission, ...] = ()
    failures: tuple[Failure, ...] = ()
    rerun: tuple[Record, ...] = ()
    changes: tuple[Change, ...] = ()
    reported: tuple[Reported, ...] = ()
    defects: tuple[Defect, ...] = ()
    repository: str = ""

    @property
    def own(self) -> tuple[Record, ...]:
        """The maintainers' records."""
        guests = self.guests
        return tuple(record for record in self.records if record.id not in guests)

    @property
    def guests(self) -> frozenset[str]:
        """Ids of records that were handed in."""
        return frozenset(record.id for one in self.submissions for record in one.records)

    @cached_property
    def _panels(self) -> frozenset[tuple[object, ...]]:
        """Each attack of the maintainers' on each of their boards."""
        return frozenset(_at(record) for record in self.own)

    def outside(self, record: Record) -> bool:
        """Whether a record is of an attack that the maintainers' records of its board have not, if there are any."""
        return bool(self._panels) and _at(record) not in self._panels

    @property
    def extra_attacks(self) -> frozenset[str]:
        """Keys of attacks that only submissions hold: what they leave is shown, and moves no rank.

        Where there are no records of the maintainers' own, whatever was handed in is the panel.
        """
        own = {key_of(record.cell.attack) for record in self.own}
        return frozenset(key_of(record.cell.attack) for record in self.records) - own if own else frozenset()


def _at(record: Record) -> tuple[object, ...]:
    cell = record.cell
    return key_of(cell.benchmark), key_of(cell.engine), cell.match, key_of(cell.attack)
