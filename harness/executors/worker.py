"""The side of an executor that runs cells: one cell becomes a record or a failure with a log, whatever it raises."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped] # it has none

from harness.executors import Task
from harness.failure import Failure
from harness.faults import Fault, attempt
from harness.plan import Planned
from harness.record import Record, dumps


def perform(task: Task, planned: Planned, log: Path) -> Record | Failure:
    """Execute one cell; its log is left behind only if it fails."""
    result = attempt(lambda: _checked(task(planned)))
    if not isinstance(result, Fault):
        return result
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(f"{planned.label}\n{result.trace}")
    return Failure(planned.cell, result.reason, str(log))


def serve(link: Connection, task: Task, logs: Path) -> None:
    """The life of a worker process: cells in, results out, until the link is closed or the parent is gone.

    Args:
        link: Receives :class:`Planned` or None (the end), sends None when it begins a cell, then its record or failure.
        task: Executes a cell.
        logs: Folder where everything a cell prints goes.
    """
    obey_parent()
    tqdm.set_lock(threading.RLock())  # its default is a system semaphore, which a killed process leaves behind
    faulthandler.enable(all_threads=False)  # a crash in native code leaves its Python stack in the cell's log
    with suppress(EOFError, ConnectionError):
        while (planned := link.recv()) is not None:
            link.send(None)
            log = logs / f"{planned.id}.log"
            with printing_to(log):
                result = perform(task, planned, log)
            link.send(result)


@contextmanager
def printing_to(path: Path) -> Iterator[None]:
    """Send everything this process prints, native code included, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _flush()
    saved = os.dup(1), os.dup(2)
    path.unlink(missing_ok=True)
    with path.open("ab") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    try:
        yield
    finally:
        _flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)


def _checked(record: Record) -> Record:
    """A record that cannot be written (a number that is none) is the cell's failure, not the store's."""
    dumps(record)
    return record


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def obey_parent() -> None:
    """Let this process end when its parent does, and not before it because of Ctrl-C, which reaches the whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot tell its workers; its end closes a pipe, which ends this wait."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
