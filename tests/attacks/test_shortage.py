"""An attack that leaves out a part, or gets less than it asks for, says so at its first point and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest

from attacks.direction_ablation import DirectionAblation
from attacks.gcg import GCG
from attacks.layer_reinsert import LayerReinsert
from attacks.prune_noise import PruneNoise
from attacks.relearn import Relearn
from attacks.relearn_lora import RelearnLoRA
from harness.api import LM, Attack, AttackerData
from tests.attacks.conftest import make_lm

CASES: dict[str, tuple[Attack, str]] = {
    "relearn": (Relearn(samples=(4, 60), epochs=1.0), "owns 30 forget documents, and 60 were asked for"),
    "relearn_lora": (RelearnLoRA(samples=60, epochs=1.0), "owns 30 forget documents, and 60 were asked for"),
    "gcg": (
        GCG(length=4, steps=1, width=4, items=20, checkpoints=()),
        "owns 8 solved questions that fit the context, and 20 were asked for",
    ),
    "direction_ablation": (
        DirectionAblation(prompts=9, layer_step=1),
        "owns 8 questions about the forgotten topic, and 9 were asked for",
    ),
    "layer_reinsert": (LayerReinsert(sizes=(1, 3)), "has 2 blocks; windows of [3] are left out"),
    "prune_noise": (PruneNoise(radii=(), sparsities=(0.1,), documents=4), "The set difference is left out"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_point_says_what_is_lacking(name: str, tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack, said = CASES[name]
    data = dataclasses.replace(attacker_data, original=lambda: make_lm(tied=False))
    if name == "prune_noise":
        data = dataclasses.replace(data, forget=[])
    first, *others = list(attack.attack(tiny_lm, data, seed=0))  # type: ignore[arg-type]
    assert said in " ".join(first.remarks)
    assert not any(point.remarks for point in others)


def test_who_gets_what_he_asks_for_says_nothing(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = Relearn(samples=(4, 0), epochs=1.0)
    assert not any(point.remarks for point in attack.attack(tiny_lm, attacker_data, seed=0))
