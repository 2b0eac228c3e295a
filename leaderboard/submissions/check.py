"""Is a submission what it says? Every problem is named with its file and field, never just the first.

Nothing here trusts the folder: no link is followed, nothing outside it is read, ids and hashes are computed anew, and
totals are formed again from their items.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.archive import LARGEST, SUFFIX, unpacked
from harness.record import Record, Score, measured
from leaderboard.derive import boards_of
from leaderboard.labels import key_of
from leaderboard.submissions.about import ABOUT, About, Problem, read_about
from leaderboard.submissions.pack import ITEMS, RECORDS, SUMS, VERSIONS, item_rows, row_ids, versions_of

LARGEST_FOLDER = 64 * 2**20
ROUNDING = 1e-6


@dataclass(frozen=True)
class Checked:
    """What a folder holds.

    Attributes:
        about: None where it cannot be read.
        records: Those that can be trusted.
    """

    folder: Path
    about: About | None
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]


def is_submission(folder: Path) -> bool:
    """Whether somebody packed this folder."""
    return (folder / ABOUT).is_file() or (folder / SUMS).is_file()


def check(folder: Path, board: Sequence[Record] = ()) -> Checked:
    """Look at everything that a submission says.

    Args:
        folder: What `harness submit pack` wrote.
        board: The records that it would stand beside; without them nothing is said of what is missing.
    """
    layout = list(_layout(folder))
    if any(problem.where == "link" or not problem.file for problem in layout):
        return Checked(folder, None, (), tuple(layout))
    found = read_about(folder)
    about = found if isinstance(found, About) else None
    records, broken = _records(folder)
    problems = [
        *layout,
        *([] if isinstance(found, About) else found),
        *_sums(folder),
        *broken,
        *(problem for record in records for problem in _plausible(record)),
        *_items(folder, records),
        *_versions(folder, records),
        *_beside(records, board),
    ]
    return Checked(folder, about, tuple(records), tuple(problems))


def _layout(folder: Path) -> Iterator[Problem]:
    """Only files of our own kinds, no links, and not too many bytes."""
    if not folder.is_dir():
        yield Problem("", "", f"{folder} is no folder; give the one that `harness submit pack` wrote")
        return
    total = 0
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            yield Problem(name, "link", "is a link; nothing in a submission may lead out of it")
        elif path.is_file():
            total += path.stat().st_size
            if not _expected(name):
                yield Problem(name, "", "does not belong to a submission; remove it and pack again")
    if total > LARGEST_FOLDER:
        yield Problem("", "", f"holds {total / 2**20:.0f} MiB; at most {LARGEST_FOLDER >> 20} are taken")


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
    problems = []
    for path in sorted((folder / RECORDS).rglob(f"*{SUFFIX}")):
        name = str(path.relative_to(folder))
        for found in unpacked(path):
            if isinstance(found, str):
                problems.append(Problem(name, "", found))
            elif found.id in records:
                problems.append(Problem(name, found.id, "stands here a second time"))
            else:
                records[found.id] = found
    if not records and not problems:
        problems.append(Problem(RECORDS, "", "holds no record"))
    return list(records.values()), problems


def _plausible(record: Record) -> Iterator[Problem]:
    """Totals equal the means of their items, and no number is out of its range."""
    file = f"{RECORDS}/{record.cell.benchmark.name}"
    for at, measurement in enumerate(record.measurements):
        for name, score in measurement.scores.items():
            where = f"{record.id}, stop {at}, {name}"
            for text in _wrong(score):
                yield Problem(file, where, text)
    costs = (record.unlearn_cost, record.attack_cost)
    if any(value < 0 for cost in costs for value in (cost.seconds, cost.steps, cost.forwards, cost.backwards)):
        yield Problem(file, record.id, "costs less than nothing")
    if record.cell.seed < 0:
        yield Problem(file, record.id, f"seed {record.cell.seed} is below 0")


def _wrong(score: Score) -> Iterator[str]:
    if score.n < 1 or score.stderr < 0:
        yield f"{score.n} items with standard error {score.stderr}"
    if score.headline and not 0 <= score.value <= 1:
        yield f"is {score.value}, and a headline score lies between 0 and 1"
    if not score.items:
        return
    if len(score.items) != score.n:
        yield f"has {len(score.items)} items and says {score.n}"
    mean = math.fsum(score.items) / len(score.items)
    if abs(mean - score.value) > ROUNDING:
        yield f"is {score.value:.6f}, and the mean of its items is {mean:.6f}"
    elif len(score.items) > 1:
        spread = math.fsum((item - mean) ** 2 for item in score.items) / (len(score.items) - 1)
        error = math.sqrt(spread / len(score.items))
        if score.axis != "privacy" and abs(error - score.stderr) > ROUNDING:
            yield f"has standard error {score.stderr:.6f}, and its items give {error:.6f}"


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
            text = handle.read(LARGEST + 1)
        found = list(csv.reader(io.StringIO(text.decode())))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        yield Problem(name, "", f"cannot be read: {error}")
        return
    if len(found) != len(rows):
        yield Problem(name, "", f"has {len(found)} lines, and the records give {len(rows)}")
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


def _beside(records: Sequence[Record], board: Sequence[Record]) -> Iterator[Problem]:
    """What the board that it aims at has, and this has not; and what they both claim to have measured."""
    known = {record.id: record for record in board}
    for record in records:
        rival = known.get(record.id)
        if rival is not None and measured(rival) != measured(record):
            yield Problem(RECORDS, record.id, "is on the board already, with other numbers")
        elif rival is not None:
            yield Problem(RECORDS, record.id, "is on the board already")
    if not board:
        return
    mine = {record.id for record in records}
    ids = row_ids(records)
    for derived in boards_of([*board, *records]):
        for row in derived.rows:
            if row.key in ids and row.card.role == "method":
                theirs = [r for r in derived.records if key_of(r.cell.method) == row.key and r.id in mine]
                for gap in row.gaps if theirs else ():
                    yield Problem(RECORDS, f"{derived.benchmark.name}, {row.label.text}", f"missing: {gap}")


def sorted_problems(problems: Iterable[Problem]) -> list[str]:
    """In words, in order of file."""
    return [str(problem) for problem in sorted(problems, key=lambda p: (p.file, p.where, p.text))]
