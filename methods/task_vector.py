"""Task vector (2212.04089): fine-tune on the forget documents, then walk the same way backwards, alpha times as far.

The difference is taken in fp32 or better: between weights of 16 bits most of it is lost (spec: methods 0.1). Nothing is
retained on purpose. With adapters the vector is that of the merged weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import Training, fit, trainable


def negated(original: Tensor, tuned: Tensor, *, alpha: float, start: Tensor | None = None) -> Tensor:
    """``original - alpha * (tuned - start)``, at least in fp32 (2212.04089, section 2; MUSE 2407.06460).

    Args:
        original: Weights to walk from.
        tuned: Fine-tuned weights.
        alpha: How many times the vector is subtracted.
        start: Where fine-tuning began if not at ``original``.
    """
    wide = torch.promote_types(original.dtype, torch.float32)
    before, after = (original if start is None else start).to(wide), tuned.to(wide)
    return original.to(wide) - alpha * (after - before)


POCKET: Mapping[str, object] = {
    "lr": 3e-4,
    "steps": 60,
    "warmup": 10,
    "alpha": 3.0,
    "batch_size": 8,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4}
"""For models below 1e9 parameters on real records: carried over from pocket-wmdp and not tuned on them."""

MUSE_SOURCE = (
    "7B, ten epochs in batches of 4 chunks of 2,048 tokens, alpha as in MUSE's script (muse_bench@e000038 "
    "baselines/scripts), which selects among 1, 2, 4, 8 and 16"
)
MUSE: Mapping[str, object] = {"lr": 1e-5, "alpha": 5.0, "max_tokens": 2048}


@dataclass(frozen=True)
class TaskVector(Training):
    """Task vector: subtracts from the weights what fine-tuning on the forget documents adds to them."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (7B, MUSE's script).", gt=0)
    alpha: float = param(5.0, "How many times the vector is subtracted (MUSE's script).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "editing"
    citation: ClassVar[str] = "2212.04089"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "alpha")
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
        """Fine-tune on ``corpora.forget``, then set ``theta = theta0 - alpha * (theta_ft - theta0)``."""
        weights = trainable(lm.model)
        original = [weight.detach().clone() for weight in weights]
        fit(lm, corpora.forget, self, seed=seed)
        with torch.no_grad():
            for weight, before in zip(weights, original, strict=True):
                start = before.bfloat16() if self.precision == "bf16" else before  # rounding is no part of the vector
                weight.copy_(negated(before, weight, alpha=self.alpha, start=start))
