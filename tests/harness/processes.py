"""Processes of a test: what runs, and whether a command takes its workers with it when it ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def when(condition: Callable[[], bool], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def running() -> dict[int, int]:
    """Process id -> parent's id of every process that is no zombie."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            found.update({int(path.parent.name): int(parent)} if state != "Z" else {})
    return found


def ended(parent: subprocess.Popen[bytes], how: int) -> bool:
    """Send the signal; whether the process then ends with all its children, and not as if all were well."""
    workers = {pid for pid, its_parent in running().items() if its_parent == parent.pid}
    parent.send_signal(how)
    return parent.wait(30) != 0 and when(lambda: not workers & running().keys(), within_s=20)
