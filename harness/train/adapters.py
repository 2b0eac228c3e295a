"""Low-rank adapters in place of linear maps, and out again: the model ends as a plain one with its own names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as Adapter
from torch import nn

from harness.train.weights import linear_maps, restored

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["ADAPTER", "Adapter", "adapted", "factors", "merged"]

ADAPTER = "default"
"""The name under which peft files an adapter that was given none."""


@contextmanager
def adapted(
    model: PreTrainedModel, *, rank: int, seed: int, alpha: int = 0, only: Collection[str] | None = None
) -> Iterator[dict[str, Adapter]]:
    """Inside the block linear maps carry a fresh adapter; afterwards none does.

    Args:
        model: Its own parameters stay as trainable as they were: only what the optimiser is given is trained.
        rank: Of every adapter.
        alpha: An adapter's product counts ``alpha / rank``; 0: twice.
        seed: Of the first factors; the second ones are zero, so nothing changes before the first update.
        only: Names of the maps that are given one; None for all.

    Yields:
        Adapters by the name of the map they stand in for.
    """
    maps = linear_maps(model)
    plain = maps if only is None else {name: maps[name] for name in only}
    trains = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    config = LoraConfig(r=rank, lora_alpha=alpha or 2 * rank, lora_dropout=0.0, target_modules=list(plain))
    with torch.random.fork_rng():  # peft draws from the global generator
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    del model.peft_config  # left on the model by peft, and no part of it once the adapters are gone
    for parameter, required in trains:
        parameter.requires_grad_(required)
    try:
        yield {name: model.get_submodule(name) for name in plain}
    finally:
        _placed(model, plain)


@contextmanager
def merged(model: PreTrainedModel, adapters: Mapping[str, Adapter]) -> Iterator[None]:
    """Inside the block the model is a plain one with ``W + scale * B A`` in its own maps; then training can go on."""
    plain = {name: adapter.base_layer for name, adapter in adapters.items()}
    with restored(linear.weight for linear in plain.values()):
        for name, linear in plain.items():
            linear.weight.data.add_(adapters[name].get_delta_weight(ADAPTER).detach())
        _placed(model, plain)
        try:
            yield
        finally:
            _placed(model, adapters)


def factors(adapters: Mapping[str, Adapter]) -> list[nn.Parameter]:
    """Both factors of every adapter: all that low-rank fine-tuning trains."""
    return [side[ADAPTER].weight for adapter in adapters.values() for side in (adapter.lora_A, adapter.lora_B)]


def _placed(model: PreTrainedModel, modules: Mapping[str, nn.Module]) -> None:
    for name, module in modules.items():
        model.set_submodule(name, module)
