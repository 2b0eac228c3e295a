"""Blocks of the original model put back into the unlearned one: where in depth the unlearning sits.

Who owns the original needs no attack, so this is a diagnostic (spec: attacks A.3.4). If a few blocks bring everything
back, the others were never changed to any purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param, remarked
from harness.train import decoder_blocks, restored


@dataclass(frozen=True)
class LayerReinsert:
    """Consecutive decoder blocks of the original in place of the unlearned ones, one series per window."""

    sizes: tuple[int, ...] = param((1, 2, 4), "blocks that are put back together (spec: attacks A.3.4)", ge=1)

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="none", base_model=True, diagnostic=True)
    family: ClassVar[Family] = "edit"
    citation: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield one model per window; sizes beyond the model's depth are left out, and the first point says so."""
        if data.original is None:
            raise NotApplicable("The original model was not handed over.")
        here, there = (decoder_blocks(model) for model in (lm.model, data.original().model))
        if len(here) != len(there):
            raise NotApplicable(f"The method left {len(here)} blocks, the original has {len(there)}.")
        windows = [(at, at + size) for size in self.sizes for at in range(len(here) - size + 1)]
        if not windows:
            raise NotApplicable(f"The model has {len(here)} blocks, fewer than any of sizes={self.sizes}.")
        large = [size for size in self.sizes if size > len(here)]
        short = f"The model has {len(here)} blocks; windows of {large} are left out." if large else ""
        yield from remarked(self._every(here, there, windows), short)

    def _every(self, here: nn.ModuleList, there: nn.ModuleList, windows: Iterable[tuple[int, int]]) -> Iterator[Point]:
        for first, end in windows:
            with restored(weight for block in here[first:end] for weight in block.parameters()):
                for block, original in zip(here[first:end], there[first:end], strict=True):
                    with torch.no_grad():
                        for weight, given in zip(block.parameters(), original.parameters(), strict=True):
                            weight.copy_(given)
                yield Point(0, f"block {first}" if end == first + 1 else f"blocks {first}-{end - 1}")
