"""Records packed for publication: one file per benchmark and method, a twelfth of the size; nothing in them changes.

    <root>/<benchmark>/<method>.records.gz      gzip of one record per line, in order of attack, seed, match and id

The bytes depend on the records alone. What is read is trusted no more than a single record's file.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.record import Record, RecordError, dumps, loads

SUFFIX = ".records.gz"
LARGEST = 2**28
"""Bytes that one file may hold when unpacked: ten times what a method has on a board of three seeds."""


def packed(records: Iterable[Record]) -> bytes:
    """The content of one archive."""
    ordered = sorted(records, key=lambda r: (r.cell.attack.name, r.cell.seed, str(r.cell.match), r.id))
    return gzip.compress("".join(map(dumps, ordered)).encode(), mtime=0)


def unpacked(path: Path) -> Iterator[Record | str]:
    """The records of an archive, and in words every line that holds none that can be trusted."""
    try:
        with gzip.open(path) as handle:
            text = handle.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        yield f"cannot be unpacked: {error}"
        return
    if len(text) > LARGEST:
        yield f"holds more than {LARGEST >> 20} MiB"
        return
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield loads(line.decode())
        except (RecordError, UnicodeDecodeError) as error:
            yield f"line {number} is not a record that can be trusted: {error}"
