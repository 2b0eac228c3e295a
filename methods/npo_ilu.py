"""NPO made invariant to unrelated fine-tuning (2506.01339).

A penalty falls on the derivative D of an unrelated loss by the scale of the logits: at scale 1 it is 0 where no other
scale would serve the unrelated data better. The public repository has no such code; this is the formula. The square of
a batch's mean would be too large by the variance of that mean, so two batches of different documents give one factor
of ``D^2`` each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    Balanced,
    Batch,
    Term,
    assemble,
    combined,
    encode,
    forget_preference,
    gradient,
    pad_id,
    retain_loss,
    rows,
    sides,
    stream,
    summed,
    target_logits,
    target_tokens,
    total_gradient,
    trained,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "penalty": 0.03,
    "auxiliary_batch_size": 8,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "retain_weight": 1.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {
    **POCKET,
    "max_tokens": 512,
    "batch_size": 4,
    "retain_batch_size": 4,
    "auxiliary_batch_size": 4,
}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""


def scale_slope(logits: Tensor, targets: Tensor) -> Tensor:
    """Derivative at w = 1 of the mean NLL of logits times w: ``mean_t (E_{v ~ p_t} z_tv - z_{t, y_t})``.

    Closed form of IRMv1's dummy gradient (spec: methods 5.3): no second backward pass.

    Args:
        logits: (N, V).
        targets: (N,).
    """
    expected = (logits.softmax(dim=-1) * logits).sum(dim=-1)
    return (expected - logits.gather(1, targets[:, None])[:, 0]).mean()


@dataclass(frozen=True)
class NPOILU(Balanced):
    """NPO with an invariance penalty on unrelated documents."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (Zephyr-7B, Unlearn-ILU configs).", gt=0)
    steps: int = param(500, "Updates (Unlearn-ILU configs).", ge=1)
    penalty: float = param(0.1, "Weight of the squared slope; 0.05 is too weak, more hurts (2506.01339).", ge=0)
    auxiliary_batch_size: int = param(4, "Unrelated documents in each of the two batches of an update.", ge=1)
    beta: float = param(0.1, "Inverse temperature for means over tokens (Unlearn-ILU configs).", gt=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2506.01339"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("auxiliary", "original")
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "penalty")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": Published(
            "Zephyr-7B-beta: the defaults, without its weight mask (OPTML-Group/Unlearn-ILU@0030928 "
            "configs/unlearn/wmdp/NPO+WAGLE.json); unrelated documents are GSM8K's there"
        )
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * NPO(forget) + retain_weight * L(retain) + penalty * D(auxiliary)^2``."""
        data = sides(lm, corpora, self, seed=seed)
        unrelated = stream(
            lm,
            encode(lm.tokenizer, corpora.auxiliary, max_tokens=self.max_tokens),
            size=self.auxiliary_batch_size,
            parts=self.accumulation,
            seed=seed,
        )
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=True)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight)

            def forget(parts: list[Batch]) -> list[Tensor]:
                found = total_gradient(params, Term(disliked, parts, self.forget_weight, rows))
                if self.penalty:
                    square = square_gradient(lm.model, params, next(unrelated), next(unrelated))
                    torch._foreach_add_(found, square, alpha=self.penalty)
                return found

            assemble(params, data, self, forget=forget, retain=kept)


def square_gradient(
    model: nn.Module, params: list[nn.Parameter], first: list[Batch], second: list[Batch]
) -> list[Tensor]:
    """Unbiased gradient of D^2, ``D_2 grad D_1 + D_1 grad D_2``, from two batches in pieces."""
    (one, of_one), (two, of_two) = (_slope(model, params, parts) for parts in (first, second))
    return combined((two, of_one), (one, of_two))


def _slope(model: nn.Module, params: list[nn.Parameter], parts: list[Batch]) -> tuple[float, list[Tensor]]:
    """D of a batch and its gradient, from one pass."""
    sums: list[Tensor] = []

    def watched(batch: Batch) -> Tensor:
        slope = scale_slope(*target_logits(model, batch))
        sums.append(slope.detach() * target_tokens(batch))
        return slope

    found = gradient(params, watched, parts)
    device = params[0].device
    count = summed(sum(map(target_tokens, parts)), device=device)
    return summed(float(torch.stack(sums).sum()), device=device) / count, found
