"""Diagnostics of who owns the original model: the line to it, and blocks of it put back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from attacks.interpolate import Interpolate
from attacks.layer_reinsert import LayerReinsert
from harness.api import LM, Attack, AttackerData, NotApplicable, Point
from tests.attacks.conftest import make_lm

BOTH = pytest.mark.parametrize("attack", [Interpolate(), LayerReinsert()], ids=lambda attack: type(attack).__name__)


@pytest.fixture
def unlearned(tiny_lm: LM) -> LM:
    """The tiny model with every weight moved by one."""
    with torch.no_grad():
        for weight in tiny_lm.model.parameters():
            weight.add_(1.0)
    return tiny_lm


@pytest.fixture
def data(attacker_data: AttackerData) -> AttackerData:
    return dataclasses.replace(attacker_data, original=lambda: make_lm(tied=False))


def moved(lm: LM) -> list[float]:
    """How far each block is from the original, by its largest weight."""
    original = make_lm(tied=False).model.get_decoder().layers
    pairs = zip(lm.model.get_decoder().layers, original, strict=True)
    return [
        max((a - b).abs().max().item() for a, b in zip(block.parameters(), given.parameters(), strict=True))
        for block, given in pairs
    ]


def visited(attack: Attack, lm: LM, data: AttackerData) -> Iterator[tuple[Point, list[float]]]:
    for point in attack.attack(lm, data, seed=0):
        yield point, moved(lm)


def test_a_share_of_the_way_is_that_share_of_every_weight(unlearned: LM, data: AttackerData) -> None:
    found = dict((point.series, far) for point, far in visited(Interpolate((-0.5, 0.25, 1.0)), unlearned, data))
    assert found["share=-0.5"] == pytest.approx([1.5, 1.5], abs=1e-5)
    assert found["share=0.25"] == pytest.approx([0.75, 0.75], abs=1e-5)
    assert found["share=1"] == pytest.approx([0.0, 0.0], abs=1e-5)


def test_a_window_of_blocks_is_the_original_and_no_other_is(unlearned: LM, data: AttackerData) -> None:
    found = {point.series: far for point, far in visited(LayerReinsert((1, 2)), unlearned, data)}
    assert found["block 0"] == pytest.approx([0.0, 1.0])
    assert found["block 1"] == pytest.approx([1.0, 0.0])
    assert found["blocks 0-1"] == pytest.approx([0.0, 0.0])


@BOTH
def test_the_weights_come_back(attack: Attack, unlearned: LM, data: AttackerData) -> None:
    start = [weight.detach().clone() for weight in unlearned.model.parameters()]
    list(attack.attack(unlearned, data, seed=0))
    assert all(torch.equal(a, b) for a, b in zip(unlearned.model.parameters(), start, strict=True))


@BOTH
def test_without_the_original_there_is_nothing_to_compare_with(
    attack: Attack, unlearned: LM, attacker_data: AttackerData
) -> None:
    with pytest.raises(NotApplicable):
        next(attack.attack(unlearned, attacker_data, seed=0))


@BOTH
def test_it_is_never_ranked(attack: Attack) -> None:
    assert attack.threat.base_model
    assert attack.threat.diagnostic


def test_windows_larger_than_the_model_are_said_to_be(unlearned: LM, data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="has 2 blocks, fewer than any of"):
        next(LayerReinsert((4,)).attack(unlearned, data, seed=0))
