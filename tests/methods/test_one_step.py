"""One update against the formula: the first step of AdamW has the signs of minus the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.api import LM, Corpora
from methods.ga import GA
from methods.graddiff import GradDiff
from methods.npo import NPO
from methods.npo_sam import NPOSAM, worst_move

ALL: dict[str, Any] = {"steps": 1, "lr": 1e-6, "batch_size": 4}


def nll(lm: LM, texts: tuple[str, ...]) -> list[Tensor]:
    """Per text, (T-1,) negative log-likelihoods; written without the shared loop."""
    found = []
    for text in texts:
        ids = torch.tensor([*lm.tokenizer(text)["input_ids"], lm.tokenizer.eos_token_id])
        log_p = lm.model(ids[None]).logits[0, :-1].log_softmax(-1)
        found.append(-log_p.gather(1, ids[1:, None])[:, 0])
    return found


def followed(method: Any, lm: LM, corpora: Corpora) -> Tensor:
    """Signs of the first update; AdamW's first step has the sign of minus the gradient."""
    before = [weight.detach().clone() for weight in lm.model.parameters()]
    method.unlearn(lm, corpora, seed=0)
    return torch.cat([(b - w.detach()).sign().flatten() for b, w in zip(before, lm.model.parameters(), strict=True)])


def signs(lm: LM, loss: Tensor) -> tuple[Tensor, Tensor]:
    """Signs of the gradient, and where it is far enough from zero for a sign to mean anything."""
    flat = torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(lm.model.parameters()))])
    return flat.sign(), flat.abs() > 1e-6 * flat.abs().max()


def forget_mean(lm: LM, corpora: Corpora) -> Tensor:
    return torch.cat(nll(lm, tuple(corpora.forget))).mean()


def retain_mean(lm: LM, corpora: Corpora) -> Tensor:
    return torch.cat(nll(lm, tuple(corpora.retain))).mean()


def totals(lm: LM, corpora: Corpora) -> Tensor:
    return torch.stack([row.sum() for row in nll(lm, tuple(corpora.forget))])


def test_ga_climbs_the_mean_over_tokens(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    expected, clear = signs(lm, -forget_mean(lm, corpora))
    assert torch.equal(followed(GA(**ALL), tiny_lm(), corpora)[clear], expected[clear])


def test_graddiff_follows_the_weighted_difference(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, method = tiny_lm(), GradDiff(**ALL, forget_weight=0.3, retain_weight=2.0)
    expected, clear = signs(lm, -0.3 * forget_mean(lm, corpora) + 2.0 * retain_mean(lm, corpora))
    assert torch.equal(followed(method, tiny_lm(), corpora)[clear], expected[clear])


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_npo_starts_as_ascent_on_its_own_likelihood(tiny_lm: Callable[[], LM], corpora: Corpora, reduce: Any) -> None:
    lm = tiny_lm()
    each = [row.sum() if reduce == "sum" else row.mean() for row in nll(lm, tuple(corpora.forget))]
    expected, clear = signs(lm, -torch.stack(each).mean() + 0.5 * retain_mean(lm, corpora))
    method = NPO(**ALL, reduce=reduce, retain_weight=0.5)
    assert torch.equal(followed(method, tiny_lm(), corpora)[clear], expected[clear])


def test_sam_without_a_radius_is_npo(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    settings: dict[str, Any] = {**ALL, "lr": 1e-3, "steps": 3, "beta": 0.1, "reduce": "sum", "retain_weight": 1.0}
    after = []
    for method in (NPO(**settings), NPOSAM(**settings, rho=0.0)):
        lm = tiny_lm()
        method.unlearn(lm, corpora, seed=0)
        after.append([weight.detach() for weight in lm.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*after, strict=True))


def test_a_small_perturbation_raises_the_loss_by_rho_times_the_gradients_norm() -> None:
    weight = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    loss = lambda w: (w**2).sum() + (w[0] * w[1]).sin()  # noqa: E731
    uphill = torch.autograd.grad(loss(weight), [weight])
    factor, (up,) = worst_move([weight], uphill, rho=1e-5)
    gain = (loss(weight + factor * up) - loss(weight)).item()
    assert gain == pytest.approx(1e-5 * uphill[0].norm().item(), rel=1e-4)


def test_a_relative_radius_is_a_share_of_each_matrix() -> None:
    params = [torch.tensor([3.0, 4.0]), torch.tensor([10.0])]
    factor, up = worst_move(params, [torch.tensor([0.0, 2.0]), torch.tensor([-1.0])], rho=9.0, rho_rel=0.1)
    assert [(factor * part).tolist() for part in up] == [pytest.approx([0, 0.5]), pytest.approx([-1])]


def test_length_units_stretch_a_step_towards_long_tensors() -> None:
    params, uphill = [torch.tensor([3.0, 4.0]), torch.tensor([10.0])], [torch.tensor([0.0, 2.0]), torch.tensor([-1.0])]
    factor, up = worst_move(params, uphill, rho=0.1, metric="lora_invariant")
    # T = 5, 10; T g = (0, 10), -10 of length 14.14; T^2 g = (0, 50), -100
    assert [(factor * part).tolist() for part in up] == [
        pytest.approx([0, 0.353553], rel=1e-4),
        pytest.approx([-0.707107], rel=1e-4),
    ]


def test_a_radius_per_tensor_and_a_metric_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        NPOSAM(rho_rel=0.1, metric="lora_invariant")


def test_sam_follows_the_gradient_at_the_perturbed_weights(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, rho = tiny_lm(), 0.5
    before = totals(lm, corpora).detach()
    uphill = torch.autograd.grad(-totals(lm, corpora).mean(), list(lm.model.parameters()))
    length = torch.cat([part.flatten() for part in uphill]).norm()
    with torch.no_grad():
        for weight, part in zip(lm.model.parameters(), uphill, strict=True):
            weight.add_(part * rho / length)
    expected, clear = signs(lm, (-20 * (0.1 * (totals(lm, corpora) - before)).sigmoid().log()).mean())
    method = NPOSAM(**ALL, rho=rho, beta=0.1, reduce="sum", retain_weight=0.0)
    assert torch.equal(followed(method, tiny_lm(), corpora)[clear], expected[clear])
