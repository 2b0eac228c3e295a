"""Entropy maximisation: next-token distributions on forget documents are flattened (2410.08109, ME).

Two losses go by this name. ``entropy`` is the negative entropy, KL(p || uniform) up to the constant ln V; its gradient
vanishes at confident predictions. ``uniform`` is KL(uniform || p), whose gradient ``p - 1 / V`` does not; 2506.06278
and the public code of 2410.08109 use it. A public baseline takes it from retain documents (spec: methods 2.8, 9).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    negative_entropy,
    retain_loss,
    sides,
    target_logits,
    trained,
    weigh,
)


def divergence_from_uniform(logits: Tensor) -> Tensor:
    """Mean over N positions of ``KL(uniform || p) = -ln V - mean_v log p_v`` from logits (N, V), nats (2506.06278)."""
    return -logits.log_softmax(dim=-1).mean() - math.log(logits.shape[-1])


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1e-3,
    "loss": "uniform",
    "forget_weight": 0.3,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

UNDO_SOURCE = (
    "Gemma-2-2B, 90 updates of 40 texts of 256 tokens, weights that add to 1 (2506.06278; "
    "AddieFoote/distillation-robustify-unlearning@bdfe271 run_unlearn_wmdp.py: there the rate falls along a cosine and "
    "retain texts are half the domain's, half WikiText)"
)
UNDO: Mapping[str, object] = {
    "lr": 2e-5,
    "loss": "uniform",
    "steps": 90,
    "batch_size": 40,
    "retain_batch_size": 40,
    "max_tokens": 256,
    "retain": "kl",
}
BIO = Published(
    f"{UNDO_SOURCE}; a retain weight of 0.1 was run too", {**UNDO, "forget_weight": 0.7, "retain_weight": 0.3}
)
CYBER = Published(UNDO_SOURCE, {**UNDO, "forget_weight": 0.8, "retain_weight": 0.2})


@dataclass(frozen=True)
class MaxEnt(Balanced):
    """Entropy maximisation: make every next token on forget documents as likely as any other."""

    lr: float = param(2e-5, "Peak learning rate of AdamW (Gemma-2-2B on WMDP, 2506.06278).", gt=0)
    loss: Literal["entropy", "uniform"] = param(
        "entropy", "Negative entropy, or divergence of the prediction from uniform.", choices=("entropy", "uniform")
    )

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2410.08109"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight")
    published: ClassVar[Mapping[str, Published]] = {"wmdp-bio": BIO, "wmdp-cyber": CYBER}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * loss(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)

        peak = negative_entropy if self.loss == "entropy" else divergence_from_uniform

        def peaked(batch: Batch) -> Tensor:
            return peak(target_logits(lm.model, batch)[0])

        with trained(lm, self, seed=seed) as params:
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=peaked, retain=kept)
