"""What a site is built from: records, and what is known about them that no record says itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
        records: Ids of the records that it holds.
        problems: What `harness leaderboard check` finds wrong with it.
    """

    folder: str
    method: str
    authors: tuple[str, ...]
    links: Mapping[str, str]
    licence: str
    date: str
    note: str
    records: frozenset[str]
    problems: tuple[str, ...] = ()


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
class Collection:
    """Everything that one site shows.

    Attributes:
        records: In any order.
        problems: Files that held no record to be trusted, each with the reason.
        submissions: Who handed in which of the records; the others are the maintainers' own.
        failures: Cells that ran and broke when they ran last.
        rerun: Records of the same cells that the maintainers measured again.
        changes: In any order.
        reported: Numbers of others.
        preview: Ids of records that stand on this site only so that their author sees how they would look.
    """

    records: tuple[Record, ...]
    problems: tuple[str, ...] = ()
    submissions: tuple[Submission, ...] = ()
    failures: tuple[Failure, ...] = ()
    rerun: tuple[Record, ...] = ()
    changes: tuple[Change, ...] = ()
    reported: tuple[Reported, ...] = ()
    preview: frozenset[str] = field(default_factory=frozenset)

    @property
    def extra_attacks(self) -> frozenset[str]:
        """Keys of attacks that only submissions hold: what they leave is shown, and moves no rank.

        Where there are no records of the maintainers' own, whatever was handed in is the panel.
        """
        handed_in = {key for one in self.submissions for key in one.records}
        own = {key_of(record.cell.attack) for record in self.records if record.id not in handed_in}
        return frozenset(key_of(record.cell.attack) for record in self.records) - own if own else frozenset()
