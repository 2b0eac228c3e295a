"""Negative preference optimisation (2404.05868, eq. 3) with a retain term.

``reduce`` names the definition: ``sum`` compares likelihoods of whole documents (the paper, open-unlearning), ``mean``
per-token ones (Unlearn-Smooth). The third one in circulation, a sigmoid of raw logit differences (public MUSE code), is
no likelihood ratio and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    forget_preference,
    pad_id,
    retain_loss,
    rows,
    sides,
    trained,
    weigh,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "beta": 0.1,
    "forget_weight": 0.3,
    "reduce": "mean",
    "retain": "kl",
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


ZEPHYR_BIO = Published(
    "Zephyr-7B-beta, means over tokens, 125 updates of 4 (OPTML-Group/Unlearn-Smooth@fc655ba WMDP/run_wmdp_unlearn.sh)",
    {"lr": 5e-6, "beta": 0.0225, "reduce": "mean"},
)
MUSE_SOURCE = (
    "7B, ten epochs in batches of 4 chunks of 2,048 tokens (MUSE's scripts, muse_bench@54719c5; open-unlearning); "
    "MUSE's code applies beta to differences of raw logits, open-unlearning to sums over a document as here"
)
MUSE: Mapping[str, object] = {"lr": 1e-5, "beta": 0.1, "max_tokens": 2048}


@dataclass(frozen=True)
class NPO(Balanced):
    """Negative preference optimisation with a retain term."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (7B, open-unlearning).", gt=0)
    steps: int = param(125, "Updates (Unlearn-Smooth run script).", ge=1)
    beta: float = param(0.1, "Inverse temperature for sums over a document (open-unlearning).", gt=0)
    reduce: Literal["sum", "mean"] = param("sum", "Likelihood of a document or per token.", choices=("sum", "mean"))
    forget_weight: float = param(1.0, "Weight of the forget term (open-unlearning).", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain term (open-unlearning).", ge=0)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "preference"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2404.05868"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR_BIO,
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 102}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 139}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * NPO(forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(
                lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=self.reduce == "mean"
            )
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)
            weigh(params, data, self, forget=disliked, retain=kept, unit=rows)
