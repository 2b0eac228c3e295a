"""NPO with sharpness-aware minimisation of the forget term (2502.05374).

The forget gradient is taken at ``w + eps``, the nearby point where forgetting is worst to first order. Public code
overwrites gradients per micro-batch and adds and subtracts ``eps`` in bf16; here both passes accumulate over all
micro-batches and the saved weights are copied back (spec: methods 0.1, 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, param
from harness.train import (
    Balanced,
    combined,
    follow,
    forget_preference,
    gradient,
    norm,
    pad_id,
    perturbed,
    retain_loss,
    rows,
    scaled,
    sides,
    trained,
)


def worst_direction(
    params: Sequence[Tensor], uphill: Sequence[Tensor], *, rho: float, rho_rel: float | None
) -> list[Tensor]:
    """The step that raises the loss most: of length ``rho``, or of ``rho_rel * ||W||`` in every tensor W."""
    if rho_rel is None:
        return scaled(uphill, rho / (norm(uphill) + 1e-12))
    return [g * (rho_rel * w.detach().norm() / (g.norm() + 1e-12)) for w, g in zip(params, uphill, strict=True)]


POCKET: Mapping[str, object] = {
    "lr": 6e-4,
    "steps": 60,
    "warmup": 10,
    "rho": 0.1,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain_weight": 1.0,
    "retain": "kl",
    "batch_size": 8,
    "retain_batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4, "retain_batch_size": 4}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

MUSE: Mapping[str, object] = {"lr": 1e-5, "beta": 0.1, "reduce": "sum", "rho": 0.01, "max_tokens": 2048}
"""Llama-2-7B and ICLM-7B: batches of 4 chunks of 2,048 tokens (Unlearn-Smooth@fc655ba MUSE/run_muse_unlearn.sh, which
applies beta to differences of raw logits; as open-unlearning, ours applies it to sums over a document)."""
MUSE_NEWS: Mapping[str, object] = {**MUSE, "steps": 10 * 102, "retain_weight": 1.0}
MUSE_BOOKS: Mapping[str, object] = {**MUSE, "steps": 139, "retain_weight": 2.5}
"""Its README keeps the tenth epoch on News and the first on Books."""


@dataclass(frozen=True)
class NPOSAM(Balanced):
    """NPO with sharpness-aware minimisation of its forget term."""

    lr: float = param(5e-6, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    rho: float = param(0.01, "Radius of the perturbation, L2 over all weights (2502.05374).", ge=0)
    rho_rel: float | None = param(None, "Radius relative to each tensor's norm; takes the place of rho.", gt=0)
    beta: float = param(0.015, "Inverse temperature for means over tokens (2502.05374).", gt=0)
    reduce: Literal["sum", "mean"] = param("mean", "Likelihood of a document or per token.", choices=("sum", "mean"))
    forget_weight: float = param(1.0, "Weight of the forget term (2502.05374).", gt=0)
    retain_weight: float = param(2.25, "Weight of the retain term (2502.05374).", ge=0)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2502.05374"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "rho")
    published: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "wmdp-bio": {},
        "muse-news": MUSE_NEWS,
        "muse-books": MUSE_BOOKS,
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * max_eps NPO(forget; w + eps) + retain_weight * L(retain; w)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(
                lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=self.reduce == "mean"
            )
            kept = retain_loss(lm.model, self.retain)

            def step_gradient(step: int) -> list[Tensor]:
                batch = next(data.forget)
                uphill = gradient(params, disliked, batch, weight=rows)
                with perturbed(params, worst_direction(params, uphill, rho=self.rho, rho_rel=self.rho_rel)):
                    away = gradient(params, disliked, batch, weight=rows)
                keep = gradient(params, kept, next(data.retain))
                return combined((self.forget_weight, away), (self.retain_weight, keep))

            follow(params, step_gradient, self)
