"""Arithmetic on a parameter-shaped list of tensors, read as one long vector; sums of squares are taken in fp32."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """Inner product of two vectors."""
    products = [torch.vdot(a.float().flatten(), b.float().flatten()) for a, b in zip(left, right, strict=True)]
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

    Subtracting ``eps`` instead would lose low bits (in bf16 most of a small step, spec: methods 0 rule 3).
    """
    data = [param.detach() for param in params]
    saved = [tensor.clone() for tensor in data]
    torch._foreach_add_(data, list(eps))
    try:
        yield
    finally:
        torch._foreach_copy_(data, saved)
