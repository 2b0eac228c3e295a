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
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.archive import SUFFIX, packed
from harness.record import Record
from leaderboard.slugs import stem
from leaderboard.submissions.about import ABOUT, EXAMPLE

RECORDS, ITEMS, SUMS, VERSIONS = "records", "items", "SHA256SUMS", "versions.txt"
_HEAD = ("cell", "attack", "seed", "stop", "series", "budget", "score", "item", "value")


def pack(records: Sequence[Record], out: Path) -> list[Path]:
    """Write a submission into a folder; what stands there already is replaced, but for the file written by hand."""
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
        groups.setdefault(f"{stem(record.cell.benchmark.name)}/{stem(record.cell.method.name)}", []).append(record)
    return dict(sorted(groups.items()))


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
