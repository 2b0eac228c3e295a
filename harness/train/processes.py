"""Several processes that train one model on one batch: each computes its rows, and sums agree everywhere.

Nothing here starts processes: whoever does (``harness unlearn`` under ``accelerate launch``) has set up
``torch.distributed`` before. In a lone process every function is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed

Said = TypeVar("Said")


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def position() -> int:
    """Which of them this one is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def summed(value: float, *, device: torch.device) -> float:
    """The sum of every process's value."""
    if processes() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return float(total)


def said_by_first(value: Said) -> Said:
    """What the first process says, in every process."""
    if processes() == 1:
        return value
    said = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def gathered(tensor: Tensor) -> list[Tensor]:
    """Every process's tensor, in the order of the processes; their shapes may differ, and no gradient flows."""
    if processes() == 1:
        return [tensor]
    found: list[Tensor] = [tensor] * processes()
    distributed.all_gather_object(found, tensor.cpu())
    return [part.to(tensor.device) for part in found]


def sum_in_place(tensors: Sequence[Tensor]) -> None:
    """Replace tensors that every process has by their sums over processes."""
    if processes() == 1:
        return
    for tensor in tensors:
        distributed.all_reduce(tensor)
