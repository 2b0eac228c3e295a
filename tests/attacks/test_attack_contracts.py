"""What holds for every attack of this distribution."""

import dataclasses

import pytest
import torch

from attacks.finetune_near import FinetuneNear
from attacks.finetune_unrelated import FinetuneUnrelated
from attacks.none import NoAttack
from attacks.prompts import PromptSuite
from attacks.quantize import Quantize
from attacks.relearn import Relearn
from attacks.relearn_lora import RelearnLoRA
from attacks.weight_noise import WeightNoise
from harness.api import LM, Attack, AttackerData
from harness.testing.result import component_results, failures

ATTACKS: list[Attack] = [
    FinetuneNear(steps=2),
    FinetuneUnrelated(steps=2, batch_size=4),
    NoAttack(),
    PromptSuite(),
    Quantize(),
    Relearn(samples=(4, 0), epochs=1),
    RelearnLoRA(samples=4),
    WeightNoise(draws=1),
]
EACH = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)


@EACH
def test_it_is_a_documented_component(attack: Attack) -> None:
    assert failures(component_results(attack)) == []


@EACH
def test_its_presets_name_fields_it_has(attack: Attack) -> None:
    for fields in getattr(attack, "presets", {}).values():
        dataclasses.replace(attack, **fields)  # type: ignore[type-var]


@EACH
def test_it_draws_nothing_from_the_global_generator(attack: Attack, tiny_lm: LM, attacker_data: AttackerData) -> None:
    before = torch.get_rng_state()
    list(attack.attack(tiny_lm, attacker_data, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


@EACH
def test_no_two_points_claim_the_same_place(attack: Attack, tiny_lm: LM, attacker_data: AttackerData) -> None:
    places = [(point.series, point.budget) for point in attack.attack(tiny_lm, attacker_data, seed=0)]
    assert len(set(places)) == len(places)
