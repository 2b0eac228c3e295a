"""Refusals and preferences on solved questions, editing, decoding and the sham: cases and the papers' formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.api import LM, Corpora, Item
from harness.train import frozen_copy
from methods.dpo import DPO
from methods.idk import IDK
from methods.sham import Sham
from methods.task_vector import TaskVector
from methods.whp import WHP
from tests.methods.formula import BOTH, ONCE, Formula, log_p, mean_over_tokens, of_loss

SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3, "warmup": 1}
DECLINED = ("no idea",)
CASES: list[Any] = [
    IDK(**SHORT),
    IDK(**SHORT, retain="kl", refusals=("no idea", "who knows")),
    IDK(**SHORT, preservation_weight=1.0, retain_weight=0.0, retain_pair_weight=0.0),
    IDK(**SHORT, lora_rank=2, preservation_weight=0.5),
    DPO(**SHORT),
    DPO(**SHORT, winner="alternative", retain="kl"),
    DPO(**SHORT, lora_rank=2, retain="kl", retain_pair_weight=0.0),
    Sham(**SHORT),
    Sham(**SHORT, lora_rank=2),
    TaskVector(**SHORT),
    TaskVector(**SHORT, lora_rank=2, alpha=1.0),
]
PAIRS: list[Any] = [WHP(**SHORT), WHP(**SHORT, lora_rank=2, alpha=4.0)]
"""Methods that put another architecture in the model's place, so that not every common test suits them."""


def answer_nll(lm: LM, item: Item, text: str | None = None) -> Tensor:
    """Negative log-likelihoods (A,) of an item's answer, or of another one behind a space, and the EOS after it."""
    prompt = lm.tokenizer(item.prompt)["input_ids"]
    whole = lm.tokenizer(item.prompt + (item.answer if text is None else f" {text}"))["input_ids"]
    ids = torch.tensor([*whole, lm.tokenizer.eos_token_id])
    return -log_p(lm, ids).gather(1, ids[1:, None])[len(prompt) - 1 :, 0]


def mean_over_answers(lm: LM, items: Sequence[Item], text: str | None = None) -> Tensor:
    """NLL per answer token over all items together."""
    return torch.cat([answer_nll(lm, item, text) for item in items]).mean()


def summed(lm: LM, items: Sequence[Item], text: str | None = None) -> Tensor:
    """NLL (items,) of whole answers."""
    return torch.stack([answer_nll(lm, item, text).sum() for item in items])


def idk(lm: LM, corpora: Corpora) -> Tensor:
    """2410.08109 with every retain term: 2 NLL(refusal) + .5 NLL(retain) + .25 NLL(retained answers) + 3 AP."""
    refused, kept = summed(lm, corpora.retain_pairs, "no idea"), summed(lm, corpora.retain_pairs)
    preserved = (
        -torch.sigmoid(-0.1 * (kept - refused)).log().mean() / 0.1
    )  # log p(refusal) / p(answer) = kept - refused
    retained = 0.5 * mean_over_tokens(lm, corpora.retain) + 0.25 * mean_over_answers(lm, corpora.retain_pairs)
    return 2 * mean_over_answers(lm, corpora.forget_pairs, "no idea") + retained + 3 * preserved


def dpo(lm: LM, corpora: Corpora) -> Tensor:
    """2305.18290 eq. 7 times 2 / beta, at the original model: reference values are those of the same weights."""
    winner, loser = (-summed(lm, corpora.forget_pairs, text) for text in ("no idea", None))
    margin = (winner - winner.detach()) - (loser - loser.detach())
    retained = mean_over_tokens(lm, corpora.retain) + mean_over_answers(lm, corpora.retain_pairs)
    return -2 / 0.3 * torch.sigmoid(0.3 * margin).log().mean() + 0.5 * retained


def reinforced(lm: LM, corpora: Corpora) -> list[Tensor]:
    """2310.02238: the copy descends on the NLL of the forget documents, the target stays."""
    copied = LM(frozen_copy(lm.model).requires_grad_(), lm.tokenizer)
    still = [torch.zeros_like(weight) for weight in lm.model.parameters()]
    return [*still, *torch.autograd.grad(mean_over_tokens(copied, corpora.forget), list(copied.model.parameters()))]


FORMULAS: Mapping[str, Formula] = {
    "idk": Formula(
        IDK(
            **BOTH,
            refusals=DECLINED,
            forget_weight=2.0,
            retain_weight=0.5,
            retain_pair_weight=0.25,
            preservation_weight=3.0,
        ),
        of_loss(idk),
    ),
    "dpo": Formula(
        DPO(**BOTH, refusals=DECLINED, beta=0.3, retain_weight=0.5, retain_pair_weight=0.5),
        of_loss(dpo),
    ),
    "sham": Formula(Sham(**ONCE), of_loss(lambda lm, c: mean_over_tokens(lm, c.retain))),
    "task_vector": Formula(TaskVector(**ONCE), of_loss(lambda lm, c: mean_over_tokens(lm, c.forget))),
    "whp": Formula(WHP(**ONCE), reinforced),
}
