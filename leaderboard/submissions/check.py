"""Is a submission what it says? Every problem is named with its file and field, never just the first.

Nothing here trusts the folder: a link in it ends the check, ids and hashes are computed anew, totals are formed again
from their items, and no number is worked with before its range was looked at.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from harness.archive import LARGEST, SUFFIX, unpacked
from harness.record import Record
from leaderboard.collection import Submission
from leaderboard.submissions.about import ABOUT, About, Problem, read_about
from leaderboard.submissions.beside import beside
from leaderboard.submissions.pack import ITEMS, RECORDS, SUMS, VERSIONS, archive_of, item_rows, versions_of
from leaderboard.submissions.places import REPRODUCED, SUBMISSIONS
from leaderboard.submissions.plausible import implausible

LARGEST_FOLDER = 64 * 2**20
LARGEST_UNPACKED = 2**30
"""Bytes of all archives of a folder together, unpacked."""


@dataclass(frozen=True)
class Checked:
    """What a folder holds.

    Attributes:
        about: None where it cannot be read.
        records: Those that can be read without harm; none if a problem is fatal.
        notes: What whoever hands it in should know, and nothing that is wrong.
    """

    folder: Path
    about: About | None
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()


def check(folder: Path, board: Sequence[Record] = ()) -> Checked:
    """Look at everything that a submission says.

    Args:
        folder: What `harness submit pack` wrote.
        board: The maintainers' records that it would stand beside; without them nothing is said of what is missing.
    """
    return check_all([folder], board)[0]


def check_all(
    folders: Sequence[Path], board: Sequence[Record] = (), others: Sequence[Submission] = ()
) -> list[Checked]:
    """Look at several submissions, in order of name, which would stand beside each other and beside ``others``."""
    alone = [_alone(folder) for folder in sorted(folders, key=lambda f: (f.resolve().name, f))]
    said = beside([(one.folder.resolve().name, one.records) for one in alone], board, others)
    return [
        replace(one, problems=(*one.problems, *more.problems), notes=more.notes)
        for one, more in zip(alone, said, strict=True)
    ]


def _alone(folder: Path) -> Checked:
    layout = list(_layout(folder))
    if any(problem.fatal for problem in layout):
        return Checked(folder, None, (), tuple(layout))
    found = read_about(folder)
    about = found if isinstance(found, About) else None
    records, broken = _records(folder)
    problems = [
        *layout,
        *([] if isinstance(found, About) else found),
        *_sums(folder),
        *broken,
        *(problem for record in records for problem in implausible(record)),
    ]
    if any(problem.fatal for problem in problems):
        return Checked(folder, about, (), tuple(problems))
    problems += [*_items(folder, records), *_versions(folder, records)]
    return Checked(folder, about, tuple(records), tuple(problems))


def _layout(folder: Path) -> Iterator[Problem]:
    """Only files of our own kinds, no links, and not too many bytes."""
    if not folder.is_dir():
        yield Problem("", "", f"{folder} is no folder; give the one that `harness submit pack` wrote", fatal=True)
        return
    if (called := folder.resolve().name) in (SUBMISSIONS, REPRODUCED):
        yield Problem("", "", f"no entry may be called '{called}', a name of the maintainers; rename it", fatal=True)
        return
    total, unpacked_bytes = 0, 0
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            yield Problem(name, "", "is a link; nothing in a submission may lead out of it", fatal=True)
        elif path.is_file():
            total += path.stat().st_size
            if total > LARGEST_FOLDER:
                yield Problem("", "", f"holds more than {LARGEST_FOLDER >> 20} MiB", fatal=True)
                return
            unpacked_bytes += _unpacked_bytes(path) if name.endswith(".gz") else 0
            if unpacked_bytes > LARGEST_UNPACKED:
                yield Problem(name, "", f"brings the folder to more than {LARGEST_UNPACKED >> 20} MiB", fatal=True)
                return
            if not _expected(name):
                yield Problem(name, "", "does not belong to a submission; remove it and pack again")
        elif not path.is_dir():
            yield Problem(name, "", "is neither a file nor a folder; remove it and pack again", fatal=True)


def _unpacked_bytes(path: Path) -> int:
    """How much an archive holds, counted without keeping it, and no further than is allowed."""
    total = 0
    try:
        with gzip.open(path) as handle:
            while total <= LARGEST_UNPACKED and (part := handle.read(2**20)):
                total += len(part)
    except (OSError, EOFError, zlib.error):
        return total  # whoever reads it says what is wrong
    return total


def _expected(name: str) -> bool:
    parts = name.split("/")
    if len(parts) == 1:
        return name in (ABOUT, SUMS, VERSIONS)
    ends = {RECORDS: SUFFIX, ITEMS: ".csv.gz"}
    return len(parts) == 3 and parts[0] in ends and parts[2].endswith(ends[parts[0]])


def _sums(folder: Path) -> Iterator[Problem]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(SUMS, "", f"cannot be read: {error}")
        return
    noted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    present = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.name != SUMS}
    for name in sorted(noted.keys() - present.keys()):
        yield Problem(SUMS, name, "is noted here and is not in the folder")
    for name, path in sorted(present.items()):
        if name == ABOUT:
            continue  # written by hand after the folder was packed
        if name not in noted:
            yield Problem(SUMS, name, "is in the folder and not noted here")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != noted[name]:
            yield Problem(SUMS, name, "is not the file that was packed: its SHA-256 differs")


def _records(folder: Path) -> tuple[list[Record], list[Problem]]:
    records: dict[str, Record] = {}
    problems: list[Problem] = []
    for path in sorted((folder / RECORDS).rglob(f"*{SUFFIX}")):
        name = str(path.relative_to(folder))
        before = len(records) + len(problems)
        for found in unpacked(path):
            if isinstance(found, str):
                problems.append(Problem(name, "", found, fatal=True))
            elif found.id in records:
                problems.append(Problem(name, found.id, "stands here a second time", fatal=True))
            elif name != archive_of(found):
                problems.append(Problem(name, found.id, f"belongs to {archive_of(found)}; pack again", fatal=True))
            else:
                records[found.id] = found
        if len(records) + len(problems) == before:
            problems.append(Problem(name, "", "holds no record; remove it and pack again", fatal=True))
    if not records and not problems:
        problems.append(Problem(RECORDS, "", "holds no record", fatal=True))
    return list(records.values()), problems


def _items(folder: Path, records: Sequence[Record]) -> Iterator[Problem]:
    """The files of items say what the records say."""
    due = {name: rows for name, rows in item_rows(records)}
    present = {str(path.relative_to(folder)): path for path in sorted((folder / ITEMS).rglob("*.csv.gz"))}
    for name in sorted(due.keys() | present.keys()):
        if name not in present:
            yield Problem(name, "", "is missing; pack again")
        elif name not in due:
            yield Problem(name, "", "belongs to no record of this folder")
        else:
            yield from _same_rows(name, present[name], due[name])


def _same_rows(name: str, path: Path, rows: Sequence[Sequence[str]]) -> Iterator[Problem]:
    try:
        with gzip.open(path) as handle:
            text = handle.read(LARGEST + 1).decode()
        found = list(islice(csv.reader(io.StringIO(text)), len(rows) + 1))  # blank lines are cheap to pack, not to hold
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        yield Problem(name, "", f"cannot be read: {error}")
        return
    if len(found) != len(rows):
        have = len(found) if len(found) < len(rows) else "more"
        yield Problem(name, "", f"has {have} lines, and the records give {len(rows)}")
    for number, (mine, theirs) in enumerate(zip(found, rows, strict=False), start=1):
        if list(mine) != list(theirs):
            yield Problem(name, f"line {number}", "is not what the record says")
            return


def _versions(folder: Path, records: Sequence[Record]) -> Iterator[Problem]:
    try:
        found = (folder / VERSIONS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(VERSIONS, "", f"cannot be read: {error}")
        return
    due = versions_of(records)
    for line in sorted(set(found.splitlines()) - set(due.splitlines())):
        yield Problem(VERSIONS, line[:80], "is not what the records say")
    for line in sorted(set(due.splitlines()) - set(found.splitlines())):
        yield Problem(VERSIONS, line[:80], "is missing")


def sorted_problems(problems: Iterable[Problem]) -> list[str]:
    """In words, in order of file."""
    return [str(problem) for problem in sorted(problems, key=lambda p: (p.file, p.where, p.text))]
