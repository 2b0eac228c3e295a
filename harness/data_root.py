"""Copies of data sets below a data root, read as they are now.

`datasets` keeps what it once read from a folder under a name made of the folder's last part, the config and the README
alone (5.2.0): a copy in another place, or one that was renewed, would be answered with the old records. So each state
of each folder gets a cache of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import datasets


def cache_of(folder: Path) -> str:
    """The folder in which `datasets` is to keep what it reads from ``folder`` in its present state.

    Args:
        folder: Copy of one data set; its place and the names, sizes and times of its files make the state.
    """
    digest = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        stat = path.stat()
        digest.update(f"\0{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "data-root" / digest.hexdigest()[:16])
