"""Cross-entropy unlearning (2503.01224): towards the model's own prediction without the true token.

Its gradient is ascent in which a token counts by its odds ``p / (1 - p)``. The paper trains without a retain term (an
option here) and skips the first token of an answer; documents have no answer, and nothing is skipped in them.
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


def without_the_true_token(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over positions of ``-sum_v q_v log p_v``, nats (2503.01224).

    ``q`` is the softmax of the same logits, held constant, with the true token's at minus infinity.

    Args:
        logits: (N, V).
        targets: (N,) the true next tokens.
    """
    wanted = logits.detach().scatter(-1, targets[:, None], float("-inf")).softmax(dim=-1)
    return functional.cross_entropy(logits, wanted)


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "forget_weight": 1.0,
    "retain_weight": 1.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class CEU(Balanced):
    """Cross-entropy unlearning: predict on as before, but never the true token."""

    retain_weight: float = param(0.0, "Weight of the retain term; none in 2503.01224.", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2503.01224"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * CE(own prediction without the truth; forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)

        def denied(batch: Batch) -> Tensor:
            return without_the_true_token(*target_logits(lm.model, batch))

        with trained(lm, self, seed=seed) as params:
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=denied, retain=kept)
