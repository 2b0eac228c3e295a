"""Every method that ships, as it is tried on the tiny model, and the formulas that they are held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import registry
from tests.methods import cases_divergence, cases_first, cases_pairs, cases_representation, cases_weights
from tests.methods.formula import Formula

MODULES = (cases_first, cases_divergence, cases_pairs, cases_weights, cases_representation)
CASES: list[Any] = [case for module in MODULES for case in module.CASES]
FORMULAS: Mapping[str, Formula] = {name: formula for module in MODULES for name, formula in module.FORMULAS.items()}


def installed() -> dict[str, type]:
    """Our methods by name."""
    ours = [item.entry for item in registry.listing("method") if item.entry.distribution == "unlearning-harness"]
    return {entry.name: registry.load("method", entry.name) for entry in ours}
