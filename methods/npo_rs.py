"""NPO with randomised smoothing of the forget term (2502.05374): its gradient is a mean over random nearby points.

Noise is drawn in fp32 and every point is reached from the saved weights; public code steps the optimiser inside its
training step, and in bf16 a standard deviation of 1e-4 is partly rounded away (spec: methods 0.1, 5.1). At the
published settings the noise of a 7B model has length 8.5, SAM's 0.01: the two are no comparison at equal radius.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    assemble,
    displaced,
    forget_preference,
    pad_id,
    retain_loss,
    root_mean_squares,
    rows,
    sides,
    standard_normal,
    stretched,
    total,
    total_gradient,
    trained,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "sigma": 3e-3,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


@dataclass(frozen=True)
class NPORS(Balanced):
    """NPO whose forget gradient is averaged over random points around the weights."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    sigma: float = param(1e-4, "Standard deviation of the noise on every weight (2502.05374).", ge=0)
    sigma_rel: float | None = param(None, "Noise relative to each tensor's RMS; takes the place of sigma.", gt=0)
    draws: int = param(3, "Points per update (2502.05374).", ge=1)
    beta: float = param(0.0125, "Inverse temperature for means over tokens (2502.05374).", gt=0)
    forget_weight: float = param(1.0, "Weight of the forget term (2502.05374).", gt=0)
    retain_weight: float = param(2.0, "Weight of the retain term (2502.05374).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2502.05374"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "sigma")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": Published("Zephyr-7B-beta: the defaults (OPTML-Group/Unlearn-Smooth@fc655ba)")
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * mean_k NPO(forget; w + noise_k) + retain_weight * L(retain; w)``."""
        data = sides(lm, corpora, self, seed=seed)
        noise = torch.Generator(lm.model.device).manual_seed(seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            assemble(
                params,
                data,
                self,
                forget=lambda parts: total(self._around(params, disliked, parts, noise)),
                retain=kept,
            )

    def _around(
        self, params: list[nn.Parameter], loss: Loss, parts: list[Batch], noise: torch.Generator
    ) -> Iterator[list[Tensor]]:
        """Each point's share of the forget gradient."""
        sizes = None if self.sigma_rel is None else self.sigma_rel * root_mean_squares(params)
        with displaced(params) as place:
            for _ in range(self.draws):
                drawn = standard_normal(params, noise)
                place((self.sigma, drawn) if sizes is None else (1.0, stretched(drawn, sizes)))
                yield total_gradient(params, Term(loss, parts, self.forget_weight / self.draws, rows))
