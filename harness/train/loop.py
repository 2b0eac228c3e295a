"""AdamW on gradients that the caller assembles, so that a method may combine its components once per step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from harness.train.data import IGNORED, Batch
from harness.train.processes import sum_in_place, summed
from harness.train.sharding import are_cut

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.train.settings import Training

Schedule = Literal["constant", "linear", "linear from 0", "cosine"]


def target_tokens(batch: Batch) -> int:
    """Number of tokens that a loss counts; the first token of a row has no predecessor."""
    return int((batch.labels[:, 1:] != IGNORED).sum())


def rows(batch: Batch) -> int:
    """Number of rows, the weight of a loss that is a mean over sequences."""
    return len(batch.input_ids)


def trainable(model: PreTrainedModel) -> list[nn.Parameter]:
    """Parameters that require a gradient, tied ones once; the model is set to evaluation mode (no dropout)."""
    model.eval()
    return [param for param in model.parameters() if param.requires_grad]


@dataclass(frozen=True)
class Term:
    """One part of a total loss: a mean over a batch that comes in pieces.

    Attributes:
        loss: Mean loss of one piece.
        batches: The pieces.
        weight: Of this part in the total.
        unit: How many units the mean of a piece runs over: target tokens, or ``rows`` for a mean over sequences.
    """

    loss: Callable[[Batch], Tensor]
    batches: Sequence[Batch]
    weight: float = 1.0
    unit: Callable[[Batch], float] = target_tokens


def gradient(
    params: Sequence[nn.Parameter],
    loss: Callable[[Batch], Tensor],
    micro_batches: Sequence[Batch],
    *,
    weight: Callable[[Batch], float] = target_tokens,
) -> list[Tensor]:
    """Gradient of a mean over a batch that comes in pieces.

    Args:
        params: What to differentiate by.
        loss: Mean loss of one piece.
        micro_batches: The pieces.
        weight: How many units the mean of a piece runs over: target tokens, or ``rows`` for a mean over sequences.

    Returns:
        One tensor per parameter, equal to the gradient of the uncut batch up to rounding.
    """
    return total_gradient(params, Term(loss, micro_batches, unit=weight))


def total_gradient(params: Sequence[nn.Parameter], *terms: Term) -> list[Tensor]:
    """Gradient of a weighted sum of losses, in one set of buffers however many terms and pieces there are.

    Args:
        params: What to differentiate by; their ``grad`` is used on the way and empty afterwards.
        terms: What is summed; several processes that train together each give the pieces of their own.

    Returns:
        One tensor per parameter, the caller's to change.
    """
    wanted = list(params)
    cut = are_cut(wanted)
    for param in wanted:
        param.grad = None
    for term in terms:
        shares = [float(term.unit(batch)) for batch in term.batches]
        whole = summed(sum(shares), device=wanted[0].device)
        for batch, share in zip(term.batches, shares, strict=True):
            if cut and not share:
                raise ValueError("A micro-batch without target tokens cannot be passed through a model that is cut.")
            if share:  # of a cut model the graph starts at whole weights, which no one could name as inputs
                torch.autograd.backward(
                    term.loss(batch) * (term.weight * share / whole), inputs=None if cut else wanted
                )
    found = [torch.zeros_like(param) if param.grad is None else param.grad for param in wanted]
    for param in wanted:
        param.grad = None
    if not cut:  # gradients of a cut model are summed on the way
        sum_in_place(found)
    return found


def rate(step: int, *, steps: int, warmup: int, schedule: Schedule) -> float:
    """Multiplier of the learning rate at a step: linear warm-up, then constant, or falling to 0 after the last step.

    The first update is never idle, unless the schedule is that of transformers, which warms up from 0.
    """
    if step < warmup:
        return (step if schedule == "linear from 0" else step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule.startswith("linear"):
        return 1 - done
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0


def descent(  # noqa: PLR0913 - one keyword per setting of AdamW
    params: Sequence[nn.Parameter],
    step_gradient: Callable[[int], Sequence[Tensor]],
    *,
    steps: int,
    lr: float,
    warmup: int = 0,
    schedule: Schedule = "constant",
    clip: float | None = 1.0,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.0,
) -> Iterator[int]:
    """Train with AdamW, one update per item.

    Args:
        params: Trained in place.
        step_gradient: The gradient to follow at a step, one tensor per parameter.
        steps: Number of updates.
        lr: Peak learning rate.
        warmup: Updates of linear warm-up.
        schedule: Shape after the warm-up.
        clip: Largest global norm of the gradient, None to leave it as it is.
        betas: AdamW's decay rates.
        weight_decay: AdamW's.

    Yields:
        The number of updates done, after each update.
    """
    optimizer = torch.optim.AdamW(params, lr=lr, betas=betas, weight_decay=weight_decay)
    for step in range(steps):
        for param, grad in zip(params, step_gradient(step), strict=True):
            param.grad = grad
        if clip is not None:
            nn.utils.clip_grad_norm_(params, clip)
        optimizer.param_groups[0]["lr"] = lr * rate(step, steps=steps, warmup=warmup, schedule=schedule)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield step + 1


def descend(  # noqa: PLR0913 - as descent
    params: Sequence[nn.Parameter],
    step_gradient: Callable[[int], Sequence[Tensor]],
    *,
    steps: int,
    lr: float,
    warmup: int = 0,
    schedule: Schedule = "constant",
    clip: float | None = 1.0,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.0,
) -> None:
    """Run ``descent`` to its end."""
    updates = descent(
        params,
        step_gradient,
        steps=steps,
        lr=lr,
        warmup=warmup,
        schedule=schedule,
        clip=clip,
        betas=betas,
        weight_decay=weight_decay,
    )
    for _ in updates:
        pass


def follow(params: Sequence[nn.Parameter], step_gradient: Callable[[int], Sequence[Tensor]], how: Training) -> None:
    """Run ``descent`` to its end with the settings that methods share.

    Betas, weight decay and clipping are the defaults of ``descent`` for every method, whatever its paper sets (public
    MUSE runs have betas of .9 and .999): rows then differ by what a method follows, and every setting was tuned so.
    """
    descend(params, step_gradient, steps=how.steps, lr=how.lr, warmup=how.warmup)
