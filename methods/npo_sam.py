"""NPO with sharpness-aware minimisation of the forget term (2502.05374).

The forget gradient is taken at ``w + eps``, the nearby point where forgetting is worst to first order. Public code
overwrites gradients per micro-batch and adds and subtracts ``eps`` in bf16; here both passes accumulate over all
micro-batches and the saved weights are copied back (spec: methods 0.1, 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    Metric,
    Move,
    Term,
    Vector,
    ascent,
    assemble,
    displaced,
    forget_preference,
    gradient,
    lengths,
    pad_id,
    retain_loss,
    rows,
    sides,
    stretched,
    tensor_scales,
    total_gradient,
    trained,
)


def worst_move(
    params: Vector, uphill: Vector, *, rho: float, rho_rel: float | None = None, metric: Metric = "euclid"
) -> Move:
    """The move that raises the loss most: of length ``rho``, or of ``rho_rel * ||W||`` in every tensor W."""
    if rho_rel is None:
        return ascent(uphill, radius=rho, scales=tensor_scales(params, metric))
    return 1.0, stretched(uphill, rho_rel * lengths(params) / (lengths(uphill) + 1e-12))


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "rho": 0.1,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain_weight": 1.0,
    "retain": "kl",
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

ZEPHYR = Published("Zephyr-7B-beta: the defaults (OPTML-Group/Unlearn-Smooth@fc655ba)")
MUSE_SOURCE = (
    "7B, batches of 4 chunks of 2,048 tokens, ten epochs on News and one on Books (OPTML-Group/Unlearn-Smooth@fc655ba "
    "MUSE/run_muse_unlearn.sh and README, where beta applies to differences of raw logits; here, as in "
    "open-unlearning, to sums over a document)"
)
MUSE: Mapping[str, object] = {"lr": 1e-5, "beta": 0.1, "reduce": "sum", "rho": 0.01, "max_tokens": 2048}


@dataclass(frozen=True)
class NPOSAM(Balanced):
    """NPO with sharpness-aware minimisation of its forget term."""

    lr: float = param(5e-6, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    rho: float = param(0.01, "Radius of the perturbation, L2 over all weights (2502.05374).", ge=0)
    rho_rel: float | None = param(None, "Radius relative to each tensor's norm; takes the place of rho.", gt=0)
    metric: Literal["euclid", "lora_invariant"] = param(
        "euclid",
        "Unit of rho: of the weights, or of each tensor's norm, so that rescaled adapters are the same model.",
        choices=("euclid", "lora_invariant"),
    )
    beta: float = param(0.015, "Inverse temperature for means over tokens (2502.05374).", gt=0)
    reduce: Literal["sum", "mean"] = param("mean", "Likelihood of a document or per token.", choices=("sum", "mean"))
    forget_weight: float = param(1.0, "Weight of the forget term (2502.05374).", gt=0)
    retain_weight: float = param(2.25, "Weight of the retain term (2502.05374).", ge=0)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "weight-space"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2502.05374"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "rho")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR,
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 102, "retain_weight": 1.0}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 139, "retain_weight": 2.5}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.rho_rel is not None and self.metric != "euclid":
            raise ValueError("rho_rel is a radius per tensor, which no metric changes; leave one of them out")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * max_eps NPO(forget; w + eps) + retain_weight * L(retain; w)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(
                lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=self.reduce == "mean"
            )
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)

            def forget(parts: list[Batch]) -> list[Tensor]:
                with displaced(params) as place:
                    uphill = gradient(params, disliked, parts, weight=rows)
                    place(worst_move(params, uphill, rho=self.rho, rho_rel=self.rho_rel, metric=self.metric))
                    del uphill  # as large as the weights, and the next pass needs room for one more
                    return total_gradient(params, Term(disliked, parts, self.forget_weight, rows))

            assemble(params, data, self, forget=forget, retain=kept)
