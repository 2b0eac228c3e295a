"""Jensen-Shannon unlearning (2509.02820): towards a refusal on forget documents, towards the original on the others.

Both divergences are bounded by ln 2. The refusal's tokens repeat along a document, one per target. The public code
instead puts mass 1 on every one of them at every position, which is no distribution; ours follows the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Batch,
    Paired,
    Term,
    follow,
    frozen,
    sides,
    target_logits,
    total_gradient,
    trained,
)


def refusal_targets(batch: Batch, refusal: Sequence[int]) -> Tensor:
    """The refusal's tokens repeated along each row, one per target: (N,) in the order of :func:`target_logits`.

    Args:
        batch: Rows; every one begins anew with the refusal's first token.
        refusal: Token ids.
    """
    mask = batch.labels[:, 1:] >= 0  # a target stands one to the right of the position that predicts it
    place = mask.cumsum(dim=1)[mask] - 1
    return torch.tensor(refusal, device=place.device)[place % len(refusal)]


def divergence_from_token(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over positions of the Jensen-Shannon divergence between p and a sure token y, nats, in [0, ln 2].

    With all of one side on y it depends on ``p_y`` alone: ``ln 2 + (p ln p - (1 + p) ln(1 + p)) / 2``
    (2509.02820, from the definition of the divergence).

    Args:
        logits: (N, V).
        targets: (N,) the tokens y.
    """
    log_p = -functional.cross_entropy(logits, targets, reduction="none")
    p = log_p.exp()
    return (math.log(2) + (p * log_p - (1 + p) * p.log1p()) / 2).mean()


def jensen_shannon(given: Tensor, other: Tensor) -> Tensor:
    """Mean over positions of the Jensen-Shannon divergence between two sets of logits (N, V), nats, in [0, ln 2]."""
    log_p, log_q = given.log_softmax(dim=-1), other.log_softmax(dim=-1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    both = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return both.sum(dim=-1).mean() / 2


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1e-3,
    "forget_weight": 10.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class JensUn(Paired):
    """Jensen-Shannon unlearning: refuse on forget documents, stay with the original on the others."""

    lr: float = param(8e-6, "Peak learning rate of AdamW (Llama-3.2-3B, 2509.02820).", gt=0)
    refusal: str = param("No idea", "Text whose tokens are repeated along a document (2509.02820).")
    forget_weight: float = param(1.0, "Weight of the forget term (2509.02820).", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain term (2509.02820).", gt=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2509.02820"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if not self.refusal:
            raise ValueError("refusal is empty; give the text that is to be said instead")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * JS(model, refusal; forget) + retain_weight * JS(model, original; retain)``."""
        refusal = lm.tokenizer(self.refusal, add_special_tokens=False)["input_ids"]
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            reference = frozen(lm.model)

            def answering(batch: Batch) -> Tensor:
                return divergence_from_token(target_logits(lm.model, batch)[0], refusal_targets(batch, refusal))

            def moved(batch: Batch) -> Tensor:
                before = reference(lambda original: target_logits(original, batch)[0])
                return jensen_shannon(target_logits(lm.model, batch)[0], before)

            def step_gradient(step: int) -> list[Tensor]:
                away = Term(answering, next(data.forget), self.forget_weight)
                return total_gradient(params, away, Term(moved, next(data.retain), self.retain_weight))

            follow(params, step_gradient, self)
