"""Arithmetic on a parameter-shaped list of tensors, read as one long vector; products are summed in fp32 or better.

``scales`` (tensors,) give every tensor a unit of length: products become ``sum T_i^2 <g_i, h_i>``, and a loss rises
fastest along ``T_i^2 g_i``. Nothing here reads a number per tensor back from the device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from harness.train.processes import sum_in_place
from harness.train.sharding import are_cut, like, local

_log = logging.getLogger(__name__)
VISIBLE = "share of 16-bit weights that a perturbation changed: %.6f"
"""What a displacement logs, at level INFO, with the share as its argument."""

Metric = Literal["euclid", "lora_invariant"]
Vector = Sequence[Tensor]
Move = tuple[float, Vector]
"""A weighted vector to be added to the parameters."""


def tensor_scales(params: Vector, metric: Metric) -> Tensor | None:
    """Length units T (tensors,) of the parameters as they are: ``||tensor||_F + 1e-6 sqrt(numel)``; None: all are 1.

    With them norms, angles and the product of two factors after a step stay as they are when ``(B, A)`` becomes
    ``(c B, A / c)``, which is the same model (spec: methods 1.4c). The summand lets a zero factor move.
    """
    if metric == "euclid":
        return None
    return lengths(params) + 1e-6 * _roots(params)


def lengths(vector: Vector) -> Tensor:
    """Euclidean length of each tensor, (tensors,)."""
    wide = torch.float64 if any(tensor.dtype == torch.float64 for tensor in vector) else torch.float32
    mine = torch.stack(torch._foreach_norm([local(tensor.detach()) for tensor in vector], 2, wide))
    return _over_parts(mine.square(), vector).sqrt() if are_cut(vector) else mine


def products(left: Vector, right: Vector, scales: Tensor | None = None) -> Tensor:
    """Inner product of each pair of tensors, (tensors,)."""
    pairs = zip(left, right, strict=True)
    mine = [torch.vdot(_wide(local(a)).flatten(), _wide(local(b)).flatten()) for a, b in pairs]
    each = _over_parts(torch.stack(mine), left)
    return each if scales is None else each * scales.square()


def dot(left: Vector, right: Vector, scales: Tensor | None = None) -> float:
    """Inner product of two vectors."""
    return float(products(left, right, scales).sum())


def norm(vector: Vector, scales: Tensor | None = None) -> float:
    """Length of a vector."""
    each = lengths(vector)
    return float((each if scales is None else each * scales).norm())


def scaled(vector: Vector, factor: float) -> list[Tensor]:
    """``factor * vector``."""
    return list(torch._foreach_mul(list(vector), factor))


def stretched(vector: Vector, factors: Tensor) -> list[Tensor]:
    """Each tensor times its own factor, from (tensors,)."""
    return list(torch._foreach_mul(list(vector), list(factors.unbind())))


def combined(*terms: tuple[float, Vector]) -> list[Tensor]:
    """Weighted sum of vectors; terms are (weight, vector)."""
    (first_weight, first), *others = terms
    total = scaled(first, first_weight)
    for weight, vector in others:
        torch._foreach_add_(total, list(vector), alpha=weight)
    return total


def total(vectors: Iterable[list[Tensor]]) -> list[Tensor]:
    """Sum of one or more vectors, in the tensors of the first: nothing is copied."""
    source = iter(vectors)
    found = next(source)
    for vector in source:
        torch._foreach_add_(found, vector)
    return found


def steepest(vector: Vector, scales: Tensor | None = None) -> Vector:
    """The direction, for a gradient, in which its loss rises fastest per unit of length."""
    return vector if scales is None else stretched(vector, scales.square())


def ascent(uphill: Vector, *, radius: float, scales: Tensor | None = None) -> Move:
    """The move of length ``radius`` that raises a loss most to first order, given its gradient."""
    return radius / (norm(uphill, scales) + 1e-12), steepest(uphill, scales)


def standard_normal(params: Vector, noise: torch.Generator) -> list[Tensor]:
    """Independent N(0, 1) coordinates in the shapes of the parameters, drawn on the generator's device."""
    return [like(torch.randn(param.shape, generator=noise, device=noise.device), param) for param in params]


def root_mean_squares(params: Vector) -> Tensor:
    """Root of the mean square of each tensor, (tensors,)."""
    return lengths(params) / _roots(params)


def wide_copy(params: Vector) -> list[Tensor]:
    """A copy in fp32 or better, in which small changes add up."""
    return [_wide(param.detach()).clone() for param in params]


def approach(average: Vector, params: Vector, *, share: float) -> None:
    """Move an average, a :func:`wide_copy`, this share of the way towards the parameters."""
    torch._foreach_lerp_([local(mean) for mean in average], [_wide(local(param.detach())) for param in params], share)


def assign(params: Vector, vector: Vector) -> None:
    """Put the parameters at a vector."""
    torch._foreach_copy_([local(param.detach()) for param in params], [local(tensor) for tensor in vector])


@contextmanager
def displaced(params: Vector) -> Iterator[Callable[..., None]]:
    """Inside the block parameters can be put elsewhere; afterwards the saved tensors are copied back.

    Subtracting what was added instead would lose low bits (in bf16 most of a small step, spec: methods 0 rule 3).
    Weights that passes see in 16 bits, their own or those of autocast, may not seem to move at all: the share that did
    is logged, see :data:`VISIBLE`.

    Yields:
        ``place(*moves)``: puts the parameters at the saved ones plus all moves, wherever they stood before. One saved
        copy serves any number of calls.
    """
    data = [local(param.detach()) for param in params]
    saved = [tensor.clone() for tensor in data]
    rounds = any(_seen_in(tensor).itemsize == 2 for tensor in data)

    def place(*moves: Move) -> None:
        torch._foreach_copy_(data, saved)
        for weight, vector in moves:
            torch._foreach_add_(data, [local(tensor) for tensor in vector], alpha=weight)
        if rounds and moves:
            _log.info(VISIBLE, _moved(data, saved, params))

    try:
        yield place
    finally:
        torch._foreach_copy_(data, saved)


@contextmanager
def perturbed(params: Vector, eps: Vector) -> Iterator[None]:
    """Inside the block the parameters stand at ``params + eps``, see :func:`displaced`."""
    with displaced(params) as place:
        place((1.0, eps))
        yield


def _moved(data: Vector, saved: Vector, params: Vector) -> float:
    """Share of all weights of the parameters that a perturbation changed, given what this process holds of them."""
    pairs = ((now.to(_seen_in(now)), before.to(_seen_in(now))) for now, before in zip(data, saved, strict=True))
    changed = torch.stack([(now != before).sum() for now, before in pairs]).sum()
    return int(_over_parts(changed, params)) / sum(param.numel() for param in params)


def _seen_in(weight: Tensor) -> torch.dtype:
    """The type in which a matrix product takes a weight: that of autocast where it is on."""
    device = weight.device.type
    cast = weight.dtype == torch.float32 and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if cast else weight.dtype


def _over_parts(sums: Tensor, vector: Vector) -> Tensor:
    """Sums over whole tensors, from those over what this process holds of them."""
    if are_cut(vector):
        sum_in_place([sums])
    return sums


def _roots(params: Vector) -> Tensor:
    """Root of the number of coordinates of each tensor, (tensors,)."""
    return torch.tensor([param.numel() for param in params], device=params[0].device).sqrt()


def _wide(tensor: Tensor) -> Tensor:
    """At least fp32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
