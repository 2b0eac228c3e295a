"""One model cut over the processes that train it: weights, gradients and the optimiser's state (FSDP).

Inside :func:`sharded` every parameter is a DTensor of which a process holds its rows; a decoder block is put together
when it is passed through and let go afterwards. Gradients arrive summed over processes, in the same cut.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from harness.api import LM
from harness.errors import UserError
from harness.train.processes import processes

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def sharded(lm: LM) -> Iterator[None]:
    """Inside the block ``lm.model`` is a twin of the model that is cut over processes; the whole one waits on the CPU.

    Afterwards the whole model has the twin's weights, in every process.

    Raises:
        UserError: There is one process only.
    """
    if processes() == 1:
        raise UserError("shard=true cuts a model over processes, and there is one. Start several, or leave it out.")
    whole, device = lm.model, lm.model.device
    whole.to("cpu")
    twin = _twin(whole, init_device_mesh(device.type, (processes(),)), device)
    sources = dict(whole.named_parameters())
    for name, weights in _cut(twin):
        weights.to_local().copy_(_my_rows(sources[name].detach().to(device), weights).to_local())
    lm.model = twin
    try:
        yield
        for name, weights in _cut(twin):
            sources[name].data.copy_(weights.full_tensor())
    finally:
        lm.model = whole.to(device)


def is_sharded(module: nn.Module) -> bool:
    """Whether a model is cut over processes."""
    return isinstance(module, FSDPModule)


def sharded_copy(model: Module) -> Module:
    """A copy of a cut model with today's weights, cut alike."""
    first = next(weights for _, weights in _cut(model))
    twin = _twin(model, first.device_mesh, first.device)
    for (_, mine), (_, theirs) in zip(_cut(twin), _cut(model), strict=True):
        mine.to_local().copy_(theirs.to_local())
    return twin


def are_cut(tensors: Sequence[Tensor]) -> bool:
    """Whether tensors hold only what is this process's."""
    return any(isinstance(tensor, DTensor) for tensor in tensors)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: all of it, unless it is cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def like(whole: Tensor, weights: Tensor) -> Tensor:
    """A tensor that every process has alike, in dtype, device and cut of some weights."""
    placed = whole.to(weights.device, weights.dtype)
    return _my_rows(placed, weights) if isinstance(weights, DTensor) else placed


def _my_rows(whole: Tensor, weights: DTensor) -> DTensor:
    """This process's part of a tensor that every process has."""
    return distribute_tensor(whole, weights.device_mesh, weights.placements, src_data_rank=None)


def _twin(model: Module, mesh: DeviceMesh, device: torch.device) -> Module:
    """The same architecture, cut, with buffers, hooks and modes of the model, and weights that are not set."""
    plain = type(model).__bases__[1] if is_sharded(model) else type(model)  # FSDP derives from itself and from it
    with torch.device("meta"):
        twin = plain._from_config(model.config, dtype=model.dtype)  # type: ignore[attr-defined]
    for part in (*twin.get_decoder().layers, twin):
        fully_shard(part, mesh=mesh, reshard_after_forward=True)  # else perturbed weights would not be seen
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    twin.to_empty(device=device)
    buffers = dict(model.named_buffers())
    for name, buffer in twin.named_buffers():
        buffer.copy_(buffers[name])
    for name, module in model.named_modules():
        watching = {key: hook for key, hook in module._forward_hooks.items() if not inspect.ismethod(hook)}
        twin.get_submodule(name)._forward_hooks.update(watching)  # such as a meter's; methods are FSDP's own
    for mine, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        mine.requires_grad_(theirs.requires_grad)
    return twin.train(model.training)  # type: ignore[no-any-return]


def _cut(model: nn.Module) -> Iterator[tuple[str, DTensor]]:
    """The parameters of a cut model by name, without their gradients."""
    for name, weights in model.named_parameters():
        yield name, weights.detach()  # type: ignore[misc]
