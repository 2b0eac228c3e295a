"""A model as it is now, to be asked later when it has been trained: what distillation and retain terms compare with.

With fresh adapters nothing is copied: switched off, they leave the original. Otherwise a copy stays in memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from harness.train.adapters import ADAPTER, Adapter
from harness.train.sharding import is_sharded, sharded_copy

Module = TypeVar("Module", bound=nn.Module)
Frozen = Callable[[Callable[[Any], Tensor]], Tensor]
"""Computes something from the module as it was, without gradient: ``reference(lambda original: ...)``."""


def frozen(module: Module) -> Frozen:
    """Remember a module at today's weights.

    Args:
        module: A model, or a view of one that shares its layers.
    """
    adapters = [part for part in module.modules() if isinstance(part, Adapter)]
    fresh = bool(adapters) and not any(bool(part.lora_B[ADAPTER].weight.any()) for part in adapters)
    return _with_adapters_off(module, adapters) if fresh else _of_a_copy(module)


def frozen_copy(module: Module) -> Module:
    """A copy with today's weights that no gradient reaches."""
    return (sharded_copy(module) if is_sharded(module) else copy.deepcopy(module)).requires_grad_(False)


def _of_a_copy(module: nn.Module) -> Frozen:
    original = frozen_copy(module)

    @torch.no_grad()
    def ask(compute: Callable[[Any], Tensor]) -> Tensor:
        return compute(original)

    return ask


def _with_adapters_off(module: nn.Module, adapters: list[Adapter]) -> Frozen:
    @torch.no_grad()
    def ask(compute: Callable[[Any], Tensor]) -> Tensor:
        with _off(adapters):
            return compute(module)

    return ask


@contextmanager
def _off(adapters: list[Adapter]) -> Iterator[None]:
    """Inside the block adapters add nothing; peft's own switch would also change what requires a gradient."""
    scales = [adapter.scaling[ADAPTER] for adapter in adapters]
    for adapter in adapters:
        adapter.scaling[ADAPTER] = 0.0
    try:
        yield
    finally:
        for adapter, scale in zip(adapters, scales, strict=True):
            adapter.scaling[ADAPTER] = scale
