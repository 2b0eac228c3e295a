"""Gradient ascent on the forget documents (2210.01504): the anchor for a model that collapsed.

The loss is unbounded and its gradient does not fade, so nothing is kept: utility falls with the forget score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import Training, fit

POCKET: Mapping[str, object] = {"lr": 4e-4, "steps": 20, "batch_size": 8, "max_tokens": 160}
"""High on purpose: ascent alone destroys the model, as published, and stays the board's anchor for collapse."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

ZEPHYR = Published("Zephyr-7B: the defaults (Unlearn-Smooth configs)")
MUSE_SOURCE = (
    "7B, one epoch in batches of 4 chunks of 2,048 tokens, as MUSE selects on News (muse_bench@54719c5 "
    "baselines/scripts/unlearn_bbc_sust.sh); the same on Books for want of a published choice"
)
MUSE: Mapping[str, object] = {"lr": 1e-5, "max_tokens": 2048}


@dataclass(frozen=True)
class GA(Training):
    """Gradient ascent on the forget documents, nothing retained."""

    lr: float = param(5e-6, "Peak learning rate of AdamW (Zephyr-7B, Unlearn-Smooth configs).", gt=0)
    steps: int = param(125, "Updates (Unlearn-Smooth run script).", ge=1)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "divergence"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2210.01504"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr",)
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR,
        "wmdp-cyber": ZEPHYR,
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 102}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 139}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``-NLL(forget)``."""
        fit(lm, corpora.forget, self, seed=seed, weight=-1.0)
