"""What earns the badge `formula-checked`: a method's first update beside one written from the paper's formula.

The naive side is plain float64 code over one document at a time: no padding, no micro-batches, none of the shared loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness.api import LM, Corpora

ONCE: dict[str, Any] = {"steps": 1, "lr": 1e-6, "warmup": 0, "batch_size": 4}
"""Settings under which the first update sees all four documents of the conftest's forget corpus."""
BOTH: dict[str, Any] = {**ONCE, "retain_batch_size": 4}
"""Likewise of both corpora."""
BALANCED: dict[str, Any] = {**BOTH, "forget_weight": 0.7, "retain_weight": 2.0}
"""Likewise, with weights that an update of length 1 shows: a forget gradient of another size would turn it."""


@dataclass(frozen=True)
class Formula:
    """A method and the gradient that its paper says it follows first, one tensor per parameter of the model."""

    method: Any
    gradient: Callable[[LM, Corpora], Sequence[Tensor]]


def rows_of(lm: LM, texts: Sequence[str]) -> list[Tensor]:
    """Token ids (T,) of each text, with EOS."""
    return [torch.tensor([*lm.tokenizer(text)["input_ids"], lm.tokenizer.eos_token_id]) for text in texts]


def log_p(lm: LM, ids: Tensor) -> Tensor:
    """Log-probabilities (T-1, V) of every next token of one text."""
    found: Tensor = lm.model(ids[None]).logits[0, :-1].log_softmax(-1)
    return found


def nll(lm: LM, texts: Sequence[str]) -> list[Tensor]:
    """Per text, negative log-likelihoods (T-1,) of its tokens after the first."""
    return [-log_p(lm, ids).gather(1, ids[1:, None])[:, 0] for ids in rows_of(lm, texts)]


def mean_over_tokens(lm: LM, texts: Sequence[str]) -> Tensor:
    """NLL per token over all texts together."""
    return torch.cat(nll(lm, texts)).mean()


def of_loss(loss: Callable[[LM, Corpora], Tensor]) -> Callable[[LM, Corpora], Sequence[Tensor]]:
    """The gradient of a total loss."""
    return lambda lm, corpora: torch.autograd.grad(
        loss(lm, corpora), list(lm.model.parameters()), allow_unused=True, materialize_grads=True
    )


def balanced(gradient: Callable[[LM, Corpora], Sequence[Tensor]]) -> Callable[[LM, Corpora], list[Tensor]]:
    """0.7 of a forget gradient and twice that of the NLL per token of retain documents: see :data:`BALANCED`."""

    def both(lm: LM, corpora: Corpora) -> list[Tensor]:
        retained = of_loss(lambda lm, corpora: mean_over_tokens(lm, corpora.retain))(lm, corpora)
        return [0.7 * f + 2 * r for f, r in zip(gradient(lm, corpora), retained, strict=True)]

    return both


@contextmanager
def watched(lm: LM) -> Iterator[list[Tensor]]:
    """Inside the block, what optimisers are given at every step, flat, 0 where a weight does not train."""
    seen: list[Tensor] = []

    def look(*_: object) -> None:
        parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in lm.model.parameters()]
        seen.append(torch.cat([part.flatten() for part in parts]).clone())

    hook = register_optimizer_step_pre_hook(look)
    try:
        yield seen
    finally:
        hook.remove()


def first_gradient(method: Any, lm: LM, corpora: Corpora, *, step: int = 0) -> Tensor:
    """What the optimiser is given first, or at another step, of length 1 (clipping only scales)."""
    with watched(lm) as seen:
        method.unlearn(lm, corpora, seed=0)
    return seen[step] / seen[step].norm()


def flat_unit(parts: Sequence[Tensor]) -> Tensor:
    """The parts as one vector of length 1."""
    flat = torch.cat([part.detach().flatten() for part in parts])
    return flat / flat.norm()
