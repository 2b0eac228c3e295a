"""Loads splits of public data sets, from a folder laid out as the hub is or from the hub, and checks what it got.

Every fault names the data set, its revision, the config, the split, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.table import CastError

from harness.data_root import cache_of
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.hub import Repo, cause_of, remedy

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


def is_choice(*, options: int) -> Check:
    """A check that ``choices`` holds this many texts and ``answer`` the position of one of them."""

    def check(record: dict[str, Any]) -> str:
        choices, answer = record["choices"], record["answer"]
        if not isinstance(choices, list) or len(choices) != options or not all(isinstance(c, str) for c in choices):
            return f"column 'choices' holds {choices!r} where {options} texts were expected"
        if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < options:
            return f"column 'answer' holds {answer!r} where a whole number from 0 to {options - 1} was expected"
        return ""

    return check


def every(*checks: Check) -> Check:
    """A check that says what the first failing one of these says."""
    return lambda record: next(filter(None, (check(record) for check in checks)), "")


def load_split(
    name: SplitName,
    *,
    columns: Sequence[str],
    data_root: str,
    check: Check,
    revision: str = "",
    count: int | None = None,
) -> list[dict[str, Any]]:
    """All records of a split, with exactly the columns asked for.

    Args:
        name: What to load.
        columns: Columns that must be there.
        data_root: Folder with ``<org>/<name>`` below it; empty: the hub (or its cache).
        check: Looks at every record.
        revision: Commit of the data set on the hub; empty: the newest one. A data root is taken as it is.
        count: How many records there must be; None: any number but zero.

    Raises:
        UserError: The data set, config, split or a column is missing, it cannot be reached, it has another number of
            records than expected, or a record is wrong.
    """
    place = _Place(name, data_root, revision)
    table = _loaded(place, columns)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(
            f"{place} has no column '{missing[0]}'. Expected {_listed(columns)}, found {_listed(table.column_names)}. "
            f"{place.advice}"
        )
    if not len(table) or (count is not None and len(table) != count):
        expected = "some" if count is None else str(count)
        raise UserError(f"{place} has {len(table)} records, {expected} were expected. {place.advice}")
    records = [dict(record) for record in table.select_columns(list(columns))]
    for index, record in enumerate(records):
        fault = check(record)
        if fault:
            raise UserError(f"{place}, record {index}: {fault}. {place.advice}")
    return records


@dataclass(frozen=True)
class _Place:
    """A split with where it is taken from."""

    name: SplitName
    data_root: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name}, revision {self.revision}" if self.revision and not self.data_root else str(self.name)

    @property
    def repo(self) -> Repo:
        return Repo("dataset", self.name.dataset, self.revision)

    @property
    def folder(self) -> Path:
        """The copy of the data set below the data root."""
        return Path(self.data_root) / self.name.dataset

    @property
    def advice(self) -> str:
        """What to do about records that are not those that were expected."""
        if self.data_root:
            return f"Renew the copy under --data-root with `{self.repo.fetch}` (ROOT={self.data_root})."
        return "Another version of the data set is being read. Clear it from the hub's cache and run again."


def _loaded(place: _Place, columns: Sequence[str]) -> Any:  # noqa: ANN401 - datasets is untyped at this border
    """The split as `datasets` gives it."""
    source, revision, cache = place.name.dataset, place.revision or None, None
    if place.data_root:
        folder = place.folder
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not there. A data root is laid out <root>/<org>/<name>, as the hub is. Fill it where "
                f"there is network: `{place.repo.fetch}`."
            )
        source, revision, cache = str(folder), None, cache_of(folder)
    name = place.name
    table = attempt(
        lambda: datasets.load_dataset(source, name.config, split=name.split, revision=revision, cache_dir=cache)
    )
    if isinstance(table, Fault):
        raise UserError(_trouble(place, table, columns)) from table.error
    if revision:
        _require_revision(place, table)
    return table


def _trouble(place: _Place, fault: Fault, columns: Sequence[str]) -> str:
    """What went wrong, and what to do."""
    if place.data_root:
        why = _absent(place) or _unlike(fault.error, columns) or _told(fault)
        return (
            f"Cannot load {place} from {place.folder}: {why}. Copy the data set whole with `{place.repo.fetch}` "
            f"(ROOT={place.data_root}), or give another --data-root."
        )
    todo = remedy(place.repo, cause_of(fault.error)) or "Check the config and the split, or give --data-root ROOT."
    return f"Cannot load {place} from the hub: {_told(fault)}. {todo}"


def _absent(place: _Place) -> str:
    """That a data root has no such config or split, and which ones it has; empty if it has, or if that is not known."""
    folder, name = str(place.folder), place.name
    configs = attempt(lambda: datasets.get_dataset_config_names(folder))
    if isinstance(configs, Fault):
        return ""
    if name.config not in configs:
        return f"this data root has no config '{name.config}', only {_listed(configs)}"
    splits = attempt(lambda: datasets.get_dataset_split_names(folder, name.config))
    if isinstance(splits, Fault) or name.split in splits:
        return ""
    return f"this data root has no split '{name.split}' of it, only {_listed(splits)}"


def _unlike(error: BaseException, columns: Sequence[str]) -> str:
    """Which column a file of the config lacks; `datasets` reads all files of a config and casts them to one shape."""
    cast = next((link for link in _causes(error) if isinstance(link, CastError)), None)
    if cast is None:
        return ""
    found, others = list(cast.table_column_names), list(cast.requested_column_names)
    lacking = [column for column in columns if column not in found or column not in others]
    which = f"one has no column '{lacking[0]}'" if lacking else "their columns are not the same"
    return f"of the files of all splits of this config {which}: {_listed(found)} in one, {_listed(others)} in another"


def _told(fault: Fault) -> str:
    """The fault in the words of what caused it first, without a full stop."""
    *_, first = _causes(fault.error)
    own = "" if first is fault.error else f" ({type(first).__name__}: {' '.join(str(first).split())})"
    return f"{fault.reason.rstrip('.')}{own.rstrip('.')}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _require_revision(place: _Place, table: Any) -> None:  # noqa: ANN401 - as above
    """Refuse another commit than the pinned one.

    Without network `datasets` falls back on whatever commit its cache holds (5.2.0, load.py
    ``CachedDatasetModuleFactory(path)``, which is not told the revision); the cache's folder is named after the commit.
    """
    commits = {Path(file["filename"]).parent.name for file in table.cache_files}
    if commits - {place.revision}:
        raise UserError(
            f"{place} is not what the cache holds: it has {', '.join(sorted(commits - {place.revision}))}, and the hub "
            f"could not be asked. Run once with network, or copy it there with `{place.repo.fetch}` and use it with "
            f"{place.repo.use}."
        )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"'{column}'" for column in columns)
