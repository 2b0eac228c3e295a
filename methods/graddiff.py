"""Gradient difference: ascent on forget documents, descent on retain documents (2203.12817).

Both are means per target token, so the balance does not depend on how long the documents of a batch are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import POCKET_BUDGET, SMALL_BUDGET, Balanced, mean_nll, retain_loss, sides, trained, weigh

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "forget_weight": 0.1,
    "retain": "kl",
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

ZEPHYR = Published("Zephyr-7B: the defaults (Unlearn-Smooth configs)")
MUSE: Mapping[str, object] = {"lr": 1e-5, "max_tokens": 2048}
MUSE_NEWS = Published(
    "7B, seven epochs in batches of 4 chunks of 2,048 tokens, as MUSE selects (muse_bench@54719c5 "
    "baselines/scripts/unlearn_bbc_sust.sh)",
    {**MUSE, "steps": 7 * 102},
)
MUSE_BOOKS = Published(
    "7B, ten epochs in batches of 4 chunks of 2,048 tokens, all of MUSE's scripts for want of a published choice "
    "(muse_bench@54719c5)",
    {**MUSE, "steps": 10 * 139},
)


@dataclass(frozen=True)
class GradDiff(Balanced):
    """Gradient difference: ascend on forget documents, descend on retain documents."""

    lr: float = param(5e-6, "Peak learning rate of AdamW (Zephyr-7B, Unlearn-Smooth configs).", gt=0)
    steps: int = param(125, "Updates (Unlearn-Smooth run script).", ge=1)
    forget_weight: float = param(1.0, "Weight of the forget term (open-unlearning).", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain term (open-unlearning).", ge=0)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "divergence"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2203.12817"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR,
        "wmdp-cyber": ZEPHYR,
        "muse-news": MUSE_NEWS,
        "muse-books": MUSE_BOOKS,
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``-forget_weight * NLL(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            weigh(
                params,
                data,
                self,
                forget=lambda batch: -mean_nll(lm.model, batch),
                retain=retain_loss(lm.model, self.retain, weight=self.retain_weight),
            )
