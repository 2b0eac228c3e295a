"""Round-to-nearest quantisation of the linear maps, simulated in floating point and needing no data.

Letters: O output features, I input features, G groups per row, S group size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, AttackerData, Family, Point, Threat, param
from harness.train import linear_maps, restored


@dataclass(frozen=True)
class Quantize:
    """Round-to-nearest quantisation of all linear maps except embedding and head, one series per bit width."""

    bits: tuple[int, ...] = param(
        (8, 4, 3), "bits per weight, one series each (arXiv 2410.16454 uses 8 and 4)", ge=2, le=8
    )
    group_size: int = param(
        64, "consecutive input weights sharing one scale; 0 = the whole row, one scale per output channel", ge=0
    )

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="none")
    family: ClassVar[Family] = "edit"
    citation: ClassVar[str] = "2410.16454"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {"group_size": 128},
        "pocket-muse": {"group_size": 128},
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": {"group_size": 128},
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the model once per bit width, each quantised from the weights it was given."""
        weights = [linear.weight for linear in linear_maps(lm.model).values()]
        for bits in self.bits:
            with restored(weights):
                for weight in weights:
                    weight.data.copy_(round_to_nearest(weight.detach(), bits=bits, group_size=self.group_size))
                yield Point(0, f"{bits}-bit")


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
