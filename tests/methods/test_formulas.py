"""The badge `formula-checked` is earned here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from benchmarks.method_costs import THEORY
from harness.api import LM, Corpora
from tests.methods.catalogue import FORMULAS, installed
from tests.methods.formula import first_gradient, flat_unit


@pytest.mark.parametrize("name", FORMULAS)
def test_the_first_update_follows_the_published_formula(name: str, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    formula = FORMULAS[name]
    expected = flat_unit(formula.gradient(tiny_lm(), corpora))
    torch.testing.assert_close(first_gradient(formula.method, tiny_lm(), corpora), expected, rtol=0, atol=1e-6)


def test_every_method_that_wears_the_badge_has_earned_it() -> None:
    worn = {name for name, cls in installed().items() if getattr(cls, "fidelity", "") == "formula-checked"}
    assert worn <= FORMULAS.keys()
    assert {name for name in worn if type(FORMULAS[name].method) is not installed()[name]} == set()


def test_every_method_that_unlearns_has_its_theoretical_cost() -> None:
    unlearning = {name for name, cls in installed().items() if getattr(cls, "role", "method") == "method"}
    assert set(THEORY) == unlearning


def test_every_method_that_unlearns_wears_a_badge() -> None:
    bare = [name for name, cls in installed().items() if getattr(cls, "family", "") != "control" and not cls.fidelity]
    assert bare == []
