"""Self-distillation with adjusted logits (2402.10052): towards the original model with each true token pushed down.

Bounded, so it does not diverge. The paper trains on forget documents alone; a retain term is optional here. Only
targets are distilled: open-unlearning also distils padding, where label -100 hits an arbitrary word of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    frozen,
    retain_loss,
    sides,
    target_logits,
    trained,
    weigh,
)


def adjusted_distillation(logits: Tensor, targets: Tensor, original: Tensor, *, beta: float) -> Tensor:
    """Mean over positions of the cross-entropy ``-sum_v q_v log p_v`` with ``q = softmax(z0 - beta * e_y)``, nats.

    Source: 2402.10052.

    Args:
        logits: (N, V) of the model being trained.
        targets: (N,) the true next tokens y.
        original: (N, V) logits z0 of the original model at the same positions.
        beta: How far the true token's logit is lowered; at 0 this is plain distillation.
    """
    lowered = original - beta * functional.one_hot(targets, original.shape[-1])
    return functional.cross_entropy(logits, lowered.softmax(dim=-1))


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1e-3,
    "beta": 30.0,
    "lora_rank": 0,
    "forget_weight": 10.0,
    "retain_weight": 1.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class UNDIAL(Balanced):
    """Self-distillation with adjusted logits."""

    lr: float = param(1e-4, "Peak learning rate of AdamW (with adapters, 2402.10052).", gt=0)
    batch_size: int = param(32, "Forget documents per update (2402.10052).", ge=1)
    lora_rank: int = param(8, "Rank of the adapters, 0: the weights train (2402.10052: 8, with alpha 16).", ge=0)
    beta: float = param(10.0, "How far the true token's logit is lowered (2402.10052).", ge=0)
    retain_weight: float = param(0.0, "Weight of the retain term; none in 2402.10052.", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2402.10052"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * CE(adjusted original, model; forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            reference = frozen(lm.model)

            def distilled(batch: Batch) -> Tensor:
                before = reference(lambda original: target_logits(original, batch)[0])
                return adjusted_distillation(*target_logits(lm.model, batch), before, beta=self.beta)

            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight, reference=reference)
            weigh(params, data, self, forget=distilled, retain=kept)
