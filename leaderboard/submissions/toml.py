"""TOML that somebody wrote: its size is looked at before it is parsed, and every way in which it fails is one error."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any


class TomlError(ValueError):
    """The file is none that can be read; the message says why, after the name of the file."""


def read_toml(path: Path, *, largest: int) -> tuple[dict[str, Any], str]:
    """The content of a file, as it is and as JSON.

    Args:
        path: The file.
        largest: In bytes; the parser needs time and memory that grow with the square of a dotted key.

    Raises:
        FileNotFoundError: There is no such file.
        TomlError: It cannot be read, is larger, or is no TOML that JSON can hold.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(largest + 1)
        if len(raw) > largest:
            raise TomlError(f"is larger than {largest >> 10} KiB; shorten it")
        found = tomllib.loads(raw.decode())
        return found, json.dumps(found, default=str)
    except (FileNotFoundError, TomlError):
        raise
    except RecursionError as error:
        raise TomlError("is nested too deeply") from error
    except (OSError, ValueError) as error:  # also of a number with more digits than Python reads
        raise TomlError(f"is no TOML file: {error}") from error
