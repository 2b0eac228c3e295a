"""Quantisation of the linear maps, simulated in floating point and needing no data: round to nearest, and NF4.

What a quantised model answers with is computed here from the rounded weights, so it needs no library of kernels and is
the same on every device. Letters: O output features, I input features, G groups per row, S group size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, AttackerData, Family, Point, Threat, param
from harness.train import linear_maps, restored

NF4_BLOCK = 64
"""Weights that share a scale, in the order of memory (2305.14314)."""


@dataclass(frozen=True)
class Quantize:
    """Quantisation of all linear maps except embedding and head: round to nearest at several widths, and NF4."""

    bits: tuple[int, ...] = param(
        (8, 4, 3), "bits per weight, one series each (arXiv 2410.16454 uses 8 and 4)", ge=2, le=8
    )
    group_size: int = param(
        64, "consecutive input weights sharing one scale; 0 = the whole row, one scale per output channel", ge=0
    )

    nf4: bool = param(True, "whether NF4, as QLoRA stores weights, is a series too (2305.14314)")

    version: ClassVar[int] = 2
    threat: ClassVar[Threat] = Threat(access="weights", data="none")
    family: ClassVar[Family] = "edit"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2410.16454"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {"group_size": 128},
        "pocket-muse": {"group_size": 128},
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": {"group_size": 128},
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the model once per width, and as NF4, each quantised from the weights it was given."""
        weights = [linear.weight for linear in linear_maps(lm.model).values()]
        for bits in self.bits:
            with restored(weights):
                for weight in weights:
                    weight.data.copy_(round_to_nearest(weight.detach(), bits=bits, group_size=self.group_size))
                yield Point(0, f"{bits}-bit")
        if self.nf4:
            with restored(weights):
                for weight in weights:
                    weight.data.copy_(normal_float(weight.detach()))
                yield Point(0, "NF4")


def normal_float_levels() -> list[float]:
    """The 16 levels of NF4, ascending from -1 to 1: quantiles of a normal distribution, with an exact 0 (2305.14314).

    Eight steps lie above 0 and seven below; the outermost quantile keeps half a step of the coarser side from the end.
    """
    end = 1 - (1 / 32 + 1 / 30) / 2
    quantile = NormalDist().inv_cdf
    above = [quantile(end + step * (0.5 - end) / 8) for step in range(8)]
    below = [-quantile(end + step * (0.5 - end) / 7) for step in range(7)]
    return sorted(value / above[0] for value in (*above, 0.0, *below))


def normal_float(weight: Tensor) -> Tensor:
    """The nearest NF4 level of every weight, scaled by the largest weight of its block of 64.

    Args:
        weight: Of any shape; blocks run through it in the order of memory, and the last one may be shorter.

    Returns:
        The de-quantised weights in the shape and dtype of ``weight``.
    """
    flat = weight.flatten()
    blocks = functional.pad(flat, (0, -len(flat) % NF4_BLOCK)).reshape(-1, NF4_BLOCK).float()
    scale = blocks.abs().amax(dim=1, keepdim=True)
    levels = torch.tensor(normal_float_levels(), device=weight.device)
    middles = (levels[1:] + levels[:-1]) / 2
    nearest = levels[torch.bucketize(blocks / scale.clamp(min=torch.finfo(torch.float32).tiny), middles)]
    return (nearest * scale).flatten()[: len(flat)].reshape(weight.shape).to(weight.dtype)


def round_to_nearest(weight: Tensor, *, bits: int, group_size: int) -> Tensor:
    """Nearest point of a symmetric grid of ``2**bits - 1`` levels whose outermost level is the group's largest weight.

    With ``step = max|w| / (2**(bits-1) - 1)`` no weight moves by more than ``step / 2``. (arXiv 2410.16454 counts
    ``2**(bits-1)`` steps to the maximum; then the largest positive weight falls off the grid.)

    Args:
        weight: (O, I).
        bits: Bits per weight, at least 2.
        group_size: S, consecutive input weights of one row that share a step; 0 for the whole row. The last group of
            a row may be shorter.

    Returns:
        (O, I), the de-quantised weights in the dtype of ``weight``.
    """
    outputs, inputs = weight.shape
    size = group_size or inputs
    groups = functional.pad(weight, (0, -inputs % size)).reshape(outputs, -1, size)  # (O, G, S): zeros round to zero
    levels = 2 ** (bits - 1) - 1
    step = groups.abs().amax(dim=-1, keepdim=True) / levels  # (O, G, 1)
    safe = torch.where(step > 0, step, torch.ones_like(step))  # a group of zeros stays zero
    rounded: Tensor = (groups / safe).round().clamp(-levels, levels) * step
    return rounded.reshape(outputs, -1)[:, :inputs]
