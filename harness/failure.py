"""A cell that did not become a record: why, and where its log is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.api import STRICT
from harness.cell import Cell


@dataclass(frozen=True)
class Failure:
    """Why a cell failed.

    Attributes:
        cell: The cell.
        reason: One line for a table.
        log: Path of the file with the traceback and everything the cell printed.
    """

    cell: Cell
    reason: str
    log: str

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.cell.id
