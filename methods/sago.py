"""Sign-aware gradient composition (2604.14808): where forgetting opposes retaining, a coordinate follows retaining.

Every other coordinate follows forgetting, the retain gradient only lends its sign. No coordinate ever opposes it. The
base is any forget loss; likelihoods are means over tokens. The paper's own learning rates are unknown to us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Forget,
    Term,
    follow,
    forget_loss,
    gradient,
    pad_id,
    retain_loss,
    sides,
    total_gradient,
    trained,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "base": "npo",
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

BASES: Mapping[str, Forget] = {"npo": "preference", "simnpo": "simple", "graddiff": "ascent"}
SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


def composed(forget: Sequence[Tensor], retain: Sequence[Tensor], *, retain_weight: float) -> list[Tensor]:
    """``forget`` where both have one sign or either is 0, else ``retain_weight * retain``, by coordinate.

    Args:
        forget: Weighted gradient of the forget loss.
        retain: Gradient of the retain loss.
        retain_weight: Its weight where it is followed.
    """
    return [torch.where(f * r < 0, retain_weight * r, f) for f, r in zip(forget, retain, strict=True)]


@dataclass(frozen=True)
class SAGO(Balanced):
    """Forget and retain gradients composed by the signs of their coordinates."""

    base: Literal["npo", "graddiff", "simnpo"] = param("npo", "Forget loss.", choices=("npo", "graddiff", "simnpo"))
    lr: float = param(5e-6, "Peak learning rate of AdamW (Zephyr-7B; nearest neighbour, Unlearn-Smooth).", gt=0)
    steps: int = param(100, "Updates (Zephyr-7B on WMDP-bio, 2604.14808).", ge=1)
    beta: float = param(0.1, "Inverse temperature for means over tokens, npo and simnpo (2410.07163).", gt=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2604.14808"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Follow :func:`composed` of both gradients for ``steps`` updates."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            forget, unit = forget_loss(
                lm.model, BASES[self.base], data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True
            )
            kept = retain_loss(lm.model, self.retain)

            def step_gradient(step: int) -> list[Tensor]:
                pushed = total_gradient(params, Term(forget, next(data.forget), self.forget_weight, unit))
                return composed(pushed, gradient(params, kept, next(data.retain)), retain_weight=self.retain_weight)

            follow(params, step_gradient, self)
