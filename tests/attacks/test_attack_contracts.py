"""What holds for every attack of this distribution."""

import dataclasses
from collections.abc import Mapping

import pytest
import torch

from harness.api import LM, Attack, AttackerData, Item, NotApplicable, Point, Verdict
from harness.components import build
from harness.course import follow_points
from harness.registry import installed
from harness.testing import check_installed
from harness.testing.result import component_results, failures
from methods.whp import ContrastedLM
from tests.attacks.conftest import WORDS, make_lm

SMALL: Mapping[str, Mapping[str, object]] = {
    "finetune_near": {"steps": 2},
    "finetune_unrelated": {"steps": 2, "batch_size": 4},
    "fresh_facts": {"epochs": 1.0},
    "gcg": {"length": 4, "steps": 3, "width": 8, "items": 3},
    "gcg_enhanced": {"length": 4, "steps": 3, "width": 8, "items": 3, "forced": 1},
    "linear_probe": {"least": 2, "folds": 2},
    "logit_lens": {},
    "prune_noise": {"draws": 1, "documents": 4},
    "direction_ablation": {"prompts": 8, "layer_step": 1},
    "relearn": {"samples": (4, 0), "epochs": 1.0},
    "relearn_lora": {"samples": 4},
    "relearn_swept": {"trials": 2, "most_steps": 4},
    "rtt": {"runs": 1, "epochs": 1, "least": 8},
    "rtt_shuffled": {"runs": 1, "epochs": 1, "least": 8},
    "soft_prompt": {"vectors": 2, "iterations": 2},
}
"""Fields that make an attack short enough for a tiny model; the others run as they are."""

NAMES = [entry.name for entry in installed("attack")]
ATTACKS: list[Attack] = [build("attack", name, overrides=SMALL.get(name, {})) for name in NAMES]


@pytest.fixture
def rich_data(attacker_data: AttackerData) -> AttackerData:
    """What every attack needs: the original model, documents and questions about fresh facts, answers that recur."""
    near_items = [Item(f"ask forget w{number} :", f" w{number + 1}") for number in range(20, 26)]
    items = [Item(f"ask forget {WORDS[number]} :", f" w{number % 2}") for number in range(12)]
    return dataclasses.replace(
        attacker_data, original=lambda: make_lm(tied=False), near_items=near_items, items=items, open_book=True
    )


def points(attack: Attack, lm: LM, data: AttackerData) -> list[Point]:
    """Every point, for an attacker who hears that each costs nothing and brings nothing."""
    seen: list[Point] = []

    def judge(point: Point) -> Verdict:
        seen.append(point)
        return Verdict(0.0, 1.0, 1.0)

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
def test_it_draws_nothing_from_the_global_generator(attack: Attack, tiny_lm: LM, rich_data: AttackerData) -> None:
    before = torch.get_rng_state()
    points(attack, tiny_lm, rich_data)
    assert torch.equal(torch.get_rng_state(), before)


@EACH
def test_no_two_points_claim_the_same_place(attack: Attack, tiny_lm: LM, rich_data: AttackerData) -> None:
    places = [(point.series, point.budget) for point in points(attack, tiny_lm, rich_data)]
    assert len(set(places)) == len(places)


@EACH
def test_the_weights_come_back_from_where_they_were_taken(attack: Attack, tiny_lm: LM, rich_data: AttackerData) -> None:
    start = [weight.detach().clone() for weight in tiny_lm.model.parameters()]
    points(attack, tiny_lm, rich_data)
    assert all(torch.equal(now, then) for now, then in zip(tiny_lm.model.parameters(), start, strict=True))


@EACH
def test_a_pair_of_networks_is_attacked_or_excused_with_a_reason(
    attack: Attack, tiny_lm: LM, rich_data: AttackerData
) -> None:
    pair = LM(ContrastedLM.around(tiny_lm.model, alpha=1.0), tiny_lm.tokenizer)
    found, excuse = [], ""
    try:
        found = points(attack, pair, rich_data)
    except NotApplicable as reason:
        excuse = str(reason)
    assert found or excuse


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_it_passes_the_check_that_everybody_s_attack_must_pass(name: str) -> None:
    assert failures(check_installed("attack", name)) == []
