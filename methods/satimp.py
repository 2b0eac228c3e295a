"""Ascent weighted by saturation and importance (2505.11953): tokens count most where they are well but not fully known.

The weight ``p^beta1 (1 - p)^beta2`` peaks at ``p = beta1 / (beta1 + beta2)``. Forget and retain terms weigh 10 to 1 by
default, which is what the authors state; the public trainer file has them the other way round (spec: methods 2.6, 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    retain_loss,
    sides,
    target_logits,
    trained,
    weigh,
)


def saturation_weighted_ascent(logits: Tensor, targets: Tensor, *, beta1: float, beta2: float) -> Tensor:
    """Mean over positions of ``p_y^beta1 (1 - p_y)^beta2 * log p_y``, nats, the weight without gradient (2505.11953).

    Args:
        logits: (N, V).
        targets: (N,) the true next tokens y.
        beta1: Power of the likelihood; a token that is saturated (forgotten) stops counting.
        beta2: Power of its complement; a token that is known anyway counts less.
    """
    log_p = -functional.cross_entropy(logits, targets, reduction="none")
    given = log_p.detach()
    weight = (beta1 * given).exp() * (-torch.expm1(given)).pow(beta2)
    return (weight * log_p).mean()


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "beta1": 5.0,
    "beta2": 1.0,
    "forget_weight": 10.0,
    "retain_weight": 1.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class SatImp(Balanced):
    """Ascent weighted by saturation and importance of each token."""

    beta1: float = param(5.0, "Power of a token's likelihood in its weight (2505.11953).", ge=0)
    beta2: float = param(1.0, "Power of one minus that likelihood (2505.11953).", ge=0)
    retain_weight: float = param(0.1, "Weight of the retain term (authors' note: a tenth of the forget term's).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2505.11953"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta1")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * mean p^beta1 (1 - p)^beta2 log p (forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)

        def learnt(batch: Batch) -> Tensor:
            return saturation_weighted_ascent(*target_logits(lm.model, batch), beta1=self.beta1, beta2=self.beta2)

        with trained(lm, self, seed=seed) as params:
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=learnt, retain=kept)
