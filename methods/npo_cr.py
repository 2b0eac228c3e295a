"""NPO with a penalty on the curvature of the forget loss (2502.05374), from the formula: a row "CR (ours)".

The penalty is the change of the forget gradient over a step ``mu`` along itself. Public code turns it into a number, so
it has no gradient there, and counts the forget loss twice (spec: methods 5.1). Here, with the direction of the step
held fixed, its gradient is a mixed second difference of four forget gradients: 5F + 5B with the retain term. A
difference needs passes in fp32: 16 bits round all its ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    Loss,
    Term,
    ascent,
    assemble,
    displaced,
    forget_preference,
    pad_id,
    retain_loss,
    rows,
    sides,
    total_gradient,
    trained,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "rho": 0.3,
    "mu": 0.03,
    "fd_step": 0.03,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


@dataclass(frozen=True)
class NPOCR(Balanced):
    """NPO with a penalty on how fast its gradient changes."""

    lr: float = param(8.5e-6, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    rho: float = param(10.0, "Weight of the penalty (2502.05374, whose code leaves it inert: untried there).", ge=0)
    mu: float = param(0.01, "Step of the change that is penalised, L2 over all weights (2502.05374).", gt=0)
    fd_step: float = param(0.01, "Distance of the finite difference, L2 over all weights.", gt=0)
    beta: float = param(0.035, "Inverse temperature for means over tokens (2502.05374).", gt=0)
    forget_weight: float = param(1.0, "Weight of the forget term with its penalty (2502.05374).", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain term (2502.05374).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2502.05374"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "rho")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": Published(
            "Zephyr-7B-beta: the defaults, under which the public code's penalty had no gradient "
            "(OPTML-Group/Unlearn-Smooth@fc655ba)"
        )
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.precision != "fp32":
            raise ValueError(f"precision {self.precision} rounds away what a finite difference measures; use fp32")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * (NPO + rho ||g(w + mu v) - g(w)||)(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            assemble(params, data, self, forget=lambda parts: self._penalised(params, disliked, parts), retain=kept)

    def _penalised(self, params: list[nn.Parameter], loss: Loss, parts: list[Batch]) -> list[Tensor]:
        """``g + rho (change(w + step u) - change(w)) / step``; change(w) is ``g(w + mu v) - g(w)``, u its direction."""
        term = Term(loss, parts, self.forget_weight, rows)
        found = total_gradient(params, term)
        along = ascent(found, radius=self.mu)
        with displaced(params) as place:
            place(along)
            change = total_gradient(params, term)
            torch._foreach_sub_(change, found)
            across = ascent(change, radius=self.fd_step)
            place(along, across)
            bend = total_gradient(params, term)
            place(across)
            torch._foreach_sub_(bend, total_gradient(params, term))
        torch._foreach_sub_(bend, change)
        torch._foreach_add_(found, bend, alpha=self.rho / self.fd_step)
        return found
