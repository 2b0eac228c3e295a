"""Representation misdirection (2403.03218): forget activations of one layer are pulled to a fixed random vector.

The forward pass stops at that layer, and only a few matrices below it train. Padding is masked; the official code
averages over it. With ``adaptive`` the length of the target comes from the data (2408.06223).
D is the width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    BLOCK_MATRICES,
    POCKET_BUDGET,
    SMALL_BUDGET,
    Batch,
    Paired,
    Term,
    direction,
    follow,
    mean_length,
    named_maps,
    sides,
    tokens,
    total_gradient,
    toward,
    trained,
    truncated,
    unmoved,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1e-3,
    "layer": 1,
    "train_layers": (0, 1),
    "train_matrices": BLOCK_MATRICES,
    "adaptive": 6.0,
    "alpha": 200.0,
}
"""Chosen on dev items; down-projections alone did not forget at kept utility here (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


ZEPHYR_BIO = Published("Zephyr-7B: the defaults (2403.03218)")
ZEPHYR_CYBER = Published(
    "Zephyr-7B: 768 tokens of a document, all else as for biology (2403.03218)", {"max_tokens": 768}
)
MUSE_SOURCE = (
    "7B, ten epochs in batches of 32 chunks of 2,048 tokens (open-unlearning docs/repro.md); all weights train there, "
    "here all matrices up to the steered block: those above it get no gradient"
)
MUSE: Mapping[str, object] = {
    "lr": 1e-5,
    "train_layers": tuple(range(8)),
    "train_matrices": BLOCK_MATRICES,
    "steering_coeff": 2.0,
    "alpha": 1.0,
    "batch_size": 32,
    "retain_batch_size": 32,
    "max_tokens": 2048,
}


@dataclass(frozen=True)
class RMU(Paired):
    """Representation misdirection: scramble one layer's activations on forget documents, keep them on the others."""

    lr: float = param(5e-5, "Peak learning rate of AdamW (Zephyr-7B, 2403.03218).", gt=0)
    steps: int = param(150, "Updates (2403.03218).", ge=1)
    layer: int = param(7, "Decoder block whose output is steered, from 0 (Zephyr-7B, 2403.03218).", ge=0)
    train_layers: tuple[int, ...] = param((5, 6, 7), "Blocks that train (Zephyr-7B, 2403.03218).", ge=0)
    train_matrices: tuple[str, ...] = param(("mlp.down_proj",), "Matrices that train in them (2403.03218).")
    steering_coeff: float = param(6.5, "Length of the target vector (Zephyr-7B, 2403.03218).", gt=0)
    adaptive: float | None = param(
        None, "Length in multiples of the first batch's; replaces steering_coeff (2408.06223: 5).", gt=0
    )
    alpha: float = param(1200.0, "Weight of the retain term (Zephyr-7B, 2403.03218).", ge=0)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "representation"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2403.03218"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original", "activations")
    search: ClassVar[tuple[str, ...]] = ("lr", "alpha", "adaptive|steering_coeff")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR_BIO,
        "wmdp-cyber": ZEPHYR_CYBER,
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 13}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 18}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``mean |h(forget) - c u|^2 / D + alpha * mean |h(retain) - h0(retain)|^2 / D``."""
        view = truncated(lm.model, self.layer)
        data = sides(lm, corpora, self, seed=seed)
        chosen = named_maps(lm.model, self.train_layers, self.train_matrices, last=self.layer)
        with trained(lm, self, seed=seed, only=chosen) as params:
            first = next(data.forget)
            misdirected = toward(view, self._length(view, first) * direction(lm.model, seed))
            kept = unmoved(view)

            def step_gradient(step: int) -> list[Tensor]:
                away = Term(misdirected, next(data.forget) if step else first, unit=tokens)
                return total_gradient(params, away, Term(kept, next(data.retain), self.alpha, unit=tokens))

            follow(params, step_gradient, self)

    def _length(self, view: nn.Module, first: list[Batch]) -> float:
        return self.steering_coeff if self.adaptive is None else self.adaptive * mean_length(view, first)
