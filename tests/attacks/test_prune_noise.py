import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from attacks.prune_noise import PruneNoise, difference, importance, lowest, random_masks
from harness.api import LM, AttackerData, NotApplicable, Point
from harness.train import encode, encode_pairs, linear_maps, pad, pad_pairs

TOKENS = 7  # of a document of the fixture, end token included
NOISE = PruneNoise(radii=(0.05,), draws=1, sparsities=(), forget_tops=())
SPARSE = dataclasses.replace(NOISE, radii=(), sparsities=(0.1, 0.3))
SETS = dataclasses.replace(NOISE, radii=(), forget_tops=(0.1,), utility_tops=(0.2,), documents=4)
ALL = PruneNoise(draws=1, documents=4)

Weights = dict[str, torch.Tensor]


def weights(lm: LM) -> Weights:
    return {name: each.detach().clone() for name, each in lm.model.named_parameters()}


def changes(attack: PruneNoise, lm: LM, data: AttackerData, seed: int = 0) -> list[Weights]:
    """Per point: parameter name -> what the attack added to it."""
    start = weights(lm)
    return [
        {name: each - start[name] for name, each in weights(lm).items()} for _ in attack.attack(lm, data, seed=seed)
    ]


def zeros(attack: PruneNoise, lm: LM, data: AttackerData, seed: int = 0) -> dict[str, Weights]:
    """Per series: name of a linear map -> where its weights are 0."""
    return {
        point.series: {name: linear.weight == 0 for name, linear in linear_maps(lm.model).items()}
        for point in attack.attack(lm, data, seed=seed)
    }


def points(attack: PruneNoise, lm: LM, data: AttackerData) -> list[Point]:
    return list(attack.attack(lm, data, seed=0))


def same(left: Weights, right: Weights) -> bool:
    return all(torch.equal(each, right[name]) for name, each in left.items())


def test_every_linear_map_moves_by_the_stated_share_of_its_norm(tiny_lm: LM, attacker_data: AttackerData) -> None:
    (change,) = changes(NOISE, tiny_lm, attacker_data)
    for name, linear in linear_maps(tiny_lm.model).items():
        assert (change[f"{name}.weight"].norm() / linear.weight.norm()).item() == pytest.approx(0.05, rel=1e-5)


@pytest.mark.parametrize("attack", [NOISE, dataclasses.replace(SPARSE, sparsities=(0.3,)), SETS])
@pytest.mark.parametrize("world", ["tiny_lm", "tied_lm"])
def test_embedding_head_and_gains_stay(
    attack: PruneNoise, world: str, attacker_data: AttackerData, request: pytest.FixtureRequest
) -> None:
    lm: LM = request.getfixturevalue(world)
    for change in changes(attack, lm, attacker_data):
        still = [name for name, each in change.items() if not each.any()]
        assert still == [name for name in change if "norm" in name or "embed" in name or "lm_head" in name]


def test_the_same_seed_gives_the_same_noise(tiny_lm: LM, attacker_data: AttackerData) -> None:
    first, second = changes(NOISE, tiny_lm, attacker_data), changes(NOISE, tiny_lm, attacker_data)
    assert same(first[0], second[0])


def test_another_seed_and_another_draw_give_other_noise(tiny_lm: LM, attacker_data: AttackerData) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    one, two = (each[name] for each in changes(dataclasses.replace(NOISE, draws=2), tiny_lm, attacker_data))
    other = changes(NOISE, tiny_lm, attacker_data, seed=1)[0][name]
    assert not any(torch.equal(one, another) for another in (two, other))


def test_a_draw_keeps_its_direction_over_all_radii(tiny_lm: LM, attacker_data: AttackerData) -> None:
    near, far = changes(dataclasses.replace(NOISE, radii=(0.05, 0.1)), tiny_lm, attacker_data)
    for name, each in near.items():
        torch.testing.assert_close(2 * each, far[name], rtol=1e-3, atol=1e-6)


def test_one_series_per_radius_and_draw(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(NOISE, radii=(0.01, 0.1), draws=2)
    assert len({point.series for point in points(attack, tiny_lm, attacker_data)}) == 4


def test_the_weights_come_back_bit_identical(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = weights(tiny_lm)
    points(ALL, tiny_lm, attacker_data)
    assert same(weights(tiny_lm), start)


@pytest.mark.parametrize("attack", [NOISE, SPARSE, SETS])
def test_an_attack_closed_at_its_first_point_gives_the_weights_back(
    attack: PruneNoise, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    start, course = weights(tiny_lm), attack.attack(tiny_lm, attacker_data, seed=0)
    next(course)
    course.close()  # type: ignore[attr-defined]
    assert same(weights(tiny_lm), start)


def test_a_hand_worked_third_of_six() -> None:
    weight = torch.tensor([[3.0, -1.0, 2.0], [0.5, -4.0, 1.0]])  # of the two of size 1 the first goes
    assert lowest(weight.abs(), 1 / 3).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize("share", [0.05, 0.29, 0.5, 1.0])
def test_the_lowest_are_those_of_a_sorted_list(share: float) -> None:
    scores = torch.randn(10, 10, generator=torch.Generator().manual_seed(0)).double()
    limit = sorted(scores.flatten().tolist())[round(share * 100) - 1]
    assert lowest(scores, share).tolist() == [[score <= limit for score in row] for row in scores.tolist()]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_pruning_by_size_zeroes_the_smallest_weights_of_every_matrix(
    share: float, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    sizes = {name: linear.weight.detach().abs() for name, linear in linear_maps(tiny_lm.model).items()}
    for name, gone in zeros(SPARSE, tiny_lm, attacker_data)[f"magnitude s={share:g}"].items():
        assert gone.sum() == round(share * gone.numel())
        assert sizes[name][gone].max() <= sizes[name][~gone].min()


def test_random_pruning_zeroes_its_share_of_every_matrix(tiny_lm: LM, attacker_data: AttackerData) -> None:
    for gone in zeros(SPARSE, tiny_lm, attacker_data)["random s=0.3"].values():
        assert gone.sum() == round(0.3 * gone.numel())


def test_a_larger_random_share_contains_the_smaller_one(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = zeros(SPARSE, tiny_lm, attacker_data)
    assert not any((gone & ~found["random s=0.3"][name]).any() for name, gone in found["random s=0.1"].items())


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)])
def test_a_seed_fixes_random_masks_and_another_one_changes_them(seed: int, equal: bool) -> None:
    (one,), (other,) = (random_masks([torch.ones(9, 9)], 0.5, seed=each) for each in (0, seed))
    assert torch.equal(one, other) is equal


def test_a_hand_worked_set_difference() -> None:
    forget = torch.tensor([[9.0, 8.0, 1.0], [7.0, 2.0, 3.0]])  # top half: 9, 8, 7
    utility = torch.tensor([[5.0, 0.0, 1.0], [4.0, 3.0, 2.0]])  # top third: under 9 and 7
    assert difference(forget, utility, q=1 / 2, p=1 / 3).tolist() == [[False, True, False], [False, False, False]]


def naive_importance(lm: LM, rows: list[tuple[list[int], int]]) -> list[torch.Tensor]:
    """Sum of sizes of weight times gradient over rows of token ids, whose targets begin at a place."""
    maps = [linear.weight for linear in linear_maps(lm.model).values()]
    found = [torch.zeros_like(weight) for weight in maps]
    for ids, start in rows:
        logits = lm.model(torch.tensor([ids])).logits[0]
        losses = [functional.cross_entropy(logits[t - 1], torch.tensor(ids[t])) for t in range(max(1, start), len(ids))]
        gradients = torch.autograd.grad(torch.stack(losses).mean(), maps)
        found = [total + (weight * grad).abs() for total, weight, grad in zip(found, maps, gradients, strict=True)]
    return [total / len(rows) for total in found]


def test_importance_equals_a_loop_over_documents_in_float64(tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.model.double()
    rows = encode(tiny_lm.tokenizer, attacker_data.forget[:3], max_tokens=5)
    maps = [linear.weight for linear in linear_maps(tiny_lm.model).values()]
    found = importance(tiny_lm.model, [pad([row], pad_id=0) for row in rows], maps)
    for mine, naive in zip(found, naive_importance(tiny_lm, [(row, 0) for row in rows]), strict=True):
        torch.testing.assert_close(mine, naive, rtol=1e-9, atol=1e-15)


def test_only_answers_of_questions_are_targets(tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.model.double()
    solved = encode_pairs(tiny_lm.tokenizer, attacker_data.utility_items[:2], max_tokens=32)
    maps = [linear.weight for linear in linear_maps(tiny_lm.model).values()]
    found = importance(tiny_lm.model, [pad_pairs([pair], pad_id=0) for pair in solved], maps)
    for mine, naive in zip(found, naive_importance(tiny_lm, [(pair.ids, 4) for pair in solved]), strict=True):
        torch.testing.assert_close(mine, naive, rtol=1e-9, atol=1e-15)


def test_importance_leaves_every_gradient_and_switch_as_it_was(tiny_lm: LM, attacker_data: AttackerData) -> None:
    frozen, full = list(tiny_lm.model.parameters())[1:3]
    frozen.requires_grad_(False)
    full.grad = torch.ones_like(full)
    points(SETS, tiny_lm, attacker_data)
    left = {name for name, each in tiny_lm.model.named_parameters() if each.grad is not None}
    assert (frozen.requires_grad, bool(full.grad.eq(1).all()), len(left)) == (False, True, 1)


def test_what_only_forget_text_needs_is_pruned(tiny_lm: LM, attacker_data: AttackerData) -> None:
    data = dataclasses.replace(
        attacker_data, forget=attacker_data.forget[:4], utility_items=attacker_data.utility_items[:4]
    )
    rows = encode(tiny_lm.tokenizer, data.forget, max_tokens=512)
    solved = encode_pairs(tiny_lm.tokenizer, data.utility_items, max_tokens=512)
    ours = naive_importance(tiny_lm, [(row, 0) for row in rows])
    theirs = naive_importance(tiny_lm, [(pair.ids, pair.answer_at) for pair in solved])
    found = zeros(SETS, tiny_lm, data)["difference q=0.1 p=0.2"].values()
    for gone, one, other in zip(found, ours, theirs, strict=True):  # rounding may swap the last two of 1,024
        assert (gone != difference(one, other, q=0.1, p=0.2)).sum() <= 2


def test_its_budget_is_the_tokens_of_the_forget_documents_used(tiny_lm: LM, attacker_data: AttackerData) -> None:
    assert [point.budget for point in points(SETS, tiny_lm, attacker_data)] == [4 * TOKENS]


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)])
def test_a_seed_fixes_the_set_difference_and_another_one_changes_it(
    seed: int, equal: bool, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    (one,), (other,) = (changes(SETS, tiny_lm, attacker_data, seed=each) for each in (0, seed))
    assert same(one, other) is equal


@pytest.mark.parametrize("lacking", [("forget",), ("utility_items", "unrelated")])
def test_without_one_side_the_set_difference_alone_is_left_out(
    lacking: tuple[str, ...], tiny_lm: LM, attacker_data: AttackerData
) -> None:
    data = dataclasses.replace(attacker_data, **{name: [] for name in lacking})
    found = points(dataclasses.replace(SETS, sparsities=(0.1,)), tiny_lm, data)
    assert [point.series for point in found] == ["magnitude s=0.1", "random s=0.1"]


def test_without_questions_unrelated_documents_are_spared(tiny_lm: LM, attacker_data: AttackerData) -> None:
    read: list[list[int]] = []
    hook = tiny_lm.model.register_forward_pre_hook(
        lambda _, args, given: read.extend(given["input_ids"].tolist()), with_kwargs=True
    )
    points(SETS, tiny_lm, dataclasses.replace(attacker_data, utility_items=[]))
    hook.remove()
    unrelated = encode(tiny_lm.tokenizer, attacker_data.unrelated, max_tokens=512)
    assert sum(row in unrelated for row in read) == 4


def test_with_nothing_else_to_do_it_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable):
        points(SETS, tiny_lm, dataclasses.replace(attacker_data, forget=[]))


@pytest.mark.parametrize(
    "made",
    [
        lambda: PruneNoise(forget_tops=(0.1,), utility_tops=(0.05,)),
        lambda: PruneNoise(radii=(), sparsities=(), forget_tops=()),
    ],
)
def test_settings_without_a_point_are_refused(made: Callable[[], PruneNoise]) -> None:
    with pytest.raises(ValueError, match="empty"):
        made()


def test_the_pocket_preset_has_twelve_points(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = PruneNoise(**PruneNoise.presets["pocket-wmdp"])  # type: ignore[arg-type]
    assert len(points(attack, tiny_lm, attacker_data)) == 12
