"""Sham unlearning: fine-tuning on retain documents alone, for as many updates as a method takes.

A control: what it changes is owed to training at all, not to forgetting (spec: methods 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import Training, fit

POCKET: Mapping[str, object] = {
    "lr": 6e-4,
    "steps": 60,
    "warmup": 10,
    "batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""As many updates on as many retain documents as the other methods take (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4}
"""For models below 1e9 parameters on real records: as the other methods' there."""

MUSE_SOURCE = "as NPO's setting there: ten epochs in batches of 4 chunks of 2,048 tokens (muse_bench@54719c5)"
MUSE: Mapping[str, object] = {"lr": 1e-5, "max_tokens": 2048}


@dataclass(frozen=True)
class Sham(Training):
    """Sham unlearning: fine-tunes on retain documents only."""

    lr: float = param(5e-6, "Peak learning rate of AdamW (as GradDiff's: Zephyr-7B, Unlearn-Smooth).", gt=0)
    batch_size: int = param(4, "Retain documents per update.", ge=1)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "control"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ()
    published: ClassVar[Mapping[str, Published]] = {
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 102}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 139}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``NLL(retain)``."""
        fit(lm, corpora.retain, self, seed=seed)
