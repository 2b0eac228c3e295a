"""What a stage costs, measured from outside: methods and attacks count nothing themselves.

Passes are counted at the decoder layers, so a forward cut at half of them counts one half, frozen copies count too, and
wrapping the model (adapters) changes nothing. Letters: B batch, T tokens, D width.
"""

from __future__ import annotations

import logging
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from harness.record import Cost
from harness.train.processes import summed
from harness.train.vectors import VISIBLE

STATUS = Path("/proc/self/status")
VECTORS = logging.getLogger("harness.train.vectors")
WARM_STEPS = 3
"""Optimiser steps that are not yet like those that follow: memory is taken, kernels are chosen."""
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass
class _Tally:
    """Raw counts; layers are whole numbers until the end so that fractions add up exactly."""

    running: bool = False
    steps: int = 0
    layer_forwards: int = 0
    layer_backwards: int = 0
    tokens: int = 0
    layer_token_forwards: int = 0
    layer_token_backwards: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    stepped: float | None = None
    between: list[float] = field(default_factory=list)
    trained: int = 0
    optimizer_bytes: int = 0
    visible: float | None = None


class Meter:
    """Context manager that counts passes, steps, tokens, time and memory of whatever uses this model inside it."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = decoder_layers(model)
        self._depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
        self._device = next(model.parameters()).device
        self._tally = _Tally()
        self._handles: list[RemovableHandle] = []
        self._since = 0.0

    def __enter__(self) -> Meter:
        """Attach to the model and start."""
        self._handles = [layer.register_forward_hook(_counted(self._tally, i)) for i, layer in enumerate(self._layers)]
        self._handles.append(register_optimizer_step_post_hook(_stepped(self._tally)))
        self._perturbations = _Perturbations(self._tally)
        self._level = VECTORS.level
        VECTORS.addHandler(self._perturbations)
        VECTORS.setLevel(logging.INFO)
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop and detach."""
        self._stop()
        for handle in self._handles:
            handle.remove()
        VECTORS.removeHandler(self._perturbations)
        VECTORS.setLevel(self._level)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing inside, such as an evaluation between two points of an attack."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def cost(self) -> Cost:
        """What was spent while running, so far up to the last pause or the end; passes are those of all processes."""
        tally, depth = self._tally, self._depth

        def everywhere(count: float) -> float:
            return summed(count, device=self._device)

        return Cost(
            seconds=round(tally.seconds, 4),
            steps=tally.steps,
            forwards=everywhere(tally.layer_forwards) / depth,
            backwards=everywhere(tally.layer_backwards) / depth,
            tokens=int(everywhere(tally.tokens)),
            token_forwards=everywhere(tally.layer_token_forwards) / depth,
            token_backwards=everywhere(tally.layer_token_backwards) / depth,
            peak_memory_bytes=tally.peak_bytes,
            step_seconds=round(statistics.median(after), 6) if (after := tally.between[WARM_STEPS:]) else 0.0,
            trained_parameters=tally.trained,
            optimizer_bytes=tally.optimizer_bytes,
            visible_share=tally.visible,
        )

    def _start(self) -> None:
        _reset_peak(self._device)
        self._tally.running = True
        self._tally.stepped = None  # what happened meanwhile belongs to no step
        self._since = time.perf_counter()

    def _stop(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        if self._tally.running:
            self._tally.seconds += time.perf_counter() - self._since
            self._tally.peak_bytes = max(self._tally.peak_bytes, _peak_bytes(self._device))
        self._tally.running = False


def together(earlier: Cost, later: Cost) -> Cost:
    """The cost of one stage that was done in two runs."""
    shares = [cost.visible_share for cost in (earlier, later) if cost.visible_share is not None]
    return Cost(
        seconds=earlier.seconds + later.seconds,
        steps=earlier.steps + later.steps,
        forwards=earlier.forwards + later.forwards,
        backwards=earlier.backwards + later.backwards,
        tokens=earlier.tokens + later.tokens,
        peak_memory_bytes=max(earlier.peak_memory_bytes, later.peak_memory_bytes),
        token_forwards=earlier.token_forwards + later.token_forwards,
        token_backwards=earlier.token_backwards + later.token_backwards,
        step_seconds=later.step_seconds or earlier.step_seconds,
        trained_parameters=max(earlier.trained_parameters, later.trained_parameters),
        optimizer_bytes=max(earlier.optimizer_bytes, later.optimizer_bytes),
        visible_share=min(shares, default=None),
    )


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The decoder layers: every list of modules as long as the configuration says, one unless it is a composite.

    Raises:
        ValueError: The model has no such list.
    """
    config: Any = model.config
    depth = config.num_hidden_layers
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == depth]
    if not stacks:
        raise ValueError(
            f"{type(model).__name__} has no list of {depth} decoder layers, so its passes cannot be counted."
        )
    return [layer for stack in stacks for layer in stack]


def _counted(tally: _Tally, index: int) -> Callable[[nn.Module, object, object], None]:
    """A forward hook; it is a closure because a deep copy of the model keeps closures but would copy an object."""

    def backward(gradient: Tensor) -> None:
        tally.layer_backwards += tally.running
        tally.layer_token_backwards += tally.running * gradient.shape[0] * gradient.shape[1]

    def forward(layer: nn.Module, inputs: object, output: object) -> None:
        hidden = output[0] if isinstance(output, tuple) else output  # (B,T,D)
        if not tally.running or not isinstance(hidden, Tensor):
            return
        positions = hidden.shape[0] * hidden.shape[1]
        tally.layer_forwards += 1
        tally.layer_token_forwards += positions
        if index == 0:  # of the first stack
            tally.tokens += positions
        if hidden.requires_grad:
            hidden.register_hook(backward)  # type: ignore[no-untyped-call] # torch leaves it untyped

    return forward


def _stepped(tally: _Tally) -> Callable[[Optimizer, object, object], None]:
    def step(optimizer: Optimizer, positional: object, named: object) -> None:
        if not tally.running:
            return
        now = time.perf_counter()
        if tally.stepped is not None:
            tally.between.append(now - tally.stepped)
        tally.stepped = now
        tally.steps += 1
        tally.trained = sum(weight.numel() for group in optimizer.param_groups for weight in group["params"])
        kept = (value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor))
        tally.optimizer_bytes = sum(tensor.nbytes for tensor in kept)

    return step


class _Perturbations(logging.Handler):
    """Keeps the smallest share of 16-bit weights that a perturbation changed."""

    def __init__(self, tally: _Tally) -> None:
        super().__init__(logging.INFO)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == VISIBLE and isinstance(record.args, tuple):
            share = float(str(record.args[0]))
            self._tally.visible = share if self._tally.visible is None else min(self._tally.visible, share)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):  # not Linux, or not allowed: the peak then is the process's since its start
        CLEAR_REFS.write_text("5")


def _peak_bytes(device: torch.device) -> int:
    """Peak of the device's allocations, or of this process's resident memory, since the last reset."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if STATUS.exists():
        lines = (line.split() for line in STATUS.read_text().splitlines())
        return next(int(words[1]) * 1024 for words in lines if words and words[0] == "VmHWM:")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
