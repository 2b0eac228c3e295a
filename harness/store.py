"""Finished cells as files: a record exists if and only if its cell is finished.

A file appears by rename after it has been flushed to disk, so a cut at any moment leaves the old state or the new one.
What is read is never trusted (schema and id are checked) and never deleted.

    <root>/<benchmark>/<method>/<attack>.s<seed>.<id>.json      records
    <root>/<benchmark>/<method>.records.gz                      records packed for publication (harness/archive.py)
    <root>/failures/<id>.json    <root>/logs/<id>.log           what failed last time, and why
    <root>/scratch/                                             unlearned weights and range tests; may be deleted
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from harness.archive import SUFFIX, packed, unpacked
from harness.errors import UserError
from harness.failure import Failure
from harness.record import Record, RecordError, dumps, loads

ASIDE = ".rejected"
_FAILURE = TypeAdapter(Failure)


@dataclass(frozen=True)
class Problem:
    """A file among the records that is not one, and why; it was left as it was."""

    path: Path
    reason: str


class Store:
    """Records, failures, logs and scratch of one results folder."""

    def __init__(self, root: Path, *, without: Collection[Path] = ()) -> None:
        """Look at a folder.

        Args:
            root: The folder; made by the first record.
            without: Folders in it that are not looked into.
        """
        self.root = root
        self._without = frozenset(without)
        self.failed = root / "failures"
        self.logs = root / "logs"
        self.scratch = root / "scratch"

    def path(self, record: Record) -> Path:
        """Where a record belongs."""
        cell = record.cell
        folder = self.root / _slug(cell.benchmark.name) / _slug(cell.method.name)
        return folder / f"{_slug(cell.attack.name)}.s{cell.seed}.{record.id}.json"

    def log(self, cell_id: str) -> Path:
        """Where the log of a cell goes while it runs; it is kept only if the cell fails."""
        return self.logs / f"{cell_id}.log"

    def put(self, record: Record) -> Path:
        """Keep a finished cell and forget its earlier failure.

        Raises:
            UserError: The file could not be written; nothing of it is left behind.
        """
        path = self.path(record)
        if path.exists():
            _set_aside(path)
        _write(path, dumps(record).encode())
        for stale in (self.failed / f"{record.id}.json", self.log(record.id)):
            stale.unlink(missing_ok=True)
        return path

    def put_failure(self, failure: Failure) -> Path:
        """Note why a cell failed; the next run tries it again."""
        path = self.failed / f"{failure.id}.json"
        _write(path, json.dumps(_FAILURE.dump_python(failure, mode="json"), indent=1, sort_keys=True).encode() + b"\n")
        return path

    def get(self, cell_id: str) -> Record | None:
        """The record of a cell, or None if it is not finished."""
        likely = (path for path in self._files() if cell_id in path.name or path.name.endswith(SUFFIX))
        found = (loaded for path in likely for loaded in _read(path) if isinstance(loaded, Record))
        return next((record for record in found if record.id == cell_id), None)

    def pack(self, out: Path) -> list[Path]:
        """Write all records into archives under a folder that holds nothing yet.

        Raises:
            UserError: The folder holds something, or cannot be written.
        """
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out} is there already, and nothing is overwritten. Name a new folder.")
        if out.resolve().is_relative_to(self.root.resolve()):
            raise UserError(
                f"{out} lies in {self.root}, where every record would stand twice. Name a folder outside it."
            )
        groups: dict[Path, list[Record]] = {}
        for record in self.records():
            name = f"{_slug(record.cell.method.name)}{SUFFIX}"
            groups.setdefault(Path(_slug(record.cell.benchmark.name)) / name, []).append(record)
        partial = out.with_name(f".{out.name}.{os.getpid()}.partial")  # so that a pack that failed can be tried again
        try:
            for path, records in groups.items():
                _write(partial / path, packed(records))
            if groups:
                partial.replace(out)
        except OSError as error:
            raise UserError(f"{out} cannot be written: {error.strerror}. Choose another folder.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return [out / path for path in groups]

    def ids(self) -> frozenset[str]:
        """Ids of all finished cells."""
        return frozenset(record.id for record in self.records())

    def records(self) -> tuple[Record, ...]:
        """Every record that can be trusted, in order of path; the first of two with one id."""
        return self.contents()[0]

    def problems(self) -> tuple[Problem, ...]:
        """Every file that lies among the records and is none."""
        return self.contents()[1]

    def contents(self) -> tuple[tuple[Record, ...], tuple[Problem, ...]]:
        """Records and problems, read once."""
        records: dict[str, Record] = {}
        problems: list[Problem] = []
        for path in self._files():
            for loaded in _read(path):
                if isinstance(loaded, Problem):
                    problems.append(loaded)
                elif loaded.id in records:
                    problems.append(Problem(path, f"holds cell {loaded.id} a second time; the first one counts"))
                else:
                    records[loaded.id] = loaded
        return tuple(records.values()), tuple(problems)

    def failures(self) -> tuple[Failure, ...]:
        """Cells that failed when they ran last."""
        if self._without & {self.failed, *self.failed.parents}:
            return ()
        texts = (path.read_bytes() for path in sorted(self.failed.glob("*.json")))
        return tuple(failure for text in texts if (failure := _failure(text)))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this folder for one run; what a killed run left half-written is removed.

        Raises:
            UserError: Another run holds it (named by process and machine), or the folder cannot be written.
        """
        with _opened(self.root / ".lock") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(_in_use(self.root, handle)) from error
            handle.truncate(0)
            handle.write(f"process {os.getpid()} on {socket.gethostname()}")
            handle.flush()
            for stale in list(self.root.rglob(".*.partial")):
                _remove(stale)
            yield

    def _files(self) -> list[Path]:
        apart = {self.failed, self.logs, self.scratch, *self._without}
        files = (path for pattern in ("*.json", f"*{SUFFIX}", f"*{ASIDE}") for path in self.root.rglob(pattern))
        return sorted(path for path in files if not apart & set(path.parents))


def _read(path: Path) -> Iterator[Record | Problem]:
    """What a file holds: one record, several in an archive, or why it holds none."""
    if path.name.endswith(ASIDE):
        yield Problem(path, "was no valid record when its cell was run again; delete it when you have looked at it")
    elif path.name.endswith(SUFFIX):
        yield from (Problem(path, found) if isinstance(found, str) else found for found in unpacked(path))
    else:
        try:
            yield loads(path.read_text(encoding="utf-8"))
        except (RecordError, OSError, UnicodeDecodeError) as error:
            yield Problem(path, f"is not a record that can be trusted: {error}")


def _failure(text: bytes) -> Failure | None:
    """Failures are notes of the last run, not results: one that cannot be read is simply run again."""
    with suppress(ValidationError):
        return _FAILURE.validate_json(text)
    return None


def _write(path: Path, content: bytes) -> None:
    """All of the content under this name, or nothing: same folder, flush, fsync, rename, fsync of the folder."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise UserError(
            f"{path} could not be written: {error.strerror}. Nothing of it was left behind. "
            "Make room or choose another results folder, then run the same command again."
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(path: Path) -> None:
    """A file that is no record keeps its content under another name before a new record takes its place."""
    if any(isinstance(found, Problem) for found in _read(path)):
        count = len(list(path.parent.glob(f"{path.name}*{ASIDE}")))
        path.rename(path.with_name(f"{path.name}.{count}{ASIDE}"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # a checkpoint that was being written
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"The results folder {path.parent} cannot be used: {error.strerror}. Choose another with --results."
        ) from error
    with handle:
        yield handle


def _in_use(root: Path, handle: IO[str]) -> str:
    handle.seek(0)
    owner = handle.read().strip() or "another process"
    return f"The results folder {root} is in use by {owner}. Wait for that run, or choose another with --results."


def _slug(name: str) -> str:
    """A name as one path component: nothing that climbs, hides or separates."""
    return re.sub(r"[^\w+-]", "_", name)
