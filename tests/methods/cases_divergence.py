"""Methods that push single tokens away or whole next-token distributions elsewhere: cases and the papers' formulas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from harness.api import LM, Corpora
from methods.ceu import CEU
from methods.jensun import JensUn
from methods.maxent import MaxEnt
from methods.pdu import PDU
from methods.satimp import SatImp
from methods.simnpo import SimNPO
from methods.undial import UNDIAL
from methods.wga import WGA
from tests.methods.formula import BOTH, Formula, log_p, mean_over_tokens, nll, of_loss, rows_of

SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3, "warmup": 1}
FULL: dict[str, Any] = {"batch_size": 4, "lora_rank": 0}
"""Where a paper's own defaults have adapters and large batches."""
CASES: list[Any] = [
    SimNPO(**SHORT),
    SimNPO(**SHORT, delta=1.0, retain="kl", lora_rank=2),
    MaxEnt(**SHORT),
    MaxEnt(**SHORT, loss="uniform"),
    MaxEnt(**SHORT, retain="kl", lora_rank=2),
    UNDIAL(**SHORT, **FULL),
    UNDIAL(**SHORT, batch_size=4, lora_rank=2, retain_weight=1.0, retain="kl"),
    WGA(**SHORT),
    WGA(**SHORT, retain="kl", lora_rank=2),
    SatImp(**SHORT),
    SatImp(**SHORT, retain="kl", lora_rank=2),
    CEU(**SHORT),
    CEU(**SHORT, retain_weight=1.0, retain="kl", lora_rank=2),
    PDU(**SHORT),
    PDU(**SHORT, epsilon_rel=0.05, dual_step=20.0, dual_warmup=1, lora_rank=2),
    JensUn(**SHORT),
    JensUn(**SHORT, refusal="the", lora_rank=2),
]


def positions(lm: LM, corpora: Corpora) -> Iterator[tuple[Tensor, int]]:
    """(V,) log-probabilities and the true next token at every target of the forget documents."""
    for ids in rows_of(lm, corpora.forget):
        yield from zip(log_p(lm, ids), ids[1:].tolist(), strict=True)


def mean(values: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


def simnpo(lm: LM, corpora: Corpora) -> Tensor:
    """2410.07163: beta 0.5, delta 1."""
    own = torch.stack([row.mean() for row in nll(lm, corpora.forget)])
    return (-2 / 0.5 * torch.sigmoid(0.5 * (own - 1.0)).log()).mean()


def maxent(lm: LM, corpora: Corpora) -> Tensor:
    """2410.08109: the negative entropy of every prediction."""
    return mean((log.exp() * log).sum() for log, _ in positions(lm, corpora))


def undial(lm: LM, corpora: Corpora) -> Tensor:
    """2402.10052: beta 10, the teacher being the model at the start."""

    def value(log: Tensor, token: int) -> Tensor:
        teacher = log.detach().clone()  # a softmax does not see that log-probabilities are shifted logits
        teacher[token] -= 10
        return -(teacher.softmax(-1) * log).sum()

    return mean(value(log, token) for log, token in positions(lm, corpora))


def wga(lm: LM, corpora: Corpora) -> Tensor:
    """2502.19301: beta 2."""
    return mean(log[token].exp().detach() ** 2 * log[token] for log, token in positions(lm, corpora))


def satimp(lm: LM, corpora: Corpora) -> Tensor:
    """2505.11953: beta1 2, beta2 3."""

    def value(log: Tensor) -> Tensor:
        p = log.exp().detach()
        return p**2 * (1 - p) ** 3 * log

    return mean(value(log[token]) for log, token in positions(lm, corpora))


def ceu(lm: LM, corpora: Corpora) -> Tensor:
    """2503.01224: the target is the prediction itself, renormalised without the true token."""

    def value(log: Tensor, token: int) -> Tensor:
        p = log.exp().detach().clone()
        p[token] = 0
        return -(p / p.sum() * log).sum()

    return mean(value(log, token) for log, token in positions(lm, corpora))


def pdu(lm: LM, corpora: Corpora) -> Tensor:
    """2506.05314: peaks of raw logits, and the retain loss times the first multiplier, 3."""
    logits = torch.cat([lm.model(ids[None]).logits[0, :-1] for ids in rows_of(lm, corpora.forget)])
    return mean((row.max() - row.mean()) ** 2 for row in logits) + 3 * mean_over_tokens(lm, corpora.retain)


def jensun(lm: LM, corpora: Corpora) -> Tensor:
    """2509.02820: from the definition of the divergence; the retain term has no gradient at the start."""
    refusal = lm.tokenizer("No idea", add_special_tokens=False)["input_ids"]

    def value(p: Tensor, token: int) -> Tensor:
        middle = p / 2 + torch.nn.functional.one_hot(torch.tensor(token), len(p)) / 2
        return ((p * (p / middle).log()).sum() - middle[token].log()) / 2

    return mean(
        value(log.exp(), refusal[place % len(refusal)])
        for ids in rows_of(lm, corpora.forget)
        for place, log in enumerate(log_p(lm, ids))
    )


FORMULAS: Mapping[str, Formula] = {
    "simnpo": Formula(
        SimNPO(**BOTH, beta=0.5, delta=1.0, forget_weight=0.3, retain_weight=2.0),
        of_loss(lambda lm, c: 0.3 * simnpo(lm, c) + 2 * mean_over_tokens(lm, c.retain)),
    ),
    "maxent": Formula(
        MaxEnt(**BOTH, forget_weight=3.0), of_loss(lambda lm, c: 3 * maxent(lm, c) + mean_over_tokens(lm, c.retain))
    ),
    "undial": Formula(UNDIAL(**{**BOTH, **FULL}), of_loss(undial)),
    "wga": Formula(
        WGA(**BOTH, beta=2.0, forget_weight=3.0),
        of_loss(lambda lm, c: 3 * wga(lm, c) + mean_over_tokens(lm, c.retain)),
    ),
    "satimp": Formula(SatImp(**BOTH, beta1=2.0, beta2=3.0, retain_weight=0.0), of_loss(satimp)),
    "ceu": Formula(CEU(**BOTH), of_loss(ceu)),
    "pdu": Formula(PDU(**BOTH, lambda_init=3.0), of_loss(pdu)),
    "jensun": Formula(JensUn(**BOTH), of_loss(jensun)),
}
