"""What is searched: the fields that a method names, each over the same width around where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from harness.components import declared
from harness.errors import UserError
from harness.registry import suggestion

WIDTH = 10.0
"""Largest over smallest value of a searched number: half a decade up and half a decade down, for every method alike."""


def space_of(name: str, component: Any) -> dict[str, BaseDistribution]:  # noqa: ANN401 - any plugin
    """Field -> where it is searched: numbers by their logarithm, fields with choices over all of them.

    A method names fields; ``a|b`` is the first of them that is not None where the search starts, for one that replaces
    another.

    Args:
        name: The method's installed name, for messages.
        component: The method at the setting around which is searched.

    Raises:
        UserError: The method names no field, one that it does not have, or one without a width around its value.
    """
    wanted = tuple(getattr(component, "search", ()))
    fields = {field.name: field for field in declared(type(component))}
    if not wanted:
        raise UserError(
            f"The method '{name}' names no field to search. Put for example "
            f'`search: ClassVar[tuple[str, ...]] = ("lr",)` on its class. It has: {", ".join(fields) or "no fields"}.'
        )
    named = [spelt.split("|") for spelt in wanted]
    for field in chain.from_iterable(named):
        if field not in fields:
            raise UserError(
                f"The method '{name}' wants to search '{field}', which it does not have.{suggestion(field, fields)} "
                f"Its fields are {', '.join(fields)}."
            )
    searched = [_set(component, either) for either in named]
    return {field: _around(f"{name}.{field}", getattr(component, field), fields[field].metadata) for field in searched}


def _set(component: Any, either: Sequence[str]) -> str:  # noqa: ANN401 - any plugin
    return next((field for field in either if getattr(component, field) is not None), either[-1])


def _around(label: str, value: object, meta: Mapping[str, Any]) -> BaseDistribution:
    if meta.get("choices"):
        return CategoricalDistribution(list(meta["choices"]))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise UserError(
            f"{label} stands at {value!r}, and a search needs a number above 0 to go up and down from. "
            f"Set one with --set method.{label}=..., or take the field out of the method's search."
        )
    low, high = value / math.sqrt(WIDTH), value * math.sqrt(WIDTH)
    low = max(low, meta["ge"]) if meta.get("ge") else low
    high = min(high, meta["le"]) if meta.get("le") is not None else high
    if isinstance(value, int):
        return IntDistribution(max(1, round(low)), max(1, round(high)), log=True)
    return FloatDistribution(low, high, log=True)
