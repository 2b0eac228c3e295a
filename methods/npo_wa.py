"""NPO whose result is an average of the weights along its path (2502.05374).

Training itself is plain NPO: the average is kept beside it, in fp32, and put in place at the end. With adapters their
factors are averaged, whose product is not the average of the products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Term,
    Vector,
    approach,
    assign,
    descent,
    forget_preference,
    pad_id,
    retain_loss,
    rows,
    sides,
    total_gradient,
    trained,
    wide_copy,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "average_from": 48,
    "average_every": 2,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


@dataclass
class Mean:
    """Mean of the weights at several times."""

    taken: int = 0
    weights: tuple[Tensor, ...] = ()

    def take(self, params: Vector) -> None:
        """Take in the weights as they are."""
        self.taken += 1
        if self.weights:
            approach(self.weights, params, share=1 / self.taken)
        else:
            self.weights = tuple(wide_copy(params))


@dataclass(frozen=True)
class NPOWA(Balanced):
    """NPO that ends at the mean of its late weights."""

    lr: float = param(5.5e-6, "Peak learning rate of AdamW (Zephyr-7B, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    average_from: int = param(100, "Updates before the first weights that are averaged (2502.05374).", ge=1)
    average_every: int = param(5, "Updates from one to the next (2502.05374).", ge=1)
    beta: float = param(0.05, "Inverse temperature for means over tokens (2502.05374).", gt=0)
    forget_weight: float = param(1.0, "Weight of the forget term (2502.05374).", gt=0)
    retain_weight: float = param(2.0, "Weight of the retain term (2502.05374).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2502.05374"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": Published("Zephyr-7B-beta: the defaults (OPTML-Group/Unlearn-Smooth@fc655ba)")
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.average_from > self.steps:
            raise ValueError(f"average_from {self.average_from} lies behind the last of {self.steps} steps; lower it")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * NPO(forget) + retain_weight * L(retain)`` and end at the mean."""
        data = sides(lm, corpora, self, seed=seed)
        mean = Mean()
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)

            def step_gradient(step: int) -> list[Tensor]:
                terms = [Term(disliked, next(data.forget), self.forget_weight, rows)]
                if self.retain_weight:
                    terms.append(Term(kept, next(data.retain), self.retain_weight))
                return total_gradient(params, *terms)

            for updates in descent(params, step_gradient, steps=self.steps, lr=self.lr, warmup=self.warmup):
                if updates >= self.average_from and (updates - self.average_from) % self.average_every == 0:
                    mean.take(params)
            assign(params, mean.weights)
