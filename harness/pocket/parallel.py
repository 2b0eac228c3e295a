"""Runs jobs side by side in fresh processes and passes their progress on.

Only the standard library is imported here, so that a process starts as fast as its job allows.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

Report = Callable[[str, int, int], None]
"""Takes the name of a stage, the steps done and the steps in all."""


def in_parallel(jobs: Mapping[str, Callable[[Report], None]], report: Report) -> None:
    """Run each job in a fresh process and pass on what they report until all have ended.

    Raises:
        ChildProcessError: A job failed or its process died; the others are stopped.
    """
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, tuple[str, SpawnProcess]] = {}
    try:
        for name, job in jobs.items():
            reader, writer = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(job, writer))
            process.start()
            writer.close()  # only the child holds it now, so that its end is the end of the pipe
            running[reader] = (name, process)
        while running:
            ready = wait(list(running))
            for reader in [reader for reader in running if reader in ready]:
                _forward(reader, running, report)
    finally:
        for _, process in running.values():
            process.terminate()


def _forward(reader: Connection, running: dict[Connection, tuple[str, SpawnProcess]], report: Report) -> None:
    """Pass on one report, or see a process off."""
    try:
        report(*reader.recv())
    except EOFError:
        name, process = running.pop(reader)
        process.join()
        if process.exitcode:
            raise ChildProcessError(
                f"The process that builds '{name}' ended with exit code {process.exitcode}; see its traceback."
            ) from None


def _run(job: Callable[[Report], None], writer: Connection) -> None:
    job(lambda stage, done, total: writer.send((stage, done, total)))
