"""What holds for every attack of this distribution."""

import dataclasses

import pytest
import torch

from attacks.direction_ablation import DirectionAblation
from attacks.finetune_near import FinetuneNear
from attacks.finetune_unrelated import FinetuneUnrelated
from attacks.gcg import GCG
from attacks.logit_lens import LogitLens
from attacks.none import NoAttack
from attacks.prompts import PromptSuite
from attacks.prune_noise import PruneNoise
from attacks.quantize import Quantize
from attacks.relearn import Relearn
from attacks.relearn_lora import RelearnLoRA
from attacks.relearn_swept import RelearnSwept
from attacks.rtt import RTT
from attacks.soft_prompt import SoftPrompt
from harness.api import LM, Attack, AttackerData, Point, Verdict
from harness.course import follow_points
from harness.testing.result import component_results, failures

ATTACKS: list[Attack] = [
    FinetuneNear(steps=2),
    FinetuneUnrelated(steps=2, batch_size=4),
    NoAttack(),
    PromptSuite(),
    GCG(length=4, steps=3, width=8, items=3),
    Quantize(),
    Relearn(samples=(4, 0), epochs=1),
    RelearnLoRA(samples=4),
    RelearnSwept(trials=2, most_steps=4),
    RTT(runs=1, epochs=1),
    SoftPrompt(vectors=2, iterations=2),
    PruneNoise(draws=1, documents=4),
    DirectionAblation(prompts=8, layer_step=1),
    LogitLens(),
]


def points(attack: Attack, lm: LM, data: AttackerData) -> list[Point]:
    """Every point, for an attacker who hears that each costs nothing and brings nothing."""
    seen: list[Point] = []

    def judge(point: Point) -> Verdict:
        seen.append(point)
        return Verdict(0.0, 1.0)

    follow_points(attack, lm, data, seed=0, judge=judge)
    return seen


EACH = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)


@EACH
def test_it_is_a_documented_component(attack: Attack) -> None:
    assert failures(component_results(attack)) == []


@EACH
def test_its_presets_name_fields_it_has(attack: Attack) -> None:
    published = getattr(attack, "published", {}).values()
    for fields in (*getattr(attack, "presets", {}).values(), *(one.fields for one in published)):
        changed = dataclasses.replace(attack, **fields)  # type: ignore[type-var]
        assert all(getattr(changed, name) == value for name, value in fields.items())


@EACH
def test_it_draws_nothing_from_the_global_generator(attack: Attack, tiny_lm: LM, attacker_data: AttackerData) -> None:
    before = torch.get_rng_state()
    points(attack, tiny_lm, attacker_data)
    assert torch.equal(torch.get_rng_state(), before)


@EACH
def test_no_two_points_claim_the_same_place(attack: Attack, tiny_lm: LM, attacker_data: AttackerData) -> None:
    places = [(point.series, point.budget) for point in points(attack, tiny_lm, attacker_data)]
    assert len(set(places)) == len(places)
