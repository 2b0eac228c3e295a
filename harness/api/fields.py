"""How a component declares its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


def param(  # noqa: PLR0913 - one keyword per kind of bound
    default: Any,  # noqa: ANN401 - a dataclass field's default has the field's own type
    doc: str,
    *,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    choices: Sequence[Any] = (),
    runtime: bool = False,
) -> Any:  # noqa: ANN401 - stands where dataclasses.field stands
    """Declare one documented, bounded field of a component.

    Args:
        default: Value when neither the preset nor the user says otherwise.
        doc: One line: meaning, unit, and source of the default where it has one.
        gt: Exclusive lower bound (every element, for a sequence).
        ge: Inclusive lower bound.
        le: Inclusive upper bound.
        choices: The allowed values, if they can be listed.
        runtime: True for a field that cannot change any number (batch size, a path): it stays out of the identity.
    """
    metadata = {"doc": doc, "gt": gt, "ge": ge, "le": le, "choices": tuple(choices), "runtime": runtime}
    if isinstance(default, (list, dict, set)):
        raise ValueError(f"A field's default must be immutable, got {default!r}; use a tuple.")
    return dataclasses.field(default=default, metadata=metadata)
