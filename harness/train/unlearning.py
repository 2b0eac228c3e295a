"""The common frames of methods: to train on documents alone, or to weigh a forget loss against a retain loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora
from harness.train.data import Batch, encode, stream
from harness.train.loop import Term, follow, target_tokens, total_gradient
from harness.train.losses import Loss, mean_nll
from harness.train.settings import Balanced, Paired, Training
from harness.train.trained import trained


def fit(lm: LM, documents: Sequence[str], how: Training, *, seed: int, weight: float = 1.0) -> None:
    """Descend on ``weight * NLL`` of documents; a negative weight climbs.

    Args:
        lm: Trained in place.
        documents: In an order of their own on every pass.
        how: Learning rate, updates, batch size, what trains.
        seed: Of the orders and of adapters.
        weight: Of the loss.
    """
    encoded = encode(lm.tokenizer, documents, max_tokens=how.max_tokens)
    batches = stream(lm, encoded, size=how.batch_size, parts=how.accumulation, seed=seed)
    with trained(lm, how, seed=seed) as params:

        def step_gradient(step: int) -> list[Tensor]:
            return total_gradient(params, Term(lambda batch: mean_nll(lm.model, batch), next(batches), weight))

        follow(params, step_gradient, how)


@dataclass(frozen=True)
class Sides:
    """Both sides of unlearning as endless batches, each cut into micro-batches.

    Attributes:
        forget_rows: All forget documents as token rows; a batch says by its ``index`` which of them it holds.
        retain_rows: Likewise all retain documents.
    """

    forget_rows: Sequence[Sequence[int]]
    retain_rows: Sequence[Sequence[int]]
    forget: Iterator[list[Batch]]
    retain: Iterator[list[Batch]]


def sides(lm: LM, corpora: Corpora, how: Paired, *, seed: int) -> Sides:
    """Both corpora, encoded and shuffled by orders of their own."""
    forget_rows = encode(lm.tokenizer, corpora.forget, max_tokens=how.max_tokens)
    retain_rows = encode(lm.tokenizer, corpora.retain, max_tokens=how.max_tokens)
    return Sides(
        forget_rows,
        retain_rows,
        stream(lm, forget_rows, size=how.batch_size, parts=how.accumulation, seed=2 * seed),
        stream(lm, retain_rows, size=how.retain_batch_size, parts=how.accumulation, seed=2 * seed + 1),
    )


def weigh(
    params: Sequence[nn.Parameter],
    data: Sides,
    how: Balanced,
    *,
    forget: Loss,
    retain: Loss,
    unit: Callable[[Batch], float] = target_tokens,
) -> None:
    """Descend on ``forget_weight * forget + retain_weight * retain`` for as many updates as the settings say.

    Args:
        params: Trained in place.
        data: Where batches come from.
        how: Weights, learning rate, updates.
        forget: Loss whose descent forgets.
        retain: Loss whose descent retains; not evaluated if its weight is 0.
        unit: What the forget loss is a mean over.
    """

    def step_gradient(step: int) -> list[Tensor]:
        terms = [Term(forget, next(data.forget), how.forget_weight, unit)]
        if how.retain_weight:
            terms.append(Term(retain, next(data.retain), how.retain_weight))
        return total_gradient(params, *terms)

    follow(params, step_gradient, how)


def assemble(
    params: Sequence[nn.Parameter],
    data: Sides,
    how: Balanced,
    *,
    forget: Callable[[list[Batch]], list[Tensor]],
    retain: Loss,
) -> None:
    """As :func:`weigh`, where the forget gradient is put together by the method.

    Args:
        params: Trained in place.
        data: Where batches come from.
        how: Weight of the retain term, learning rate, updates.
        forget: Gradient of the weighted forget term on one batch in pieces; its tensors are added to.
        retain: Loss whose descent retains; not evaluated if its weight is 0.
    """

    def step_gradient(step: int) -> list[Tensor]:
        found = forget(next(data.forget))
        if how.retain_weight:
            torch._foreach_add_(found, total_gradient(params, Term(retain, next(data.retain), how.retain_weight)))
        return found

    follow(params, step_gradient, how)
