"""On the line between unlearned and original weights: how soon knowledge is back, and whether a barrier lies between.

Who owns the original needs no attack, so this is a diagnostic (spec: attacks A.3.4). A line without a barrier says that
little was moved; knowledge beyond both ends says which way the update points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param
from harness.train import restored


@dataclass(frozen=True)
class Interpolate:
    """Weights between the unlearned and the original model, one series per share of the way."""

    shares: tuple[float, ...] = param(
        (-0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0), "shares of the way to the original; negative ones lead away"
    )

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="none", base_model=True, diagnostic=True)
    family: ClassVar[Family] = "edit"
    citation: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield one model per share, each computed in fp32 at least."""
        if data.original is None:
            raise NotApplicable("The original model was not handed over.")
        ends = dict(data.original().model.named_parameters())
        if {name: end.shape for name, end in ends.items()} != {n: p.shape for n, p in lm.model.named_parameters()}:
            raise NotApplicable("The method left a model of another architecture: no line leads to the original.")
        starts = {name: weight.detach().clone() for name, weight in lm.model.named_parameters()}
        with restored(lm.model.parameters()):
            for share in self.shares:
                with torch.no_grad():
                    for name, weight in lm.model.named_parameters():
                        weight.copy_(torch.lerp(starts[name].float(), ends[name].to(weight.device).float(), share))
                yield Point(0, f"share={share:g}")
