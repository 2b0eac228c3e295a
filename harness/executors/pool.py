"""Long-lived worker processes, one thread each: the default on CPUs.

Importing torch anew for every cell would cost more than the cells, and one thread per process was measured to be faster
than two. A worker that dies takes only its cell with it and is replaced.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from harness.executors import Event, Finished, Started, Task
from harness.executors.worker import serve
from harness.failure import Failure
from harness.plan import Planned
from harness.record import Record

GRACE_S = 5.0
STEADY = {"TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by torch when it is imported, hence set before a worker starts."""


@dataclass(frozen=True)
class Pool:
    """Executes cells in worker processes.

    Attributes:
        task: Executes one cell; pickled once per worker.
        logs: Folder of the cells' logs.
        workers: How many cells run at a time.
        one_thread: Whether each worker computes on one thread, or on as many as torch likes.
        timeout_s: Seconds after which a cell is ended and counts as failed; None waits forever.
        reuse: Whether a worker serves many cells, or is replaced after each.
    """

    task: Task
    logs: Path
    workers: int
    one_thread: bool = True
    timeout_s: float | None = None
    reuse: bool = True

    def __call__(self, cells: Sequence[Planned]) -> Generator[Event, None, None]:
        """Yield what happens to each cell; every worker has ended when this ends, however it ends."""
        waiting = deque(cells)
        crew: list[_Worker] = []
        try:
            while waiting or any(worker.planned for worker in crew):
                while waiting and (worker := self._idle(crew)):
                    planned = waiting.popleft()
                    worker.take(planned)
                    yield Started(planned)
                for worker in self._ready(crew):
                    planned, result = worker.result(self.logs, self.timeout_s)
                    if not (worker.alive and self.reuse):
                        worker.end()
                        crew.remove(worker)
                    yield Finished(planned, result)
        finally:
            for worker in crew:
                worker.end()

    def _idle(self, crew: list[_Worker]) -> _Worker | None:
        for worker in [worker for worker in crew if not worker.planned and not worker.alive]:
            worker.end()
            crew.remove(worker)
        for worker in crew:
            if not worker.planned:
                return worker
        if len(crew) < self.workers:
            crew.append(_Worker(self.task, self.logs, one_thread=self.one_thread))
            return crew[-1]
        return None

    def _ready(self, crew: list[_Worker]) -> list[_Worker]:
        """Wait until some worker has an answer, has died, or has taken too long."""
        busy = [worker for worker in crew if worker.planned]
        patience = None
        begun = [worker.since for worker in busy if worker.since < math.inf]
        if begun and self.timeout_s is not None:
            patience = max(0.0, min(begun) + self.timeout_s - time.monotonic())
        wait([item for worker in busy for item in worker.signals], timeout=patience)
        return [worker for worker in busy if worker.answered() or worker.late(self.timeout_s)]


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, task: Task, logs: Path, *, one_thread: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._link, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=serve, args=(theirs, task, logs), daemon=True)
        with _environment(STEADY | (ONE_THREAD if one_thread else {})):
            self._process.start()
        theirs.close()
        self.planned: Planned | None = None
        self.since = math.inf
        self._answer: Record | Failure | None = None

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def signals(self) -> tuple[Connection, int]:
        """What becomes ready when the worker answers or dies."""
        return self._link, self._process.sentinel

    def take(self, planned: Planned) -> None:
        """Hand over a cell; a worker that dies before it reads shows as death, like any other."""
        self.planned, self.since = planned, math.inf
        with suppress(ConnectionError):
            self._link.send(planned)

    def answered(self) -> bool:
        """Read what the worker has said: that it begins (its clock starts, start-up does not count), or its answer."""
        try:
            while self._answer is None and self._link.poll():
                said = self._link.recv()
                if said is None:
                    self.since = time.monotonic()
                else:
                    self._answer = said
        except (EOFError, ConnectionError):
            self._process.join()
        return self._answer is not None or not self.alive

    def late(self, timeout_s: float | None) -> bool:
        """Whether the cell in hand has had its time."""
        return timeout_s is not None and time.monotonic() - self.since >= timeout_s

    def result(self, logs: Path, timeout_s: float | None) -> tuple[Planned, Record | Failure]:
        """The answer for the cell in hand, or its failure if the worker died or is late."""
        if self.planned is None:
            raise ValueError("The worker has no cell.")
        answer = self._answer or _lost(self.planned, self._end_of_life(timeout_s), logs)
        planned, self.planned, self._answer = self.planned, None, None
        return planned, answer

    def end(self) -> None:
        """End the process; a busy one is killed, since it holds nothing that is not safe on disk."""
        if self.planned is None and self.alive:
            with suppress(ConnectionError):
                self._link.send(None)
            self._process.join(GRACE_S)
        self._process.kill()
        self._process.join()
        self._link.close()

    def _end_of_life(self, timeout_s: float | None) -> str:
        if self.alive:
            self._process.kill()
            self._process.join()
            return f"took longer than {timeout_s:g} s and was ended"
        code = self._process.exitcode or 0
        if code == -signal.SIGKILL:
            return "its worker process died with signal SIGKILL (often out of memory; try fewer workers)"
        if code < 0:
            return f"its worker process died with signal {signal.Signals(-code).name}"
        return f"its worker process ended with exit status {code}"


def _lost(planned: Planned, reason: str, logs: Path) -> Failure:
    """The failure of a cell whose worker could not tell; the log says so below whatever the cell printed."""
    log = logs / f"{planned.id}.log"
    logs.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(f"{planned.label}\n{reason}\n")
    return Failure(planned.cell, reason, str(log))


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that a process started inside inherits; they must be set before it imports torch."""
    saved = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in saved.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
