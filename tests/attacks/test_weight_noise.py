import pytest
import torch

from attacks.weight_noise import WeightNoise
from harness.api import LM, AttackerData
from harness.train import linear_maps

ONE = WeightNoise(radii=(0.05,), draws=1)


def changes(attack: WeightNoise, lm: LM, data: AttackerData, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Per point: parameter name -> what the attack added to it."""
    start = {name: each.detach().clone() for name, each in lm.model.named_parameters()}
    return [
        {name: each.detach() - start[name] for name, each in lm.model.named_parameters()}
        for _ in attack.attack(lm, data, seed=seed)
    ]


def test_every_linear_map_moves_by_the_stated_share_of_its_norm(tiny_lm: LM, attacker_data: AttackerData) -> None:
    (change,) = changes(ONE, tiny_lm, attacker_data)
    for name, linear in linear_maps(tiny_lm.model).items():
        assert (change[f"{name}.weight"].norm() / linear.weight.norm()).item() == pytest.approx(0.05, rel=1e-5)


@pytest.mark.parametrize("world", ["tiny_lm", "tied_lm"])
def test_embedding_head_and_gains_stay(world: str, attacker_data: AttackerData, request: pytest.FixtureRequest) -> None:
    lm: LM = request.getfixturevalue(world)
    (change,) = changes(ONE, lm, attacker_data)
    still = [name for name, each in change.items() if not each.any()]
    assert still == [name for name in change if "norm" in name or "embed" in name or "lm_head" in name]


def test_the_same_seed_gives_the_same_noise(tiny_lm: LM, attacker_data: AttackerData) -> None:
    first, second = changes(ONE, tiny_lm, attacker_data), changes(ONE, tiny_lm, attacker_data)
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])


def test_another_seed_and_another_draw_give_other_noise(tiny_lm: LM, attacker_data: AttackerData) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    one, two = (each[name] for each in changes(WeightNoise(radii=(0.05,), draws=2), tiny_lm, attacker_data))
    other = changes(ONE, tiny_lm, attacker_data, seed=1)[0][name]
    assert not any(torch.equal(one, another) for another in (two, other))


def test_the_weights_come_back_bit_identical(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = [each.detach().clone() for each in tiny_lm.model.parameters()]
    list(WeightNoise(draws=2).attack(tiny_lm, attacker_data, seed=0))
    assert all(torch.equal(now, then) for now, then in zip(tiny_lm.model.parameters(), start, strict=True))


def test_one_series_per_radius_and_draw(tiny_lm: LM, attacker_data: AttackerData) -> None:
    points = list(WeightNoise(radii=(0.01, 0.1), draws=2).attack(tiny_lm, attacker_data, seed=0))
    assert len({point.series for point in points}) == 4
