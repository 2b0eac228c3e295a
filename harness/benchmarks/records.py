"""Loads splits of public data sets, from a folder laid out as the hub is or from the hub, and checks what it got.

Every fault names the data set, the config, the split and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.exceptions import DatasetNotFoundError

from harness.errors import UserError

Check = Callable[[dict[str, Any]], str]
"""Says what is wrong with a record; empty if nothing is."""


@dataclass(frozen=True)
class SplitName:
    """Where records are: the data set's id on the hub, its config and its split."""

    dataset: str
    config: str
    split: str

    def __str__(self) -> str:
        return f"{self.dataset}, config '{self.config}', split '{self.split}'"


def is_text(*columns: str, blank: bool = False) -> Check:
    """A check that these columns hold text, which may be blank only where that is said."""

    def check(record: dict[str, Any]) -> str:
        for column in columns:
            value = record[column]
            if not isinstance(value, str) or not (blank or value.strip()):
                return f"column '{column}' holds {value!r} where text was expected"
        return ""

    return check


def load_split(name: SplitName, *, columns: Sequence[str], data_root: str, check: Check) -> list[dict[str, Any]]:
    """All records of a split, with exactly the columns asked for.

    Args:
        name: What to load.
        columns: Columns that must be there.
        data_root: Folder with ``<org>/<name>`` below it; empty: the hub (or its cache).
        check: Looks at every record.

    Raises:
        UserError: The data set, config, split or a column is missing, the split is empty, or a record is wrong.
    """
    table = _loaded(name, data_root)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(
            f"{name} has no column '{missing[0]}'. Expected {_listed(columns)}, found {_listed(table.column_names)}."
        )
    records = [dict(record) for record in table.select_columns(list(columns))]
    if not records:
        raise UserError(f"{name} is empty. Expected records with {_listed(columns)}.")
    for index, record in enumerate(records):
        fault = check(record)
        if fault:
            raise UserError(f"{name}, record {index}: {fault}.")
    return records


def _loaded(name: SplitName, data_root: str) -> Any:  # noqa: ANN401 - datasets is untyped at this border
    """The split as `datasets` gives it."""
    place = name.dataset
    if data_root:
        folder = Path(data_root) / name.dataset
        if not folder.is_dir():
            raise UserError(f"{folder} is not there. A data root is laid out <root>/<org>/<name>, as the hub is.")
        place = str(folder)
    try:
        return datasets.load_dataset(place, name.config, split=name.split)
    except (ValueError, OSError, DatasetNotFoundError) as error:
        raise UserError(
            f"Cannot load {name} from {place if data_root else 'the hub'}: {error} "
            "Download the data set whole, or give another --data-root."
        ) from error


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"'{column}'" for column in columns)
