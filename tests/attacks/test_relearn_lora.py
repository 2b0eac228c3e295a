import dataclasses

import pytest
import torch

from attacks.relearn_lora import RelearnLoRA
from harness.api import LM, AttackerData, NotApplicable
from harness.testing.snapshot import snapshot
from harness.train import adapted, encode, factors, linear_maps, mean_nll, merged, pad

SMALL = RelearnLoRA(samples=8, epochs=2, rank=2, batch_size=4, lr_scale=10)
IDS = torch.arange(6, 18)[None]


def names(lm: LM) -> list[str]:
    return [name for name, _ in lm.model.named_parameters()]


def logits(lm: LM) -> torch.Tensor:
    with torch.no_grad():
        return lm.model(input_ids=IDS).logits


def nll(lm: LM, data: AttackerData) -> float:
    with torch.no_grad():
        return float(mean_nll(lm.model, pad(encode(lm.tokenizer, data.forget, max_tokens=32), pad_id=0)))


@pytest.mark.parametrize("world", ["tiny_lm", "tied_lm"])
def test_at_every_yield_the_model_is_a_plain_one_with_its_own_names(
    world: str, attacker_data: AttackerData, request: pytest.FixtureRequest
) -> None:
    lm: LM = request.getfixturevalue(world)
    start = dataclasses.replace(snapshot(lm), weights="")
    seen = [dataclasses.replace(snapshot(lm), weights="") for _ in SMALL.attack(lm, attacker_data, seed=0)]
    assert seen == [start] * 3


def test_afterwards_the_model_is_what_it_was(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = snapshot(tiny_lm)
    list(SMALL.attack(tiny_lm, attacker_data, seed=0))
    assert snapshot(tiny_lm) == start


def test_merged_weights_compute_what_the_adapters_compute(tiny_lm: LM) -> None:
    with adapted(tiny_lm.model, rank=4, seed=0) as adapters:
        for factor in factors(adapters):
            torch.nn.init.normal_(factor, std=0.1, generator=torch.Generator().manual_seed(factor.numel()))
        apart = logits(tiny_lm)
        with merged(tiny_lm.model, adapters):
            assert torch.allclose(logits(tiny_lm), apart, atol=1e-5)


def test_a_look_at_the_merged_model_does_not_disturb_the_adapters(tiny_lm: LM) -> None:
    with adapted(tiny_lm.model, rank=4, seed=0) as adapters:
        factors(adapters)[1].data.fill_(0.1)
        before = logits(tiny_lm)
        with merged(tiny_lm.model, adapters):
            pass
        assert torch.equal(logits(tiny_lm), before)


@pytest.mark.parametrize(("alpha", "scale"), [(0, 2.0), (4, 1.0), (1, 0.25)])
def test_an_adapter_counts_alpha_over_its_rank(tiny_lm: LM, alpha: int, scale: float) -> None:
    with adapted(tiny_lm.model, rank=4, alpha=alpha, seed=0) as adapters:
        adapter = next(iter(adapters.values()))
        first, second = (side["default"].weight for side in (adapter.lora_A, adapter.lora_B))
        torch.nn.init.ones_(second)
        torch.testing.assert_close(adapter.get_delta_weight("default"), scale * second @ first)


def test_fresh_adapters_change_nothing(tiny_lm: LM) -> None:
    start = logits(tiny_lm)
    with adapted(tiny_lm.model, rank=4, seed=0):
        assert torch.equal(logits(tiny_lm), start)


def test_the_first_point_computes_what_the_unattacked_model_does(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = logits(tiny_lm)
    points = SMALL.attack(tiny_lm, attacker_data, seed=0)
    assert next(points).budget == 0
    assert torch.allclose(logits(tiny_lm), start, rtol=0, atol=1e-5)
    points.close()  # type: ignore[attr-defined]


def test_every_linear_map_moves_by_at_most_the_rank(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = {name: linear.weight.detach().clone() for name, linear in linear_maps(tiny_lm.model).items()}
    for point in SMALL.attack(tiny_lm, attacker_data, seed=0):
        if not point.budget:
            continue
        moved = {name: linear.weight - start[name] for name, linear in linear_maps(tiny_lm.model).items()}
        ranks = {int(torch.linalg.matrix_rank(change.double(), rtol=1e-4)) for change in moved.values()}
    assert ranks == {2}


def test_training_lowers_the_loss_of_the_documents(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start, attack = nll(tiny_lm, attacker_data), dataclasses.replace(SMALL, samples=0, epochs=6)
    assert [nll(tiny_lm, attacker_data) for _ in attack.attack(tiny_lm, attacker_data, seed=0)][-1] < start - 0.2


def test_budgets_are_the_tokens_trained_on_at_the_start_half_way_and_at_the_end(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    budgets = [point.budget for point in SMALL.attack(tiny_lm, attacker_data, seed=0)]
    assert budgets == [0, 2 * 4 * 7, 4 * 4 * 7]  # updates x documents x tokens with the end token


def test_rank_zero_is_a_sixteenth_of_the_width(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, rank=0)
    assert {point.series for point in attack.attack(tiny_lm, attacker_data, seed=0)} == {"N=8 r=2"}


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)])
def test_a_seed_fixes_the_result_and_another_one_changes_it(
    seed: int, equal: bool, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    ends = [[logits(tiny_lm) for _ in SMALL.attack(tiny_lm, attacker_data, seed=each)][-1] for each in (0, seed)]
    assert torch.equal(*ends) is equal


def test_without_forget_documents_it_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable):
        list(SMALL.attack(tiny_lm, dataclasses.replace(attacker_data, forget=[]), seed=0))
