"""Whether a folder could be written, found out before hours are spent on what should go there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.errors import UserError


def require_writable(folder: Path, flag: str) -> None:
    """Refuse a folder that cannot be written, or made; nothing is left behind.

    Raises:
        UserError: It cannot; names the flag that it came from.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return
    except OSError as error:
        raise UserError(
            f"{flag} {folder} cannot be written: {error.strerror}. Choose another folder with {flag}."
        ) from error
