"""A submission: records, their items as plain tables, versions and hashes, in one folder.

<folder>/entry.toml                                   filled in by hand
<folder>/records/<benchmark>/<method>.records.gz
<folder>/items/<benchmark>/<method>.csv.gz            one line per item of every headline score
<folder>/versions.txt   SHA256SUMS
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness.archive import SUFFIX, packed
from harness.record import Record
from leaderboard.slugs import stem
from leaderboard.submissions.about import ABOUT, EXAMPLE

RECORDS, ITEMS, SUMS, VERSIONS = "records", "items", "SHA256SUMS", "versions.txt"
_PACKED = re.compile(rf"(?:{RECORDS}/[a-z0-9-]+/[a-z0-9-]+\.records|{ITEMS}/[a-z0-9-]+/[a-z0-9-]+\.csv)\.gz")
_HEAD = ("cell", "attack", "seed", "stop", "series", "budget", "score", "item", "value")


def pack(records: Sequence[Record], out: Path) -> list[Path]:
    """Write a submission into a folder; an entry that stands there is replaced, but for the file written by hand.

    Files that no entry noted as its own are left alone: the folder may have been named by mistake.
    """
    _remove(out)
    written = []
    for name, content in contents(records):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(out)}\n" for p in sorted(written))
    (out / SUMS).write_text(sums, encoding="utf-8")
    if not (out / ABOUT).exists():
        (out / ABOUT).write_bytes(EXAMPLE.read_bytes())
    return [*written, out / SUMS, out / ABOUT]


def _remove(out: Path) -> None:
    """Every file that the hashes of an earlier entry note, and folders that are empty then."""
    try:
        lines = (out / SUMS).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return
    for name in (line.partition("  ")[2] for line in lines):
        if name == VERSIONS or _PACKED.fullmatch(name):
            (out / name).unlink(missing_ok=True)
            for folder in list((out / name).parents)[: name.count("/")]:
                with suppress(OSError):  # something else lies there
                    folder.rmdir()


def contents(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """Every file but the hashes and the one written by hand."""
    for name, group in _groups(records).items():
        yield f"{RECORDS}/{name}{SUFFIX}", packed(group)
    for name, rows in item_rows(records):
        yield name, gzip.compress(_csv(rows).encode(), mtime=0)
    yield VERSIONS, versions_of(records).encode()


def item_rows(records: Sequence[Record]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """By file, one line per item of every headline score, in order of attack, seed, stop and score."""
    for name, group in _groups(records).items():
        rows: list[tuple[str, ...]] = [_HEAD]
        for record in sorted(group, key=lambda r: (r.cell.attack.name, r.cell.seed, r.id)):
            rows += _lines(record)
        yield f"{ITEMS}/{name}.csv.gz", rows


def archive_of(record: Record) -> str:
    """The file of a record."""
    return f"{RECORDS}/{_group(record)}{SUFFIX}"


def versions_of(records: Sequence[Record]) -> str:
    """What made the records: harness, packages, plugins, devices, one line each."""
    lines = set()
    for record in records:
        stamp = record.provenance
        changed = " with uncommitted changes" if stamp.dirty else ""
        lines.add(f"harness {stamp.harness_version}, commit {stamp.commit}{changed}")
        lines |= {f"package {name} {version}" for name, version in stamp.packages.items()}
        lines |= {f"plugin {name} {version}" for name, version in stamp.distributions.items()}
        lines.add(f"device {stamp.device}, {stamp.dtype}, {stamp.threads} threads, Python {stamp.python}")
    return "".join(f"{' '.join(line.split())}\n" for line in sorted(lines))


def _groups(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_group(record), []).append(record)
    return dict(sorted(groups.items()))


def _group(record: Record) -> str:
    return f"{stem(record.cell.benchmark.name)}/{stem(record.cell.method.name)}"


def _lines(record: Record) -> Iterator[tuple[str, ...]]:
    for at, measurement in enumerate(record.measurements):
        point = measurement.point
        for name, score in sorted(measurement.scores.items()):
            for number, value in enumerate(score.items if score.headline else ()):
                yield (
                    record.id,
                    record.cell.attack.name,
                    str(record.cell.seed),
                    str(at),
                    " ".join(point.series.split()),
                    str(point.budget),
                    name,
                    str(number),
                    repr(value),
                )


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
