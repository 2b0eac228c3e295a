"""NPO with a penalty on the length of the forget gradient (2502.05374), from the formula: a row "GP (ours)".

Public code turns the penalty into a number before it adds it, so it has no gradient there (spec: methods 5.1). Here the
gradient of ``rho ||g||``, ``rho H g / ||g||``, is a forward difference of two gradients, which fused attention can
take and a second backward pass through it cannot; it costs 3F + 3B as SAM does. Where ``rho`` equals ``fd_step`` the
update is SAM's. A difference needs passes in fp32: 16 bits round both its ends.
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
    "rho": 0.03,
    "fd_step": 0.01,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


@dataclass(frozen=True)
class NPOGP(Balanced):
    """NPO with a penalty on the length of its gradient."""

    lr: float = param(7.5e-6, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    rho: float = param(0.01, "Weight of the penalty (hard-coded in 2502.05374's code, inert there).", ge=0)
    fd_step: float = param(1e-3, "Distance of the finite difference, L2 over all weights.", gt=0)
    beta: float = param(0.04, "Inverse temperature for means over tokens (2502.05374).", gt=0)
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
            "Zephyr-7B-beta: the defaults; the run script asks for a weight of 10, the code has 0.01 and no gradient "
            "of it, so no strength was tried there (OPTML-Group/Unlearn-Smooth@fc655ba)"
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
        """Descend on ``forget_weight * (NPO + rho ||grad NPO||)(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            assemble(params, data, self, forget=lambda parts: self._penalised(params, disliked, parts), retain=kept)

    def _penalised(self, params: list[nn.Parameter], loss: Loss, parts: list[Batch]) -> list[Tensor]:
        """``g + rho (g(w + step g / ||g||) - g) / step``."""
        term = Term(loss, parts, self.forget_weight, rows)
        found = total_gradient(params, term)
        with displaced(params) as place:
            place(ascent(found, radius=self.fd_step))
            beyond = total_gradient(params, term)
        torch._foreach_lerp_(found, beyond, self.rho / self.fd_step)
        return found
