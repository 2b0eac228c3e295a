"""Arithmetic on a parameter-shaped list of tensors, read as one long vector; products are summed in fp32 or better."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_log = logging.getLogger(__name__)
VISIBLE = "share of 16-bit weights that a perturbation changed: %.6f"
"""What :func:`perturbed` logs, at level INFO, with the share as its argument."""


def dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """Inner product of two vectors."""
    products = [torch.vdot(_wide(a).flatten(), _wide(b).flatten()) for a, b in zip(left, right, strict=True)]
    return float(torch.stack(products).sum())


def norm(vector: Sequence[Tensor]) -> float:
    """Euclidean length."""
    return math.sqrt(dot(vector, vector))


def scaled(vector: Sequence[Tensor], factor: float) -> list[Tensor]:
    """``factor * vector``."""
    return list(torch._foreach_mul(list(vector), factor))


def combined(*terms: tuple[float, Sequence[Tensor]]) -> list[Tensor]:
    """Weighted sum of vectors; terms are (weight, vector)."""
    (first_weight, first), *others = terms
    total = scaled(first, first_weight)
    for weight, vector in others:
        torch._foreach_add_(total, list(vector), alpha=weight)
    return total


@contextmanager
def perturbed(params: Sequence[Tensor], eps: Sequence[Tensor]) -> Iterator[None]:
    """Inside the block the parameters stand at ``params + eps``; afterwards the saved tensors are copied back.

    Subtracting ``eps`` instead would lose low bits (in bf16 most of a small step, spec: methods 0 rule 3). Weights of
    16 bits may not move at all: their share that did is logged, see :data:`VISIBLE`.
    """
    data = [param.detach() for param in params]
    saved = [tensor.clone() for tensor in data]
    torch._foreach_add_(data, list(eps))
    if any(tensor.dtype.itemsize == 2 for tensor in data):
        _log.info(VISIBLE, _moved(data, saved))
    try:
        yield
    finally:
        torch._foreach_copy_(data, saved)


def _moved(data: Sequence[Tensor], saved: Sequence[Tensor]) -> float:
    """Share of weights that a perturbation changed."""
    changed = sum(int((now != before).sum()) for now, before in zip(data, saved, strict=True))
    return changed / sum(tensor.numel() for tensor in data)


def _wide(tensor: Tensor) -> Tensor:
    """At least fp32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
