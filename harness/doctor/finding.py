"""What the doctor says: one finding for each thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``fail`` if the grid cannot run like this, ``warn`` if it can and somebody should know.
        what: What was looked at.
        found: What was seen.
        todo: What to do; empty where there is nothing to do.
        here: Whether it is on this machine already, or must still be fetched.
    """

    state: State
    what: str
    found: str
    todo: str = ""
    here: bool = True

    @property
    def lines(self) -> tuple[str, ...]:
        """What is printed: what was seen, and below it what to do."""
        seen = f"{self.state:<5} {self.what}: {' '.join(self.found.split())}"
        return (seen, f"      -> {self.todo}") if self.todo else (seen,)


def gib(count: float) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB"
