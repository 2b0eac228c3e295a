"""Which weights an attack edits, and how it leaves them as it found them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from harness.train.sharding import local


def linear_maps(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Linear maps inside the blocks by module name: neither the embedding nor the head, tied or not."""
    networks = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
    ends = [end for part in networks for end in (part.get_input_embeddings(), part.get_output_embeddings())]
    kept = {id(end.weight) for end in ends if end is not None}
    maps = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and id(module.weight) not in kept
    }
    if not maps:
        raise ValueError(f"{type(model).__name__} has no torch.nn.Linear between embedding and head.")
    return maps


@contextmanager
def restored(weights: Iterable[Tensor]) -> Iterator[None]:
    """Whatever happens to the weights inside the block, a change of their storage included, they end as they were."""
    given = list(weights)
    saved = [local(weight.detach()).clone() for weight in given]
    try:
        yield
    finally:
        torch._foreach_copy_([local(weight.detach()) for weight in given], saved)
