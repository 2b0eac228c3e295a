"""Smoothing over the weights, composed gradients and the invariance penalty, each against its formula."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from harness.api import LM, Corpora
from harness.train import (
    Batch,
    adapted,
    displaced,
    dot,
    encode,
    factors,
    forget_preference,
    gradient,
    margin_preference,
    mean_nll,
    norm,
    pad,
    pad_id,
    rows,
    sequence_nll,
    target_logits,
    tensor_scales,
)
from methods.npo_cr import NPOCR
from methods.npo_gp import NPOGP
from methods.npo_ilu import NPOILU, scale_slope, square_gradient
from methods.npo_rs import NPORS
from methods.npo_sam import NPOSAM, worst_move
from methods.npo_wa import NPOWA, Mean
from methods.sago import SAGO, composed
from methods.stableun import Average, Gradients, Memory, StableUN
from tests.methods.formula import BOTH, ONCE, first_gradient

FAR: dict[str, Any] = {**BOTH, "beta": 0.5, "retain_weight": 0.0}


@contextmanager
def low_rank(lm: LM, c: float) -> Iterator[tuple[list[nn.Parameter], Callable[[], Tensor]]]:
    """Factors of a model whose adapters are trained a little and then rescaled, and what they add to the weights."""
    noise = torch.Generator().manual_seed(7)
    with adapted(lm.model, rank=2, seed=0) as adapters:
        lm.model.double()
        for adapter in adapters.values():
            second = adapter.lora_B["default"].weight
            second.data = c * 0.1 * torch.randn(second.shape, generator=noise).double()
            adapter.lora_A["default"].weight.data /= c
        every = list(adapters.values())
        yield (
            factors(adapters),
            lambda: torch.cat([adapter.get_delta_weight("default").detach().flatten() for adapter in every]),
        )


def batch_of(lm: LM, texts: Sequence[str]) -> Batch:
    return pad(encode(lm.tokenizer, texts, max_tokens=64), pad_id=pad_id(lm), index=range(len(texts)))


def ascends(lm: LM, texts: Sequence[str]) -> Callable[[Batch], Tensor]:
    """NPO on these texts against the weights as they are."""
    known = encode(lm.tokenizer, texts, max_tokens=64)
    return forget_preference(lm.model, known, pad_id=pad_id(lm), beta=0.1, per_token=True)


def sizes_and_change(lm: LM, corpora: Corpora, c: float) -> tuple[list[float], Tensor]:
    """Of SAM under rescaling: length of the forget gradient, cosine with the retain gradient, change of the weights."""
    with low_rank(lm, c) as (params, added):
        forget = gradient(params, ascends(lm, corpora.forget), [batch_of(lm, corpora.forget)], weight=rows)
        retain = gradient(params, lambda batch: mean_nll(lm.model, batch), [batch_of(lm, corpora.retain)])
        scales, before = tensor_scales(params, "lora_invariant"), added()
        length = norm(forget, scales)
        with displaced(params) as place:
            place(worst_move(params, forget, rho=0.1, metric="lora_invariant"))
            return [length, dot(forget, retain, scales) / (length * norm(retain, scales))], added() - before


@pytest.mark.parametrize("c", [3.0, 10.0])
def test_sam_measures_and_moves_rescaled_factors_as_the_same_model(
    c: float, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    sizes, change = sizes_and_change(tiny_lm(), corpora, 1.0)
    found, moved = sizes_and_change(tiny_lm(), corpora, c)
    assert found == pytest.approx(sizes, rel=1e-4)
    torch.testing.assert_close(moved, change, rtol=1e-4, atol=1e-4 * change.abs().max().item())


def test_without_the_metric_rescaled_factors_move_otherwise(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    moved = []
    for c in (1.0, 10.0):
        lm = tiny_lm()
        with low_rank(lm, c) as (params, added):
            uphill = gradient(params, ascends(lm, corpora.forget), [batch_of(lm, corpora.forget)], weight=rows)
            before = added()
            with displaced(params) as place:
                place(worst_move(params, uphill, rho=0.1))
                moved.append((added() - before).norm().item())
    assert moved[1] > 2 * moved[0]


def points_and_step(method: StableUN, lm: LM, corpora: Corpora, c: float) -> Tensor:
    """Of StableUN under rescaling: weights wherever a gradient was asked, and the change along its step, flat."""
    with low_rank(lm, c) as (params, added):
        disliked, x_f, x_r = (ascends(lm, corpora.forget), batch_of(lm, corpora.forget), batch_of(lm, corpora.retain))
        seen: list[Tensor] = []

        def forget(factor: float) -> list[Tensor]:
            seen.append(added())
            return gradient(params, lambda batch: factor * disliked(batch), [x_f], weight=rows)

        def retain(factor: float) -> list[Tensor]:
            seen.append(added())
            return gradient(params, lambda batch: factor * mean_nll(lm.model, batch), [x_r])

        memory = Memory(Average(0, 0.9), torch.Generator().manual_seed(0))
        step = method.step_gradient(params, Gradients(forget, forget, retain), memory)
        with displaced(params) as place:
            place(worst_move(params, step, rho=0.1, metric="lora_invariant"))
            return torch.stack([*seen, added()])


@pytest.mark.parametrize("c", [3.0, 10.0])
@pytest.mark.parametrize(
    "fields",
    [{}, {"families": ("gap",), "inner": "sgd", "alpha": 0.01}, {"project": "always", "scope": "module"}],
    ids=["sap", "gap", "by-module"],
)
def test_stableun_goes_the_same_way_with_rescaled_factors(
    fields: Any, c: float, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    method = StableUN(rho=0.1, metric="lora_invariant", **fields)
    expected = points_and_step(method, tiny_lm(), corpora, 1.0)
    found = points_and_step(method, tiny_lm(), corpora, c)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_a_zero_factor_can_move(tiny_lm: Callable[[], LM]) -> None:
    with adapted(tiny_lm().model, rank=2, seed=0) as adapters:
        scales = tensor_scales(factors(adapters), "lora_invariant")
        assert scales is not None
        assert bool((scales > 0).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_weights_placed_several_times_come_back_bit_for_bit(dtype: torch.dtype) -> None:
    noise = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(1000, generator=noise).to(dtype))
    saved = weight.detach().clone()
    with displaced([weight]) as place:
        for size in (0.1, 3.0, 1e-3):
            place((size, [torch.randn(1000, generator=noise).to(dtype)]))
    assert torch.equal(weight.detach().view(torch.uint8), saved.view(torch.uint8))


def test_each_place_starts_from_the_saved_weights() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    with displaced([weight]) as place:
        place((2.0, [torch.tensor([5.0])]))
        place((1.0, [torch.tensor([0.5])]), (-1.0, [torch.tensor([4.0])]))
        assert weight.item() == -2.5


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        (NPOWA(**BOTH, average_from=1), 2),
        (SAGO(**BOTH), 2),
        (NPOSAM(**BOTH), 3),
        (NPOGP(**BOTH), 3),
        (NPORS(**BOTH), 4),
        (NPOILU(**BOTH), 4),  # two of them on half of the unrelated batch
        (NPOCR(**BOTH), 5),
        (StableUN(**BOTH, families=("gpn",)), 3),
        (StableUN(**BOTH, families=("hws",)), 3),
        (StableUN(**BOTH, families=("sap",)), 4),
        (StableUN(**BOTH, families=("gap",)), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_update_takes_as_many_passes_as_its_formula(
    method: Any, passes: int, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    lm, differentiable = tiny_lm(), list[bool]()
    lm.model.register_forward_pre_hook(lambda *_: differentiable.append(torch.is_grad_enabled()))
    method.unlearn(lm, corpora, seed=0)
    assert sum(differentiable) == passes


@pytest.mark.parametrize(
    ("method", "field"),
    [
        (NPOGP(**FAR, rho=0.1), "rho"),
        (NPOCR(**FAR, rho=1.0, mu=0.1), "rho"),
        (NPOILU(**FAR, penalty=1.0), "penalty"),
        (NPORS(**FAR, sigma=0.1), "sigma"),
        (NPOSAM(**FAR, rho=0.1), "rho"),
    ],
    ids=lambda value: type(value).__name__ if dataclasses.is_dataclass(value) else value,
)
def test_a_penalty_turns_the_gradient(method: Any, field: str, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    without = first_gradient(dataclasses.replace(method, **{field: 0.0}), tiny_lm(), corpora)
    assert (first_gradient(method, tiny_lm(), corpora) - without).norm() > 1e-3


@pytest.mark.parametrize(
    "method", [NPOGP(**FAR, rho=0.0), NPOCR(**FAR, rho=0.0), NPORS(**FAR, sigma=0.0), NPOILU(**FAR, penalty=0.0)]
)
def test_without_its_penalty_a_method_is_npo(method: Any, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    plain = first_gradient(NPOSAM(**FAR, rho=0.0), tiny_lm(), corpora)
    torch.testing.assert_close(first_gradient(method, tiny_lm(), corpora), plain, rtol=0, atol=1e-9)


def test_a_gradient_penalty_as_strong_as_its_difference_is_wide_is_sam(
    tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    sam, penalised = NPOSAM(**FAR, rho=0.1), NPOGP(**FAR, rho=0.1, fd_step=0.1)
    expected = first_gradient(sam, tiny_lm(), corpora)
    torch.testing.assert_close(first_gradient(penalised, tiny_lm(), corpora), expected, rtol=0, atol=1e-9)


def test_noise_relative_to_a_tensor_does_not_shrink_with_its_scale(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    seen: list[Tensor] = []
    lm = tiny_lm()
    head = lm.model.get_submodule("model.layers.0.mlp.down_proj").weight
    head.data.mul_(100.0)
    before = head.detach().clone()
    lm.model.register_forward_pre_hook(lambda *_: seen.append((head.detach() - before).norm() / before.norm()))
    NPORS(**ONCE, sigma_rel=0.01, draws=2).unlearn(lm, corpora, seed=0)
    assert [share.item() for share in seen if 0 < share < 1] == [pytest.approx(0.01, rel=0.1)] * 2


def test_the_average_is_the_mean_of_the_late_weights(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, path = tiny_lm(), list[Tensor]()
    flat = lambda: torch.cat([weight.detach().flatten() for weight in lm.model.parameters()])  # noqa: E731
    hook = register_optimizer_step_post_hook(lambda *_: path.append(flat()))
    try:
        NPOWA(lr=1e-3, steps=6, average_from=2, average_every=2).unlearn(lm, corpora, seed=0)
    finally:
        hook.remove()
    torch.testing.assert_close(flat(), torch.stack([path[1], path[3], path[5]]).mean(dim=0), rtol=0, atol=1e-12)


def test_a_mean_of_16_bit_weights_is_kept_in_32() -> None:
    mean = Mean()
    for value in (1.0, 1.0, 1.0078125):  # the last is the next number of bfloat16
        mean.take([torch.tensor([value], dtype=torch.bfloat16)])
    assert mean.weights[0].item() == pytest.approx(1 + 0.0078125 / 3)


@pytest.mark.parametrize("precision", ["mixed", "bf16"])
@pytest.mark.parametrize("method", [NPOGP, NPOCR])
def test_a_finite_difference_in_16_bits_is_refused(method: Any, precision: str) -> None:
    with pytest.raises(ValueError, match=f"precision {precision} rounds away"):
        method(precision=precision)


def test_an_average_that_would_never_start_is_refused() -> None:
    with pytest.raises(ValueError, match="average_from 100 lies behind the last of 60 steps"):
        NPOWA(steps=60)


def test_composed_by_hand() -> None:
    forget, retain = [torch.tensor([1.0, -2.0, 3.0, 0.0, 5.0])], [torch.tensor([4.0, 1.0, -1.0, 7.0, 0.0])]
    # signs of the products: +, -, -, 0, 0; where it is minus the retain gradient counts twice
    assert composed(forget, retain, retain_weight=2.0)[0].tolist() == [1, 2, -2, 0, 5]


def test_composed_never_opposes_retaining() -> None:
    noise = torch.Generator().manual_seed(0)
    forget, retain = ([torch.randn(500, generator=noise)] for _ in range(2))
    assert bool((composed(forget, retain, retain_weight=0.3)[0] * retain[0] >= 0).all())


def test_composed_equals_the_loop_over_coordinates() -> None:
    noise = torch.Generator().manual_seed(1)
    forget, retain = (torch.randn(50, generator=noise).double() for _ in range(2))
    expected = [0.7 * r if f * r < 0 else f for f, r in zip(forget.tolist(), retain.tolist(), strict=True)]
    assert composed([forget], [retain], retain_weight=0.7)[0].tolist() == pytest.approx(expected)


def test_margin_preference_without_a_margin_by_hand() -> None:
    # sigmoid(0.5 * 2 ln 3) = 3/4, so the loss is 4 ln(4/3)
    loss = margin_preference(torch.tensor([9.0]).log(), beta=0.5, delta=0.0)
    assert loss.item() == pytest.approx(4 * 0.2876821)


def test_margin_preference_without_a_margin_is_npo_against_a_reference_of_likelihood_one(
    tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    lm = tiny_lm()
    nll = sequence_nll(lm.model, batch_of(lm, corpora.forget), per_token=True)
    expected = [-2 / 0.7 * (1 / (1 + torch.exp(-0.7 * value))).log() for value in nll]
    torch.testing.assert_close(margin_preference(nll, beta=0.7, delta=0.0), torch.stack(expected))


def test_the_slope_equals_a_central_difference_of_the_scaled_loss() -> None:
    noise = torch.Generator().manual_seed(0)
    logits, targets = 3 * torch.randn(7, 11, generator=noise).double(), torch.randint(11, (7,), generator=noise)
    above, below = (nn.functional.cross_entropy(w * logits, targets) for w in (1 + 1e-5, 1 - 1e-5))
    assert scale_slope(logits, targets).item() == pytest.approx(((above - below) / 2e-5).item(), abs=1e-8)


def test_the_slope_of_three_tokens_by_hand() -> None:
    # V = 2, logits (ln 3, 0): p = (3/4, 1/4), E z = 3/4 ln 3. Targets 0, 0, 1: slopes -1/4, -1/4, 3/4 times ln 3.
    logits = torch.tensor([[3.0, 1.0]] * 3).log()
    assert scale_slope(logits, torch.tensor([0, 0, 1])).item() == pytest.approx(1.0986123 / 12, rel=1e-5)


def test_the_slope_equals_the_naive_loop(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, slopes = tiny_lm(), []
    for ids in encode(lm.tokenizer, corpora.auxiliary, max_tokens=64):
        for z, y in zip(lm.model(torch.tensor([ids])).logits[0, :-1], ids[1:], strict=True):
            slopes.append(sum(p * value for p, value in zip(z.softmax(0), z, strict=True)) - z[y])
    found = scale_slope(*target_logits(lm.model, batch_of(lm, corpora.auxiliary)))
    torch.testing.assert_close(found, torch.stack(slopes).mean())


@pytest.mark.parametrize("loss", ["slope", "simnpo"])
def test_padding_does_not_move_a_loss(loss: str, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    narrow = batch_of(lm, corpora.forget)
    ids, mask = (nn.functional.pad(part, (0, 5)) for part in (narrow.input_ids, narrow.attention_mask))
    wide = Batch(ids, mask, nn.functional.pad(narrow.labels, (0, 5), value=-100), narrow.index)
    losses = {
        "slope": lambda batch: scale_slope(*target_logits(lm.model, batch)),
        "simnpo": lambda batch: margin_preference(
            sequence_nll(lm.model, batch, per_token=True), beta=0.7, delta=0.0
        ).mean(),
    }
    torch.testing.assert_close(losses[loss](wide), losses[loss](narrow))


def test_the_square_comes_from_two_batches_each_cut_as_one_likes(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    params = list(lm.model.parameters())
    one, two = (batch_of(lm, texts) for texts in (corpora.auxiliary[:2], corpora.auxiliary[2:]))
    product = scale_slope(*target_logits(lm.model, one)) * scale_slope(*target_logits(lm.model, two))
    expected = torch.autograd.grad(product, params)
    pieces = [batch_of(lm, [text]) for text in corpora.auxiliary]
    torch.testing.assert_close(square_gradient(lm.model, params, pieces[:2], pieces[2:]), list(expected))
