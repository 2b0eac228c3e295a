"""Records packed for publication, one file per benchmark and method; an eighth of the size, none changed.

    <root>/<benchmark>/<method>.records.gz      gzip of one record per line, in order of attack, seed, match and id

The bytes depend on the records alone. What is read is trusted no more than a single record's file.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from harness.record import Record, RecordError, dumps, loads

SUFFIX = ".records.gz"
LARGEST = 2**28
"""Bytes that one file may hold when unpacked: ten times what a method has on a board of three seeds."""
LEVEL = 7
"""Of compression: 9 saves 7 % of the bytes and takes five times as long, which was half of a site's build."""
MOST_BAD = 20
"""Lines without a record after which a file is not read on."""


def packed(records: Iterable[Record]) -> bytes:
    """The content of one archive."""
    ordered = sorted(records, key=lambda r: (r.cell.attack.name, r.cell.seed, str(r.cell.match), r.id))
    return gzip.compress("".join(map(dumps, ordered)).encode(), LEVEL, mtime=0)


def unpacked(path: Path) -> Iterator[Record | str]:
    """The records of an archive, and in words every line that holds none that can be trusted."""
    read, bad = 0, 0
    try:
        with gzip.open(path) as handle:
            for number in count(1):
                line = handle.readline(LARGEST + 1)
                if not line:
                    return
                read += len(line)
                if read > LARGEST:
                    yield f"holds more than {LARGEST >> 20} MiB"
                    return
                try:
                    yield loads(line.decode())
                except (RecordError, UnicodeDecodeError) as error:
                    bad += 1
                    yield f"line {number} is not a record that can be trusted: {error}"
                if bad == MOST_BAD:
                    yield f"is not read beyond line {number}, for {bad} lines hold no record"
                    return
    except (OSError, EOFError, zlib.error) as error:
        yield f"cannot be unpacked: {error}"
