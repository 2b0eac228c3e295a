"""Losses of tensors. Shapes: B rows, T tokens, V vocabulary; the shift by one happens here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from harness.train.data import IGNORED, Batch, pad
from harness.train.frozen import Frozen, frozen
from harness.train.loop import rows, target_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Retain = Literal["gd", "kl"]
Forget = Literal["preference", "simple", "ascent"]
Loss = Callable[[Batch], Tensor]


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
    logits = next_token_logits(model, batch).flatten(0, 1)  # (B(T-1), V): four times faster on a CPU than (B, V, T-1)
    nll = functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")
    return nll.view_as(targets), targets != IGNORED


def mean_nll(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Mean negative log-likelihood per target token of the batch, nats."""
    nll, mask = token_nll(model, batch)
    return nll.sum() / mask.sum()


def sequence_nll(model: PreTrainedModel, batch: Batch, *, per_token: bool = False) -> Tensor:
    """Negative log-likelihood of each row, (B,) nats: the sum over its targets, or their mean if ``per_token``."""
    nll, mask = token_nll(model, batch)
    total = nll.sum(dim=1)
    return total / mask.sum(dim=1) if per_token else total


def target_logits(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (N, V) at the N positions whose next token is a target, at least in fp32, and those tokens (N,)."""
    targets = batch.labels[:, 1:]
    mask = targets != IGNORED
    return next_token_logits(model, batch)[mask], targets[mask]


def divergence(given: Tensor, wanted: Tensor) -> Tensor:
    """Mean over N positions of KL(wanted || given) between next-token distributions from logits (N, V), nats.

    Both sides are log-probabilities and only targets are counted; public MUSE code feeds raw logits, and
    open-unlearning divides by padding too (spec: methods 2.3).
    """
    own, due = given.log_softmax(dim=-1), wanted.log_softmax(dim=-1)
    return functional.kl_div(own, due, log_target=True, reduction="sum") / len(given)


def negative_entropy(logits: Tensor) -> Tensor:
    """Mean over N positions of ``sum_v p_v log p_v`` from logits (N, V), nats: between -ln V and 0 (2410.08109)."""
    log_p = logits.log_softmax(dim=-1)
    return (log_p.exp() * log_p).sum(dim=-1).mean()


def kl_to(model: PreTrainedModel, reference: Frozen, batch: Batch) -> Tensor:
    """Mean over target positions of KL(reference || model), nats."""
    wanted = reference(lambda original: target_logits(original, batch)[0])
    return divergence(target_logits(model, batch)[0], wanted)


def negative_preference(nll: Tensor, reference_nll: Tensor, *, beta: float) -> Tensor:
    """NPO's loss per sequence, ``-(2 / beta) * log sigmoid(beta * (nll - reference_nll))`` (2404.05868, eq. 3).

    Args:
        nll: (B,) of the model being trained, nats.
        reference_nll: (B,) of the original model on the same rows.
        beta: Inverse temperature; towards 0 the gradient becomes that of gradient ascent.
    """
    return -2 / beta * functional.logsigmoid(beta * (nll - reference_nll))


def margin_preference(nll: Tensor, *, beta: float, delta: float) -> Tensor:
    """Per sequence ``-(2 / beta) * log sigmoid(beta * (nll - delta))`` (2410.07163).

    The weight on the gradient of a mean log-likelihood is ``2 q / (1 + q)`` with ``q = exp(-beta * (nll - delta))``.

    Args:
        nll: (B,) mean negative log-likelihood per token of each sequence, nats.
        beta: Inverse temperature.
        delta: Mean negative log-likelihood at which that weight is 1, nats; above it the push fades.
    """
    return negative_preference(nll, nll.new_full((), delta), beta=beta)


def forget_loss(
    model: PreTrainedModel,
    kind: Forget,
    forget_rows: Sequence[Sequence[int]],
    *,
    pad_id: int,
    beta: float,
    per_token: bool,
) -> tuple[Loss, Callable[[Batch], float]]:
    """A loss whose descent forgets, and the unit that it is a mean over.

    Args:
        model: At its original weights.
        kind: NPO, SimNPO without a margin, or gradient ascent on the mean per token.
        forget_rows: As in :func:`forget_preference`; read by NPO only.
        pad_id: Any valid token id.
        beta: Inverse temperature of NPO and SimNPO.
        per_token: NPO: compare means over tokens; SimNPO always does.
    """
    if kind == "preference":
        return forget_preference(model, forget_rows, pad_id=pad_id, beta=beta, per_token=per_token), rows
    if kind == "ascent":
        return lambda batch: -mean_nll(model, batch), target_tokens
    return lambda batch: margin_preference(sequence_nll(model, batch, per_token=True), beta=beta, delta=0).mean(), rows


def forget_preference(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], *, pad_id: int, beta: float, per_token: bool
) -> Loss:
    """NPO against the weights as they are now: the mean over the rows of a batch.

    The reference value of a row never changes, so it is computed here, once per row, and no second model stays around.

    Args:
        model: At its original weights.
        rows: All forget rows; a batch says by its ``index`` which of them it holds.
        pad_id: Any valid token id.
        beta: See :func:`negative_preference`; not transferable between sums and means over tokens.
        per_token: Compare mean instead of summed negative log-likelihoods.
    """
    known = row_nll(model, rows, pad_id=pad_id, per_token=per_token)

    def loss(batch: Batch) -> Tensor:
        nll = sequence_nll(model, batch, per_token=per_token)
        return negative_preference(nll, known[batch.index], beta=beta).mean()

    return loss


def retain_loss(model: PreTrainedModel, kind: Retain, *, weight: float = 1.0, reference: Frozen | None = None) -> Loss:
    """What keeps the retained behaviour, a mean over target tokens.

    Args:
        model: At its original weights.
        kind: The negative log-likelihood, or the divergence from the original.
        weight: Of the term; at 0 no one will ask for it, and no original is kept.
        reference: The original if it is kept already; else the weights as they are now are.
    """
    if kind == "gd" or not weight:
        return lambda batch: mean_nll(model, batch)
    original = reference or frozen(model)
    return lambda batch: kl_to(model, original, batch)


@torch.no_grad()
def row_nll(model: PreTrainedModel, rows: Sequence[Sequence[int]], *, pad_id: int, per_token: bool = False) -> Tensor:
    """:func:`sequence_nll` of every row under the weights as they are now, (rows,) without gradient."""
    at_once = 16  # rows per forward pass
    chunks = [pad(rows[start : start + at_once], pad_id=pad_id) for start in range(0, len(rows), at_once)]
    return torch.cat([sequence_nll(model, chunk.to(model.device), per_token=per_token) for chunk in chunks])
