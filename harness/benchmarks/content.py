"""Reads what a benchmark ships or is given: JSON lines and digests of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError

DECISIVE = ("config.json", "model.safetensors", "tokenizer.json")
"""Files of a model folder that numbers depend on."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file.

    Raises:
        UserError: The file is not there.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. Reinstall the package, or rebuild with `harness pocket build`.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a JSON-lines file: one object per line, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        UserError: The file is not there.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; this benchmark needs it to know what it measures.")
    with path.open("rb") as file:  # a shard of a large model does not fit into memory twice
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(texts: Iterable[str]) -> str:
    """Hex SHA-256 of texts in order, each ended by a zero byte."""
    sha = hashlib.sha256()
    for text in texts:
        sha.update(text.encode())
        sha.update(b"\0")
    return sha.hexdigest()
