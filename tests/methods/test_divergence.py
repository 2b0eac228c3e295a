"""Losses of the divergence family against naive loops, hand-worked cases, their bounds and the identities they obey."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, Corpora
from harness.train import (
    Batch,
    margin_preference,
    micro_batches,
    negative_entropy,
    negative_preference,
    pad,
    sequence_nll,
    target_logits,
)
from methods.ceu import without_the_true_token
from methods.jensun import JensUn, divergence_from_token, jensen_shannon, refusal_targets
from methods.maxent import MaxEnt, divergence_from_uniform
from methods.pdu import PDU, Remembered, dual_ascent, peak_height
from methods.satimp import saturation_weighted_ascent
from methods.undial import adjusted_distillation
from methods.wga import confidence_weighted_ascent
from tests.methods.formula import first_gradient, mean_over_tokens

Loss = Callable[[Tensor, Tensor], Tensor]
ROWS = [[5, 9, 3, 7, 1], [8, 2, 1], [4, 4, 6, 1], [11, 12]]
SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3}


def drawn(seed: int, *, positions: int = 6, words: int = 7) -> Tensor:
    """Logits (positions, words)."""
    noise = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(positions, words, generator=noise, dtype=torch.float64)).requires_grad_()


LOGITS, OTHER = drawn(0), drawn(1).detach()
TARGETS = torch.tensor([0, 6, 3, 3, 1, 5])

LOSSES: dict[str, Loss] = {
    "maxent": lambda z, y: negative_entropy(z),
    "maxent_uniform": lambda z, y: divergence_from_uniform(z),
    "undial": lambda z, y: adjusted_distillation(z, y, OTHER[: len(z), : z.shape[1]], beta=2.0),
    "wga": lambda z, y: confidence_weighted_ascent(z, y, beta=2.0),
    "satimp": lambda z, y: saturation_weighted_ascent(z, y, beta1=2.0, beta2=3.0),
    "ceu": without_the_true_token,
    "pdu": lambda z, y: peak_height(z),
    "jensun": divergence_from_token,
    "jensun_retain": lambda z, y: jensen_shannon(z, OTHER[: len(z), : z.shape[1]]),
}


def js(p: list[float], q: list[float]) -> float:
    half = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    to_half = lambda side: sum(a * math.log(a / m) for a, m in zip(side, half, strict=True) if a)  # noqa: E731
    return (to_half(p) + to_half(q)) / 2


def naive(name: str, z: list[float], y: int, before: list[float]) -> float:
    """The loss at one position, as the paper writes it."""
    p, p0 = ([math.exp(v) / sum(map(math.exp, row)) for v in row] for row in (z, before))
    lowered = [math.exp(v - 2.0 * (k == y)) for k, v in enumerate(before)]
    rest = [0.0 if k == y else value for k, value in enumerate(p)]
    return {
        "maxent": sum(v * math.log(v) for v in p),
        "maxent_uniform": sum(math.log(1 / len(p) / v) / len(p) for v in p),
        "undial": -sum(q / sum(lowered) * math.log(v) for q, v in zip(lowered, p, strict=True)),
        "wga": p[y] ** 2 * math.log(p[y]),
        "satimp": p[y] ** 2 * (1 - p[y]) ** 3 * math.log(p[y]),
        "ceu": -sum(q / sum(rest) * math.log(v) for q, v in zip(rest, p, strict=True)),
        "pdu": (max(z) - sum(z) / len(z)) ** 2,
        "jensun": js(p, [float(k == y) for k in range(len(p))]),
        "jensun_retain": js(p, p0),
    }[name]


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_equals_the_naive_loop(name: str) -> None:
    each = [naive(name, *row) for row in zip(LOGITS.tolist(), TARGETS.tolist(), OTHER.tolist(), strict=True)]
    assert LOSSES[name](LOGITS, TARGETS).item() == pytest.approx(sum(each) / len(each), abs=1e-12)


# Two words, three positions with the truth 0, 1, 0. Odds 3:1, 1:1 and 1:3 for word 0: the true word has p = 3/4, 1/2
# and 1/4, the other one 1/4, 1/2 and 3/4.
BY_HAND = torch.tensor([[math.log(3), 0], [0, 0], [0, math.log(3)]], dtype=torch.float64)
TRUTH = torch.tensor([0, 1, 0])
L2, L3, L4 = math.log(2), math.log(3), math.log(4)


def test_entropy_of_three_tokens_by_hand() -> None:
    # Two positions with (3/4, 1/4) in some order, one with (1/2, 1/2).
    expected = (2 * (0.75 * (L3 - L4) - 0.25 * L4) - L2) / 3
    assert negative_entropy(BY_HAND).item() == pytest.approx(expected)


def test_divergence_from_uniform_of_three_tokens_by_hand() -> None:
    # log(1/2 / p), half of it per word: words with 1/4 and 3/4 at two positions, nothing at (1/2, 1/2).
    assert divergence_from_uniform(BY_HAND).item() == pytest.approx(2 * (L2 + L2 - L3) / 2 / 3)


def test_adjusted_distillation_of_three_tokens_by_hand() -> None:
    # The true word's odds are divided by 3: teachers (1/2, 1/2), (3/4, 1/4), (1/10, 9/10).
    first, last = 0.5 * (L4 - L3) + 0.5 * L4, 0.1 * L4 + 0.9 * (L4 - L3)
    found = adjusted_distillation(BY_HAND, TRUTH, BY_HAND, beta=L3)
    assert found.item() == pytest.approx((first + L2 + last) / 3)


def test_weighted_ascent_of_three_tokens_by_hand() -> None:
    expected = (0.75 * (L3 - L4) - 0.5 * L2 - 0.25 * L4) / 3  # p log p
    assert confidence_weighted_ascent(BY_HAND, TRUTH, beta=1.0).item() == pytest.approx(expected)


def test_saturation_weights_of_three_tokens_by_hand() -> None:
    # Squared likelihoods times their complements, in 64ths: 9, 8 and 3.
    expected = (9 * (L3 - L4) - 8 * L2 - 3 * L4) / 64 / 3
    assert saturation_weighted_ascent(BY_HAND, TRUTH, beta1=2.0, beta2=1.0).item() == pytest.approx(expected)


def test_prediction_without_the_truth_of_three_tokens_by_hand() -> None:
    # With two words the target is the other one for sure: its p is 1/4, 1/2, 3/4.
    assert without_the_true_token(BY_HAND, TRUTH).item() == pytest.approx((L4 + L2 + L4 - L3) / 3)


def test_peaks_of_three_tokens_by_hand() -> None:
    # The larger logit stands log(3) / 2 above the mean of both, or on it.
    assert peak_height(BY_HAND).item() == pytest.approx(2 * (L3 / 2) ** 2 / 3)


def test_divergence_from_a_token_of_three_tokens_by_hand() -> None:
    # Middles (7/8, 1/8), (3/4, 1/4), (5/8, 3/8), true word first: half of KL(p || m) plus half of -log m_y.
    log = math.log
    each = (
        0.75 * log(6 / 7) + 0.25 * L2 + log(8 / 7),
        0.5 * log(2 / 3) + 0.5 * L2 + log(4 / 3),
        0.25 * log(2 / 5) + 0.75 * L2 + log(8 / 5),
    )
    assert divergence_from_token(BY_HAND, TRUTH).item() == pytest.approx(sum(each) / 2 / 3)


def test_divergence_of_two_models_of_three_tokens_by_hand() -> None:
    # Against the words swapped: (3/4, 1/4) and (1/4, 3/4) meet at (1/2, 1/2) twice, and once nothing differs.
    expected = 2 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 3
    assert jensen_shannon(BY_HAND, BY_HAND.flip(1)).item() == pytest.approx(expected)


def test_margin_preference_of_three_tokens_by_hand() -> None:
    # p = 3/4, 1/2, 1/4: the mean NLL is log(32/3) / 3. With beta 3 the sigmoid is (32/3) / (1 + 32/3) = 32/35.
    nll = torch.tensor([math.log(32 / 3) / 3])
    assert margin_preference(nll, beta=3.0, delta=0.0).item() == pytest.approx(-2 / 3 * math.log(32 / 35))


def test_margin_preference_weighs_by_two_q_over_one_plus_q() -> None:
    nll = torch.tensor([2.5], requires_grad=True)
    margin_preference(nll, beta=0.7, delta=0.5).backward()
    q = math.exp(-0.7 * 2.0)
    assert nll.grad is not None
    assert nll.grad.item() == pytest.approx(-2 * q / (1 + q))


def widened(batch: Batch, extra: int) -> Batch:
    """The batch with more padding on the right."""
    grow = lambda part, value: functional.pad(part, (0, extra), value=value)  # noqa: E731
    return Batch(grow(batch.input_ids, 3), grow(batch.attention_mask, 0), grow(batch.labels, -100), batch.index)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"undial", "jensun", "jensun_retain"}))
def test_padding_does_not_move_a_loss(tiny_lm: Callable[[], LM], name: str) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    found, wide = (LOSSES[name](*target_logits(model, each)) for each in (batch, widened(batch, 7)))
    torch.testing.assert_close(wide, found)


@pytest.mark.parametrize(
    "loss", [lambda z, y, o: adjusted_distillation(z, y, o, beta=9), lambda z, y, o: jensen_shannon(z, o)]
)
def test_padding_does_not_move_a_loss_against_the_original(tiny_lm: Callable[[], LM], loss: Any) -> None:
    model, original, batch = tiny_lm().model, tiny_lm().model, pad(ROWS, pad_id=0)
    with torch.no_grad():
        model.lm_head.weight.mul_(1.5)
    both = [(target_logits(model, each), target_logits(original, each)[0]) for each in (batch, widened(batch, 7))]
    found, wide = (loss(*own, before) for own, before in both)
    torch.testing.assert_close(wide, found)


def test_padding_does_not_move_the_divergence_from_a_refusal(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    found, wide = (
        divergence_from_token(target_logits(model, each)[0], refusal_targets(each, [7, 8]))
        for each in (batch, widened(batch, 7))
    )
    torch.testing.assert_close(wide, found)


def test_padding_does_not_move_a_margin_preference(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    nlls = (sequence_nll(model, each, per_token=True) for each in (batch, widened(batch, 7)))
    found, wide = (margin_preference(nll, beta=0.5, delta=0.0) for nll in nlls)
    torch.testing.assert_close(wide, found)


def slope(loss: Loss) -> Tensor:
    """Gradient by the logits (N, V)."""
    (found,) = torch.autograd.grad(loss(LOGITS, TARGETS), LOGITS)
    return found


def ascent(logits: Tensor, targets: Tensor) -> Tensor:
    return -functional.cross_entropy(logits, targets)


def test_margin_preference_without_a_margin_is_npo_against_certainty() -> None:
    nll = torch.tensor([0.3, 2.0, 9.0])
    expected = negative_preference(nll, torch.zeros(3), beta=0.4)
    torch.testing.assert_close(margin_preference(nll, beta=0.4, delta=0.0), expected)


def test_margin_preference_of_equally_long_texts_is_npo_on_sums_with_beta_per_token(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad([row[:3] for row in ROWS[:3]], pad_id=0)  # two targets each
    total = sequence_nll(model, batch)
    expected = negative_preference(total, torch.zeros_like(total), beta=0.4 / 2) / 2
    found = margin_preference(sequence_nll(model, batch, per_token=True), beta=0.4, delta=0.0)
    torch.testing.assert_close(found, expected)


def test_weighted_ascent_with_power_zero_is_ascent() -> None:
    torch.testing.assert_close(slope(lambda z, y: confidence_weighted_ascent(z, y, beta=0.0)), slope(ascent))


def test_saturation_weights_with_powers_one_and_zero_are_those_of_wga() -> None:
    expected = slope(lambda z, y: confidence_weighted_ascent(z, y, beta=1.0))
    torch.testing.assert_close(slope(lambda z, y: saturation_weighted_ascent(z, y, beta1=1.0, beta2=0.0)), expected)


@pytest.mark.parametrize("name", ["wga", "satimp"])
def test_no_gradient_reaches_the_weight_of_a_token(name: str) -> None:
    p = LOGITS.detach().softmax(-1)
    true = p.gather(1, TARGETS[:, None])
    weight = true**2 if name == "wga" else true**2 * (1 - true) ** 3
    expected = weight * (functional.one_hot(TARGETS, 7) - p) / 6  # the slope of log p, six positions
    torch.testing.assert_close(slope(LOSSES[name]), expected)


def test_saturation_weight_peaks_at_beta1_over_their_sum() -> None:
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    logits = torch.stack([p, 1 - p], dim=1).log()
    each = [saturation_weighted_ascent(row[None], torch.tensor([0]), beta1=3.0, beta2=1.0) / row[0] for row in logits]
    assert p[int(torch.stack(each).argmax())].item() == pytest.approx(0.75)


def test_distillation_of_the_model_itself_has_no_gradient() -> None:
    found = slope(lambda z, y: adjusted_distillation(z, y, z.detach(), beta=0.0))
    assert found.abs().max() < 1e-15


def test_lowering_the_true_token_pushes_it_down() -> None:
    found = slope(lambda z, y: adjusted_distillation(z, y, z.detach(), beta=2.0))
    assert (found.gather(1, TARGETS[:, None]) > 0).all()


def test_prediction_without_the_truth_is_ascent_weighted_by_odds() -> None:
    p = LOGITS.detach().softmax(-1)
    true = p.gather(1, TARGETS[:, None])
    expected = true / (1 - true) * (functional.one_hot(TARGETS, 7) - p) / 6
    torch.testing.assert_close(slope(without_the_true_token), expected)


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_negative_entropy_lies_between_minus_log_v_and_zero(scale: float) -> None:
    assert -math.log(7) - 1e-12 <= negative_entropy(scale * LOGITS.detach()).item() <= 0


def test_divergence_from_uniform_has_the_gradient_p_minus_one_over_v() -> None:
    expected = (LOGITS.detach().softmax(-1) - 1 / 7) / 6
    torch.testing.assert_close(slope(lambda z, y: divergence_from_uniform(z)), expected)


def test_a_uniform_prediction_is_no_distance_from_uniform() -> None:
    assert divergence_from_uniform(torch.full((2, 7), 3.0)).item() == pytest.approx(0, abs=1e-6)


def test_the_loss_of_maxent_is_the_one_asked_for(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    ways: tuple[Literal["entropy", "uniform"], ...] = ("entropy", "uniform")
    first, second = (first_gradient(MaxEnt(**SHORT, loss=way), tiny_lm(), corpora) for way in ways)
    assert (first - second).norm() > 1e-3


def test_negative_entropy_is_the_divergence_from_uniform_up_to_a_constant() -> None:
    p = LOGITS.detach().softmax(-1)
    divergence = (p * (p * 7).log()).sum(-1).mean()
    torch.testing.assert_close(negative_entropy(LOGITS.detach()), divergence - math.log(7))


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, -100.0])
@pytest.mark.parametrize("name", ["jensun", "jensun_retain"])
def test_jensen_shannon_lies_between_zero_and_log_two(name: str, scale: float) -> None:
    assert -1e-12 <= LOSSES[name](scale * LOGITS.detach(), TARGETS).item() <= math.log(2) + 1e-12


def test_divergence_from_a_sure_token_is_that_from_sharp_logits() -> None:
    sharp = 1e4 * functional.one_hot(TARGETS, 7).double()
    torch.testing.assert_close(divergence_from_token(LOGITS, TARGETS), jensen_shannon(LOGITS, sharp))


def test_jensen_shannon_of_the_model_itself_has_no_gradient() -> None:
    assert slope(lambda z, y: jensen_shannon(z, z.detach())).abs().max() < 1e-15


def test_a_refusal_begins_anew_in_every_row() -> None:
    batch = pad([[5, 9, 3, 7, 1], [8, 2], [4, 4, 6]], pad_id=0)  # 4, 1 and 2 targets
    assert refusal_targets(batch, [7, 8, 9]).tolist() == [7, 8, 9, 7, 7, 7, 8]


def test_an_empty_refusal_is_refused() -> None:
    with pytest.raises(ValueError, match="refusal is empty"):
        JensUn(refusal="")


def test_peaks_do_not_see_a_shift_of_all_logits() -> None:
    torch.testing.assert_close(peak_height(LOGITS + 5), peak_height(LOGITS))


@pytest.mark.parametrize(("loss", "expected"), [(1.5, 7.0), (0.5, 3.0), (0.0, 1.0), (-1.0, 0.0)])
def test_the_multiplier_follows_the_excess_and_stays_non_negative(loss: float, expected: float) -> None:
    assert dual_ascent(5.0, loss, bound=1.0, step=4.0) == expected


def test_the_bound_may_be_a_share_above_the_original_models_loss(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    expected = 1.2 * mean_over_tokens(lm, corpora.retain).item()
    assert PDU(epsilon_rel=0.2).bound(lm, corpora) == pytest.approx(expected)


def test_the_bound_is_epsilon_where_no_share_is_asked_for(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    assert PDU(epsilon=0.7, epsilon_rel=None).bound(tiny_lm(), corpora) == 0.7


def test_the_remembered_loss_is_the_mean_over_all_pieces(tiny_lm: Callable[[], LM]) -> None:
    lm, batch = tiny_lm(), pad(ROWS, pad_id=0)
    whole, cut = Remembered(lm), Remembered(lm)
    for loss, parts in ((whole, 1), (cut, 3)):
        for piece in micro_batches(batch, parts):
            loss(piece)
    assert cut.mean() == pytest.approx(whole.mean())


def trained_weights(method: Any, lm: LM, corpora: Corpora) -> Tensor:
    method.unlearn(lm, corpora, seed=0)
    return torch.cat([weight.detach().flatten() for weight in lm.model.parameters()])


def test_the_multiplier_reaches_the_weights(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    still, moving = (trained_weights(PDU(**SHORT, dual_step=step), tiny_lm(), corpora) for step in (0.0, 50.0))
    assert not torch.equal(still, moving)


def test_during_its_warm_up_the_multiplier_stands_still(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    still = trained_weights(PDU(**SHORT, dual_step=0.0), tiny_lm(), corpora)
    assert torch.equal(trained_weights(PDU(**SHORT, dual_step=50.0, dual_warmup=3), tiny_lm(), corpora), still)


def test_the_constraint_of_pdu_has_a_gradient(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    free, bound = (first_gradient(PDU(**SHORT, lambda_init=value), tiny_lm(), corpora) for value in (0.0, 5.0))
    assert (free - bound).norm() > 1e-3


def test_the_retain_term_of_jensun_has_a_gradient(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    light = JensUn(**SHORT, retain_weight=1e-6)
    heavy = dataclasses.replace(light, retain_weight=100.0)
    first, second = (trained_weights(method, tiny_lm(), corpora) for method in (light, heavy))
    assert not torch.equal(first, second)
