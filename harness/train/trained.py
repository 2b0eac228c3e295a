"""What a method trains: the weights or adapters in their place, in the precision that was asked for.

Whatever happens inside the block, the model ends with its own modules, names and dtype; adapters end merged, or gone if
the block failed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from harness.api import LM
from harness.errors import UserError
from harness.train.adapters import ADAPTER, adapted, factors
from harness.train.loop import trainable
from harness.train.settings import Training
from harness.train.sharding import sharded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def trained(lm: LM, how: Training, *, seed: int, only: Collection[str] | None = None) -> Iterator[list[nn.Parameter]]:
    """Prepare a model for a gradient method.

    Args:
        lm: Edited in place; its model is set to evaluation mode (no dropout).
        how: Rank and scale of the adapters, precision, and whether the model is cut.
        seed: Of the adapters.
        only: Names of the linear maps that train; None for every weight, or with adapters for every linear map.

    Yields:
        What the optimiser is to be given, tied weights once.

    Raises:
        UserError: A model is to be cut over processes, and adapters or a part of it are to train.
    """
    if how.shard:
        if how.lora_rank or only is not None:
            raise UserError("shard=true is for training every weight: adapters, or a few maps, leave nothing to cut.")
        with _cut(lm, how) as params:
            yield params
        return
    weights = trainable(lm.model)
    if not how.lora_rank:
        params = weights if only is None else [lm.model.get_submodule(name).weight for name in only]
        with rounded(weights, how.precision), _passes_in(lm.model, how.precision):
            yield params
        return
    with adapted(lm.model, rank=how.lora_rank, alpha=how.lora_alpha, seed=seed, only=only) as adapters:
        with rounded(weights, how.precision), _passes_in(lm.model, how.precision):
            yield factors(adapters)
        for adapter in adapters.values():
            adapter.base_layer.weight.data.add_(adapter.get_delta_weight(ADAPTER).detach())


@contextmanager
def _cut(lm: LM, how: Training) -> Iterator[list[nn.Parameter]]:
    with rounded(trainable(lm.model), how.precision), sharded(lm), _passes_in(lm.model, how.precision):
        yield trainable(lm.model)


@contextmanager
def rounded(weights: Sequence[nn.Parameter], precision: str) -> Iterator[None]:
    """Inside the block weights have 16 bits if ``bf16`` is asked for, and no copy of more stands behind them."""
    dtypes = [weight.dtype for weight in weights]
    if precision == "bf16":
        for weight in weights:
            weight.data = weight.data.to(torch.bfloat16)
    try:
        yield
    finally:
        for weight, dtype in zip(weights, dtypes, strict=True):
            weight.data = weight.data.to(dtype)


@contextmanager
def _passes_in(model: PreTrainedModel, precision: str) -> Iterator[None]:
    """Inside the block matrix products are taken in bf16 if so asked.

    Without the cache of autocast: it would go on serving the 16-bit copy of a weight that a method displaced meanwhile,
    and perturbations would have no effect.
    """
    mixed = precision == "mixed"
    with torch.autocast(model.device.type, torch.bfloat16, enabled=mixed, cache_enabled=False):
        yield
