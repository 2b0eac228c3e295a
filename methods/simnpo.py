"""Simple negative preference optimisation (2410.07163): NPO on length-normalised likelihoods, without a reference.

``delta`` is the paper's margin over beta (gamma / beta), as in open-unlearning. The public MUSE code takes the sigmoid
of raw logits, which are no likelihoods, and that form is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    margin_preference,
    retain_loss,
    rows,
    sequence_nll,
    sides,
    trained,
    weigh,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

ZEPHYR_BIO = Published(
    "Zephyr-7B-beta, 512 tokens, updates of 4 (OPTML-Group/Unlearn-Simple WMDP/configs/unlearn/wmdp/SimNPO.json)",
    {"lr": 9.5e-6, "beta": 0.1, "forget_weight": 1.0, "steps": 500},
)
MUSE_SOURCE = (
    "7B, ten epochs in batches of 4 chunks of 2,048 tokens, of which the last is kept "
    "(OPTML-Group/Unlearn-Simple@f3015fb MUSE/README.md; that code applies beta to raw logits). An undated other state "
    "of the README has beta .75, gamma 3 and epoch 8 for News, and beta .7 for Books"
)
MUSE: Mapping[str, object] = {"forget_weight": 1.0, "retain_weight": 0.1, "max_tokens": 2048}


@dataclass(frozen=True)
class SimNPO(Balanced):
    """Simple negative preference optimisation: NPO without a reference, on means over tokens."""

    beta: float = param(4.5, "Inverse temperature for means over tokens (open-unlearning).", gt=0)
    delta: float = param(0.0, "NLL per token above which the push fades, nats (open-unlearning).", ge=0)
    forget_weight: float = param(0.125, "Weight of the forget term (open-unlearning).", gt=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2410.07163"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR_BIO,
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "beta": 0.7, "steps": 10 * 102}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "beta": 0.75, "steps": 10 * 139}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * SimNPO(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)

        def disliked(batch: Batch) -> Tensor:
            nll = sequence_nll(lm.model, batch, per_token=True)
            return margin_preference(nll, beta=self.beta, delta=self.delta).mean()

        with trained(lm, self, seed=seed) as params:
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=disliked, retain=kept, unit=rows)
