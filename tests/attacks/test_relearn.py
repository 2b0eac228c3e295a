import dataclasses

import pytest
import torch

from attacks.relearn import Relearn
from harness.api import LM, AttackerData, NotApplicable, Point
from harness.train import encode, mean_nll, pad

TOKENS = 7  # of a document of the fixture, end token included
SMALL = Relearn(samples=(4, 8, 0), epochs=2, batch_size=4, checkpoints=(0, 1, 5))


def points(attack: Relearn, lm: LM, data: AttackerData, seed: int = 0) -> list[Point]:
    return list(attack.attack(lm, data, seed=seed))


def weights(lm: LM) -> list[torch.Tensor]:
    return [each.detach().clone() for each in lm.model.parameters()]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def nll(lm: LM, texts: list[str]) -> float:
    with torch.no_grad():
        return float(mean_nll(lm.model, pad(encode(lm.tokenizer, texts, max_tokens=32), pad_id=0)))


def test_training_on_all_documents_lowers_their_loss(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = Relearn(samples=(0,), epochs=4, batch_size=4, lr_scale=3)
    losses = [nll(tiny_lm, list(attacker_data.forget)) for _ in attack.attack(tiny_lm, attacker_data, seed=0)]
    assert losses[-1] < losses[0] - 0.5


def test_budgets_are_the_tokens_of_the_documents_trained_on(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = {(point.series, point.budget) for point in points(SMALL, tiny_lm, attacker_data)}
    # N documents twice in batches of 4: 2 and 4 updates; all 30 take 15.
    small = {("N=4", 2 * 4 * TOKENS), ("N=8", 4 * 4 * TOKENS)}
    assert found == small | {("all", updates * 4 * TOKENS) for updates in (0, 1, 5, 15)}


def test_documents_cut_short_count_as_what_was_trained_on(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, samples=(4,), max_tokens=3)
    assert [point.budget for point in points(attack, tiny_lm, attacker_data)] == [2 * 4 * 3]


def test_budgets_never_fall_within_a_series(tiny_lm: LM, attacker_data: AttackerData) -> None:
    curve = [point.budget for point in points(SMALL, tiny_lm, attacker_data) if point.series == "all"]
    assert curve == sorted(curve)


def test_step_zero_comes_once_and_leaves_the_weights_bit_identical(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = weights(tiny_lm)
    at_zero = [same(weights(tiny_lm), start) for p in SMALL.attack(tiny_lm, attacker_data, seed=0) if p.budget == 0]
    assert at_zero == [True]


def test_a_later_series_starts_from_the_given_weights(tiny_lm: LM, attacker_data: AttackerData) -> None:
    last = {p.series: weights(tiny_lm) for p in SMALL.attack(tiny_lm, attacker_data, seed=0)}
    alone = dataclasses.replace(SMALL, samples=(8,))
    assert [same(weights(tiny_lm), last["N=8"]) for _ in alone.attack(tiny_lm, attacker_data, seed=0)] == [True]


def test_the_weights_come_back_after_the_last_point(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = weights(tiny_lm)
    points(SMALL, tiny_lm, attacker_data)
    assert same(weights(tiny_lm), start)


def test_an_attack_closed_halfway_gives_the_weights_back(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start, attack = weights(tiny_lm), SMALL.attack(tiny_lm, attacker_data, seed=0)
    next(attack)
    attack.close()  # type: ignore[attr-defined]
    assert same(weights(tiny_lm), start)


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)])
def test_a_seed_fixes_the_result_and_another_one_changes_it(
    seed: int, equal: bool, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    ends = [[weights(tiny_lm) for _ in SMALL.attack(tiny_lm, attacker_data, seed=each)][-1] for each in (0, seed)]
    assert same(*ends) is equal


def test_numbers_that_the_documents_do_not_fill_are_left_out(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, samples=(30, 100, 0))
    assert {point.series for point in points(attack, tiny_lm, attacker_data)} == {"all"}


def test_without_forget_documents_it_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable):
        points(SMALL, tiny_lm, dataclasses.replace(attacker_data, forget=[]))


def test_a_rate_of_its_own_goes_before_the_multiple(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = weights(tiny_lm)
    moved = {}
    for lr in (None, 1e-3, 1e-9):
        attack = dataclasses.replace(SMALL, samples=(4,), epochs=1, warmup=0, lr=lr)
        for _ in attack.attack(tiny_lm, attacker_data, seed=0):
            moved[lr] = max((now - then).abs().max().item() for now, then in zip(weights(tiny_lm), start, strict=True))
    assert moved[None] == moved[1e-3] > 1e3 * moved[1e-9]


def test_in_16_bits_a_small_step_is_rounded_away_and_weights_come_back(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    start = weights(tiny_lm)
    attack = dataclasses.replace(SMALL, samples=(4,), epochs=1, lr=1e-6, warmup=0, precision="bf16")
    points = []
    for point in attack.attack(tiny_lm, attacker_data, seed=0):
        points.append(point)
        matrix = next(weight for name, weight in tiny_lm.model.named_parameters() if "q_proj" in name)
        before = dict(zip((name for name, _ in tiny_lm.model.named_parameters()), start, strict=True))
        given = next(weight for name, weight in before.items() if "q_proj" in name)
        assert matrix.dtype == torch.bfloat16
        assert (matrix == given.bfloat16()).float().mean() > 0.8
    assert same(weights(tiny_lm), start)
    assert points[0] == Point(0, "N=4")  # what rounding alone did
