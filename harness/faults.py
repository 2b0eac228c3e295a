"""The one place where code that is not ours may raise anything: plugins at import, methods and attacks at work.

Everything else catches the narrowest type; here an arbitrary exception becomes a value that names its cause.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """What foreign code raised.

    Attributes:
        reason: One line: the type and the message (the message alone for a ``UserError``).
        trace: The traceback, for a log.
        error: What was raised, to raise from.
    """

    reason: str
    trace: str
    error: BaseException


def attempt(call: Callable[[], T]) -> T | Fault:
    """The value of ``call()``, or the fault it raised; a keyboard interrupt is never swallowed."""
    try:
        return call()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything, and must harm nobody else
        return Fault(_one_line(error), "".join(traceback.format_exception(error)), error)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
