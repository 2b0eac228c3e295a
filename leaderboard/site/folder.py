"""The folder of a site: every file is written whole or not at all, and what an older build left behind goes.

A build notes what it wrote. The next one into the same folder removes what is noted there and is not of its own: a page
that nothing names any more would say what no longer holds. Whatever else lies there, or was changed since, stays.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

NOTE = ".built.sha256"
"""The note: a digest and an address to a line, as ``sha256sum`` writes them."""


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def tidy(out: Path, sums: Mapping[str, str]) -> None:
    """Remove what the last build noted and this one did not write, and note what this one wrote.

    Args:
        out: The folder of the site.
        sums: By address, the SHA-256 of every file of this build.
    """
    for name, digest in _noted(out):
        path = out / name
        if name not in sums and _lies_within(path, out) and path.is_file() and sha256(path.read_bytes()) == digest:
            path.unlink()
            _remove_empty(path.parent, out)
    write(out / NOTE, listed(sums).encode())


def listed(sums: Mapping[str, str]) -> str:
    """Digests and addresses, one file to a line, in order of address."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def sha256(content: bytes) -> str:
    """The digest of a file."""
    return hashlib.sha256(content).hexdigest()


def _noted(out: Path) -> Iterator[tuple[str, str]]:
    note = out / NOTE
    for line in note.read_text(encoding="utf-8").splitlines() if note.is_file() else ():
        digest, _, name = line.partition("  ")
        yield name, digest


def _lies_within(path: Path, out: Path) -> bool:
    """Whether no link and no pair of dots leads out of the folder."""
    return path.resolve().is_relative_to(out.resolve())


def _remove_empty(folder: Path, out: Path) -> None:
    """Remove a folder and those above it as far as nothing is left in them."""
    while folder != out and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
