"""Losses of tensors. Shapes: B rows, T tokens, V vocabulary; the shift by one happens here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from harness.train.data import IGNORED, Batch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def next_token_logits(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Logits (B, T-1, V) in which position t scores token t+1, at least in fp32.

    No attention mask is passed: rows are padded on the right, and under causal attention no token sees what stands
    right of it. Without a mask the attention kernel keeps its fast causal form.
    """
    logits: Tensor = model(input_ids=batch.input_ids, use_cache=False).logits[:, :-1]
    return logits if logits.dtype == torch.float64 else logits.float()


def token_nll(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of every target token.

    Returns:
        nll: (B, T-1) in nats, 0 where masked.
        mask: (B, T-1) True on targets.
    """
    targets = batch.labels[:, 1:]
    logits = next_token_logits(model, batch).transpose(1, 2)  # (B, V, T-1), as cross_entropy wants it
    nll = functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    return nll, targets != IGNORED


def mean_nll(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Mean negative log-likelihood per target token of the batch, nats."""
    nll, mask = token_nll(model, batch)
    return nll.sum() / mask.sum()


def sequence_nll(model: PreTrainedModel, batch: Batch, *, per_token: bool = False) -> Tensor:
    """Negative log-likelihood of each row, (B,) nats: the sum over its targets, or their mean if ``per_token``."""
    nll, mask = token_nll(model, batch)
    total = nll.sum(dim=1)
    return total / mask.sum(dim=1) if per_token else total


def kl_to(model: PreTrainedModel, reference: PreTrainedModel, batch: Batch) -> Tensor:
    """Mean over target positions of KL(reference || model) on next-token distributions, nats.

    Both sides are log-probabilities and only targets are counted; public MUSE code feeds raw logits, and
    open-unlearning divides by padding too (spec: methods 2.3).
    """
    with torch.no_grad():
        wanted = next_token_logits(reference, batch).log_softmax(dim=-1)
    given = next_token_logits(model, batch).log_softmax(dim=-1)
    mask = batch.labels[:, 1:] != IGNORED
    return functional.kl_div(given[mask], wanted[mask], log_target=True, reduction="sum") / mask.sum()
