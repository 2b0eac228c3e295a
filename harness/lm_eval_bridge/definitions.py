"""lm-eval's task definitions, found by name and built with their data from where the user has it.

Nothing of a definition changes but the place of its data: ``dataset_path`` becomes the same data set's copy below the
data root, or the hub is asked for a pinned commit of it. Prompt, choices, target, shots, metrics and filters are what
the installed lm-eval says, so the task is still lm-eval's. Finding and building go through lm-eval's index and factory.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.api.group import Group
from lm_eval.tasks import TaskManager
from lm_eval.tasks._factory import TaskFactory
from lm_eval.tasks._index import Entry, Kind, TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml

from harness.data_root import cache_of
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.hub import Repo, cause_of, remedy

FOLDER = Path(lm_eval.tasks.__file__).parent
Index = dict[str, Entry]

WHOLE = ("mmlu", "wmdp")
"""Folders of lm-eval whose groups and tags have no member elsewhere (a test compares them with the whole index)."""


@dataclass(frozen=True)
class Sources:
    """Where the data of tasks comes from.

    Attributes:
        data_root: Folder laid out ``<root>/<org>/<name>``; empty: the hub or its cache.
        revisions: Commit of each data set on the hub that is pinned.
    """

    data_root: str
    revisions: Mapping[str, str]

    def applied(self, config: dict[str, Any]) -> dict[str, Any]:
        """A task's definition with its data from here.

        Raises:
            UserError: There is a data root, and the task's data set is not below it.
        """
        dataset = str(config.get("dataset_path"))
        if not self.data_root:
            if dataset not in self.revisions:
                return config
            pin = {"revision": self.revisions[dataset]}
            return {**config, "dataset_kwargs": (config.get("dataset_kwargs") or {}) | pin}
        if config.get("dataset_path") is None or "class" in config or config.get("custom_dataset"):
            raise UserError(
                f"Task '{config['task']}' fetches its data by code of its own, so it cannot be read from the data root "
                f"{self.data_root}. Leave the task out, or run without a data root."
            )
        folder = Path(self.data_root) / dataset
        if not folder.is_dir():
            raise UserError(
                f"Task '{config['task']}' needs the data set {dataset}, and {folder} is not there. A data root is laid "
                f"out <root>/<org>/<name>, as the hub is. Fill it where there is network: `{self.repo(dataset).fetch}`."
            )
        kept = {"cache_dir": cache_of(folder)}
        return {**config, "dataset_path": str(folder), "dataset_kwargs": (config.get("dataset_kwargs") or {}) | kept}

    def repo(self, dataset: str) -> Repo:
        """A data set as a repository of the hub."""
        return Repo("dataset", dataset, self.revisions.get(dataset, ""))


class _Factory(TaskFactory):  # type: ignore[misc] # the one place where lm-eval has a definition whole, before it is built
    """lm-eval's factory of tasks, with their data from our sources."""

    def __init__(self, sources: Sources) -> None:
        super().__init__()
        self._sources = sources

    def _load_full_config(self, entry: Entry, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
        if (entry.cfg or {}).get("unsafe_code"):  # before its code is imported, which may ask the hub for more code
            raise UserError(_runs_code(entry.name))
        config = super()._load_full_config(entry, overrides)
        return config if entry.kind is Kind.GROUP else self._sources.applied(config)


def build(name: str, *, sources: Sources, own: str) -> list[Any]:
    """What a name stands for: one task, one group, or the tasks of a tag; nothing is asked yet.

    Args:
        name: A task, group or tag of lm-eval, or of the folder of own definitions.
        sources: Where data comes from.
        own: Folder with task definitions of our own (``*.yaml``), which come before lm-eval's; empty: none.

    Raises:
        UserError: No such task, or it cannot be built: its data, its package or its permission is missing.
    """
    index = _index_of(name, own)
    built = attempt(lambda: _Factory(sources).build(index[name], registry=index))
    if isinstance(built, Fault):
        if isinstance(built.error, UserError):
            raise built.error
        raise UserError(_trouble(name, built, index=index, sources=sources)) from built.error
    found = built if isinstance(built, list) else [built]
    for task in (leaf for item in found for leaf in leaves_of(item)):
        _require_safe(task)
        _require_pinned(task, sources)
    return found


def leaves_of(item: Any) -> Sequence[Any]:  # noqa: ANN401 - lm-eval is untyped at this border
    """The tasks of a group, itself for a task."""
    return list(item.get_all_tasks()) if isinstance(item, Group) else [item]


def _index_of(name: str, own: str) -> Index:
    """The smallest index that holds all of a name.

    Reading all definitions of lm-eval takes 10 s, a folder of them milliseconds. A task stands in one file, so its
    folder is enough; groups and tags may have members in any folder, but for those in :data:`WHOLE`.
    """
    if own and name in (mine := _own_index(own)):
        return mine
    words = name.split("_")
    starts = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    folder = next((start for start in starts if (FOLDER / start).is_dir()), None)
    if folder is not None:
        entry = (index := _folder_index(folder)).get(name)
        if entry is not None and (folder in WHOLE or entry.kind in (Kind.TASK, Kind.PY_TASK)):
            return index
    index = _whole_index()
    if name not in index:
        near = difflib.get_close_matches(name, [*index, *(_own_index(own) if own else ())], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else " `lm-eval ls tasks` lists all."
        raise UserError(f"lm-eval has no task, group or tag named '{name}'.{hint}")
    return index


@lru_cache(maxsize=32)
def _folder_index(folder: str) -> Index:
    return dict(TaskManager(include_defaults=False, include_path=FOLDER / folder).task_index)


@lru_cache(maxsize=1)
def _whole_index() -> Index:
    return dict(TaskManager().task_index)


@lru_cache(maxsize=4)
def _own_index(folder: str) -> Index:
    """Definitions of our own; ``include`` names a file beside them, or one of lm-eval below its folder of tasks."""
    index: Index = {}
    for path in sorted(Path(folder).glob("*.yaml")):
        TaskIndex.process_cfg(_included(path), path, index)
    return {name: dataclasses.replace(entry, yaml_path=None) for name, entry in index.items()}


def _included(path: Path) -> dict[str, Any]:
    """A definition with what it includes; its own lines win, as in lm-eval's ``load_yaml``."""
    config: dict[str, Any] = load_yaml(path, recursive=False)
    names = config.pop("include", [])
    merged: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names:
        beside = path.parent / name
        merged.update(_included(beside) if beside.is_file() else load_yaml(FOLDER / name))
    return {**merged, **config}


def _trouble(name: str, fault: Fault, *, index: Index, sources: Sources) -> str:
    """Why a task cannot be built, and what to do."""
    what = f"Task '{name}' of lm-eval cannot be built: {fault.reason.rstrip('.')}."
    if isinstance(fault.error, ImportError):
        return f"{what} It needs a package that lm-eval does not install by itself: `pip install {fault.error.name}`."
    if sources.data_root:
        return f"{what} Compare its data below {sources.data_root} with the hub's, or renew the copy whole."
    dataset = (index[name].cfg or {}).get("dataset_path")
    todo = remedy(sources.repo(dataset), cause_of(fault.error)) if dataset else ""
    return f"{what} {todo or 'Check that its data sets are within reach.'}"


def _require_safe(task: Any) -> None:  # noqa: ANN401 - as above
    """Refuse tasks that run what a model wrote, or that show it pictures or sound."""
    if getattr(task, "UNSAFE_CODE", False):
        raise UserError(_runs_code(task.task_name))
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"Task '{task.task_name}' shows pictures or sound; engines read text only. Leave it out.")


def _runs_code(name: str) -> str:
    return f"Task '{name}' runs what the model wrote, which is not done here. Leave it out."


def _require_pinned(task: Any, sources: Sources) -> None:  # noqa: ANN401 - as above
    """Refuse another commit than the pinned one.

    Without network `datasets` falls back on whatever commit its cache holds; the cache's folder is named after it.
    """
    dataset = str(task.DATASET_PATH)
    pinned = "" if sources.data_root else sources.revisions.get(dataset, "")
    tables = task.dataset.values() if pinned else ()
    others = {Path(file["filename"]).parent.name for table in tables for file in table.cache_files} - {pinned}
    if others:
        raise UserError(
            f"Task '{task.task_name}' needs {dataset} at commit {pinned}, the cache holds {', '.join(sorted(others))} "
            "and the hub could not be asked. Run once with network, or copy it there with "
            f"`{sources.repo(dataset).fetch}`."
        )
