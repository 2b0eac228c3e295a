"""The first methods: what they are tried with, and the formulas of their papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.api import LM, Corpora
from methods.ga import GA
from methods.graddiff import GradDiff
from methods.npo import NPO
from methods.npo_sam import NPOSAM
from methods.rmu import RMU
from methods.stableun import StableUN
from tests.methods.formula import BALANCED, BOTH, ONCE, Formula, balanced, mean_over_tokens, nll, of_loss, rows_of

SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3, "warmup": 1}
CASES: list[Any] = [
    GA(**SHORT),
    GradDiff(**SHORT),
    GradDiff(**SHORT, retain="kl"),
    GradDiff(**SHORT, lora_rank=2),
    NPO(**SHORT),
    NPO(**SHORT, retain="kl", reduce="mean"),
    NPO(**SHORT, retain="kl", lora_rank=2),
    NPOSAM(**SHORT),
    NPOSAM(**SHORT, rho_rel=0.01),
    RMU(**SHORT, layer=1, train_layers=(0, 1)),
    RMU(**SHORT, layer=1, train_layers=(1,), adaptive=5.0),
    RMU(**SHORT, layer=1, train_layers=(1,), lora_rank=2),
    *(StableUN(**SHORT, families=(family,)) for family in ("sap", "gpn", "gap", "hws")),
    StableUN(**SHORT, families=("sap", "gpn"), draws=2, split="clean", retain="kl", lora_rank=2),
]


def npo(lm: LM, corpora: Corpora, *, known: list[Tensor], beta: float) -> Tensor:
    """2404.05868 eq. 3 on sums over a document."""
    own = torch.stack([row.sum() for row in nll(lm, corpora.forget)])
    return (-2 / beta * torch.sigmoid(beta * (own - torch.stack(known))).log()).mean()


def sam(lm: LM, corpora: Corpora) -> list[Tensor]:
    """2502.05374: the NPO gradient at the point where NPO is worst within rho = 0.5; no retain term."""
    weights, beta, rho = list(lm.model.parameters()), 0.1, 0.5
    known = [row.sum().detach() for row in nll(lm, corpora.forget)]
    uphill = torch.autograd.grad(npo(lm, corpora, known=known, beta=beta), weights)
    length = torch.cat([part.flatten() for part in uphill]).norm()
    with torch.no_grad():
        for weight, part in zip(weights, uphill, strict=True):
            weight.add_(part * rho / length)
    return list(torch.autograd.grad(npo(lm, corpora, known=known, beta=beta), weights))


def rmu(lm: LM, corpora: Corpora) -> Tensor:
    """2403.03218: squared distance from c u at layer 1; the retain term is 0 with zero gradient at the start."""
    unit = torch.rand(32, generator=torch.Generator().manual_seed(0))
    target = 6.5 * (unit / unit.norm()).double()
    hidden = [lm.model(ids[None], output_hidden_states=True).hidden_states[2][0] for ids in rows_of(lm, corpora.forget)]
    down = lm.model.get_submodule("model.layers.1.mlp.down_proj").weight
    loss = (torch.cat(hidden) - target).square().mean()
    (found,) = torch.autograd.grad(loss, [down], create_graph=False)
    return (found.detach() * down).sum()  # a loss whose gradient is the found one, and 0 for what does not train


FORMULAS: Mapping[str, Formula] = {
    "ga": Formula(GA(**ONCE), of_loss(lambda lm, c: -mean_over_tokens(lm, c.forget))),
    "graddiff": Formula(
        GradDiff(**BOTH, forget_weight=0.3, retain_weight=2.0),
        of_loss(lambda lm, c: -0.3 * mean_over_tokens(lm, c.forget) + 2 * mean_over_tokens(lm, c.retain)),
    ),
    "npo": Formula(
        NPO(**BOTH, retain_weight=0.5),
        of_loss(
            lambda lm, c: (
                npo(lm, c, known=[row.sum().detach() for row in nll(lm, c.forget)], beta=0.1)
                + 0.5 * mean_over_tokens(lm, c.retain)
            )
        ),
    ),
    "npo_sam": Formula(NPOSAM(**BALANCED, rho=0.5, beta=0.1, reduce="sum"), balanced(sam)),
    "rmu": Formula(RMU(**BOTH, layer=1, train_layers=(1,)), of_loss(rmu)),
}
