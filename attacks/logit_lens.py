"""The logit lens: what the model would say if it stopped after a block, read through its own final norm and head.

Knowledge that an early block holds and a later one takes back was hidden on the way. Blocks behind the lens write
nothing, so what is asked is a plain model. A diagnostic (2409.18025; spec: attacks A.3.8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param
from harness.train import block_writers, restored


@dataclass(frozen=True)
class LogitLens:
    """The model read behind each of its blocks, one series each: a diagnostic."""

    step: int = param(1, "the last block but one and every so many-th before it are read", ge=1)

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="activations", data="none", diagnostic=True)
    family: ClassVar[Family] = "activation"
    citation: ClassVar[str] = "2409.18025"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield one model per block; the last block is the model itself and is left out."""
        written = block_writers(lm.model)
        if len(written) < 2:
            raise NotApplicable("The model has one block only, behind which it is read anyway.")
        for last in sorted(range(len(written) - 2, -1, -self.step)):
            behind = [tensor for block in written[last + 1 :] for tensor in block]
            with restored(behind):
                for tensor in behind:
                    tensor.zero_()
                yield Point(0, f"block {last}")
