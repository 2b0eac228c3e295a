"""Weighted gradient ascent (2502.19301): ascent in which a token counts by its own likelihood to the power beta.

Forgotten tokens lose their weight, so the ascent stops by itself; at beta 0 it is plain gradient ascent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

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


def confidence_weighted_ascent(logits: Tensor, targets: Tensor, *, beta: float) -> Tensor:
    """Mean over positions of ``p_y^beta * log p_y``, nats, with no gradient through the weight (2502.19301).

    Args:
        logits: (N, V).
        targets: (N,) the true next tokens y.
        beta: Power of the weight.
    """
    log_p = -functional.cross_entropy(logits, targets, reduction="none")
    return ((beta * log_p.detach()).exp() * log_p).mean()


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "beta": 1.0,
    "forget_weight": 1.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class WGA(Balanced):
    """Weighted gradient ascent: tokens count by their own likelihood."""

    beta: float = param(1.0, "Power of a token's likelihood in its weight (2502.19301).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2502.19301"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * mean p^beta log p (forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)

        def known(batch: Batch) -> Tensor:
            return confidence_weighted_ascent(*target_logits(lm.model, batch), beta=self.beta)

        with trained(lm, self, seed=seed) as params:
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=known, retain=kept)
