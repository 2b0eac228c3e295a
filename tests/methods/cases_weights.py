"""Methods that smooth the forget loss over the weights, compose gradients or penalise an unrelated one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora
from methods.npo_cr import NPOCR
from methods.npo_gp import NPOGP
from methods.npo_ilu import NPOILU
from methods.npo_rs import NPORS
from methods.npo_sam import NPOSAM
from methods.npo_wa import NPOWA
from methods.sago import SAGO
from methods.stableun import StableUN
from tests.methods.formula import BALANCED, BOTH, Formula, balanced, mean_over_tokens, nll, of_loss, rows_of

SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3, "warmup": 1}
WA: dict[str, Any] = {**SHORT, "average_from": 1, "average_every": 1}
CASES: list[Any] = [
    NPORS(**SHORT),
    NPORS(**SHORT, sigma_rel=0.01, retain="kl"),
    NPORS(**SHORT, draws=2, lora_rank=2),
    NPOGP(**SHORT, rho=0.1),
    NPOGP(**SHORT, rho=0.1, lora_rank=2),
    NPOCR(**SHORT, rho=1.0),
    NPOCR(**SHORT, rho=1.0, lora_rank=2),
    NPOWA(**WA),
    NPOWA(**WA, lora_rank=2),
    *(SAGO(**SHORT, base=base) for base in ("npo", "graddiff", "simnpo")),
    SAGO(**SHORT, lora_rank=2),
    NPOILU(**SHORT),
    NPOILU(**SHORT, lora_rank=2),
    NPOSAM(**SHORT, metric="lora_invariant", lora_rank=2),
    StableUN(**SHORT, metric="lora_invariant", scope="module", query_batch="fresh", lora_rank=2),
    StableUN(**SHORT, project="always", inner="sgd", metric="lora_invariant"),
    *(StableUN(**SHORT, base=base) for base in ("simnpo", "ga")),
]

SMALL_STEP = 1e-7
"""Distance of finite differences in float64: their own error stays below the tolerance of the comparison."""


def weights_of(lm: LM) -> list[nn.Parameter]:
    return list(lm.model.parameters())


def npo(lm: LM, corpora: Corpora, known: Sequence[Tensor], beta: float) -> Tensor:
    """2404.05868 eq. 3 on means over the tokens of a document."""
    own = torch.stack([row.mean() for row in nll(lm, corpora.forget)])
    return (-2 / beta * torch.sigmoid(beta * (own - torch.stack(list(known)))).log()).mean()


def means(lm: LM, corpora: Corpora) -> list[Tensor]:
    return [row.mean().detach() for row in nll(lm, corpora.forget)]


def shifted(lm: LM, step: Sequence[Tensor], factor: float) -> None:
    with torch.no_grad():
        for weight, part in zip(weights_of(lm), step, strict=True):
            weight.add_(part, alpha=factor)


def smoothed(lm: LM, corpora: Corpora) -> list[Tensor]:
    """2502.05374, RS: the mean NPO gradient at three points, each the weights plus N(0, 0.1^2)."""
    known, noise, found = means(lm, corpora), torch.Generator().manual_seed(0), []
    for _ in range(3):
        xi = [torch.randn(weight.shape, generator=noise).double() for weight in weights_of(lm)]
        shifted(lm, xi, 0.1)
        found.append(torch.autograd.grad(npo(lm, corpora, known, 0.5), weights_of(lm)))
        shifted(lm, xi, -0.1)
    return [torch.stack(parts).mean(dim=0) for parts in zip(*found, strict=True)]


def forget_gradient(lm: LM, corpora: Corpora, known: Sequence[Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """The NPO gradient as a differentiable function of the weights."""
    names = [name for name, _ in lm.model.named_parameters()]
    lm.model.set_attn_implementation("eager")  # the fused kernel has no second derivative

    def at(*weights: Tensor) -> tuple[Tensor, ...]:
        asked = LM(Called(lm, dict(zip(names, weights, strict=True))), lm.tokenizer)  # type: ignore[arg-type]
        return torch.autograd.grad(npo(asked, corpora, known, 0.5), weights, create_graph=True)

    return at


class Called:
    """A model that is asked at other weights than its own."""

    def __init__(self, lm: LM, weights: dict[str, Tensor]) -> None:
        self.lm, self.weights = lm, weights

    def __call__(self, ids: Tensor) -> Any:
        return torch.func.functional_call(self.lm.model, self.weights, (ids,))


def length(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts]).norm()


def penalised_length(lm: LM, corpora: Corpora) -> list[Tensor]:
    """2502.05374, GP: gradient of L + 0.3 ||grad L||, by a second backward pass."""
    weights = weights_of(lm)
    gradient = forget_gradient(lm, corpora, means(lm, corpora))(*weights)
    penalty = torch.autograd.grad(length(gradient), weights)
    return [g + 0.3 * p for g, p in zip(gradient, penalty, strict=True)]


def penalised_curvature(lm: LM, corpora: Corpora) -> list[Tensor]:
    """2502.05374, CR: gradient of L + 3 ||grad L(w + 0.5 v) - grad L(w)||, v = grad L / ||grad L|| held fixed."""
    weights, at = weights_of(lm), forget_gradient(lm, corpora, means(lm, corpora))
    here = at(*weights)
    unit = [part.detach() / length(here).detach() for part in here]
    there = at(*(weight + 0.5 * part for weight, part in zip(weights, unit, strict=True)))
    change = length([a - b for a, b in zip(there, here, strict=True)])
    return [g + 3 * p for g, p in zip(here, torch.autograd.grad(change, weights), strict=True)]


def plain(lm: LM, corpora: Corpora) -> Tensor:
    return npo(lm, corpora, means(lm, corpora), 0.05) + 2 * mean_over_tokens(lm, corpora.retain)


def composed(loss: Callable[[LM, Corpora], Tensor]) -> Callable[[LM, Corpora], list[Tensor]]:
    """2604.14808: by coordinate 2 g_r where g_f g_r < 0, else 0.5 g_f."""

    def gradient(lm: LM, corpora: Corpora) -> list[Tensor]:
        forget = torch.autograd.grad(loss(lm, corpora), weights_of(lm))
        retain = torch.autograd.grad(mean_over_tokens(lm, corpora.retain), weights_of(lm))
        return [f * 0.5 * (f * r >= 0) + r * 2 * (f * r < 0) for f, r in zip(forget, retain, strict=True)]

    return gradient


def invariance(lm: LM, corpora: Corpora) -> Tensor:
    """2506.01339 with one batch of all unrelated documents twice: plus 3 (d/dw mean NLL of w z at w = 1)^2."""
    slopes = []
    for ids in rows_of(lm, corpora.auxiliary):
        logits, targets = lm.model(ids[None]).logits[0, :-1], ids[1:]
        slopes += [(z.softmax(0) * z).sum() - z[y] for z, y in zip(logits, targets, strict=True)]
    unlearned = 0.7 * npo(lm, corpora, means(lm, corpora), 0.1) + 2 * mean_over_tokens(lm, corpora.retain)
    return unlearned + 3 * torch.stack(slopes).mean() ** 2


FORMULAS: Mapping[str, Formula] = {
    "npo_rs": Formula(NPORS(**BALANCED, sigma=0.1, beta=0.5), balanced(smoothed)),
    "npo_gp": Formula(NPOGP(**BALANCED, rho=0.3, beta=0.5, fd_step=SMALL_STEP), balanced(penalised_length)),
    "npo_cr": Formula(NPOCR(**BALANCED, rho=3.0, mu=0.5, beta=0.5, fd_step=SMALL_STEP), balanced(penalised_curvature)),
    "npo_wa": Formula(NPOWA(**BOTH, average_from=1), of_loss(plain)),
    "sago": Formula(
        SAGO(**BOTH, forget_weight=0.5, retain_weight=2.0, beta=0.1),
        composed(lambda lm, c: npo(lm, c, means(lm, c), 0.1)),
    ),
    "sago on graddiff": Formula(
        SAGO(**BOTH, base="graddiff", forget_weight=0.5, retain_weight=2.0),
        composed(lambda lm, c: -mean_over_tokens(lm, c.forget)),
    ),
    "sago on simnpo": Formula(
        SAGO(**BOTH, base="simnpo", forget_weight=0.5, retain_weight=2.0, beta=0.7),
        composed(
            lambda lm, c: torch.stack(
                [-2 / 0.7 * torch.sigmoid(0.7 * row.mean()).log() for row in nll(lm, c.forget)]
            ).mean()
        ),
    ),
    "npo_ilu": Formula(NPOILU(**BALANCED, penalty=3.0), of_loss(invariance)),
}
