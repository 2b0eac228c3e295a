"""TAR-lite: a shorter tamper-resistance training (2408.00761), not the published one.

Each update lets an adversary fine-tune on forget documents for some steps, collects on the way the gradient of
the tamper loss (negative entropy on forget documents that the adversary does not see), and applies it where the
adversary began: first order. Against the paper it has 16 adversary steps instead of 64 and 100 updates instead of 750,
adapters, AdamW instead of its schedule-free form, one data mix of the adversary, and the safeguard only if asked for.
Letters: L layers, N tokens, V vocabulary, D width.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    Batch,
    Loss,
    Paired,
    Sides,
    Term,
    combined,
    decoder_blocks,
    descend,
    descent,
    drift,
    follow,
    frozen,
    gradient,
    mean_nll,
    negative_entropy,
    restored,
    sides,
    states,
    stream,
    target_logits,
    tokens,
    total_gradient,
    trained,
    truncated,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GROWTH = 1 / 16
"""The tamper gradient after one inner step weighs ``exp(GROWTH)`` times that of the step before (2408.00761's code)."""

POCKET: Mapping[str, object] = {
    "lr": 6e-4,
    "steps": 50,
    "warmup": 5,
    "lora_rank": 0,
    "inner_steps": 8,
    "inner_lrs": (2e-4, 6e-4),
    "inner_batch_size": 8,
    "tamper_weight": 4.0,
    "batch_size": 8,
    "retain_batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4, "retain_batch_size": 4}
"""Starting point of the search on dev items, carried over from the pocket world; documents are cut to 512 tokens."""


@dataclass(frozen=True)
class TARLite(Paired):
    """Unlearning that holds while an adversary fine-tunes, to first order and on a small budget."""

    lr: float = param(2e-5, "Peak learning rate of AdamW (Llama-3-8B, 2408.00761).", gt=0)
    steps: int = param(100, "Updates; 750 in 2408.00761.", ge=1)
    warmup: int = param(4, "Updates of linear warm-up; 32 of 750 in 2408.00761.", ge=0)
    batch_size: int = param(4, "Held-out forget documents per tamper gradient.", ge=1)
    retain_batch_size: int = param(8, "Retain documents per update (2408.00761).", ge=1)
    lora_rank: int = param(16, "Rank of the adapters that train in place of the weights; 0: the weights train.", ge=0)
    inner_steps: int = param(16, "Steps of the adversary per update; 64 in 2408.00761.", ge=1)
    inner_every: int = param(4, "Adversary's steps between two tamper gradients (2408.00761).", ge=1)
    inner_lrs: tuple[float, ...] = param((2e-6, 2e-5, 4e-5), "The adversary draws its rate from these (2408.00761).")
    inner_batch_size: int = param(4, "Forget documents per step of the adversary (2408.00761).", ge=1)
    held_out: float = param(0.2, "Share of the forget documents that the adversary does not see.", gt=0, le=0.5)
    tamper_weight: float = param(4.0, "Weight of the last tamper gradient; earlier ones weigh less (2408.00761).", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain NLL (2408.00761).", ge=0)
    drift_weight: float = param(1.0, "Weight of the distance of retain states from the original's (2408.00761).", ge=0)
    safeguard_steps: int = param(0, "Updates of random mapping beforehand; 1,000 in 2408.00761.", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2408.00761"
    fidelity: ClassVar[Fidelity] = "approximate"
    needs: ClassVar[tuple[Need, ...]] = ("original", "activations")
    search: ClassVar[tuple[str, ...]] = ("lr", "tamper_weight", "drift_weight")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if not self.inner_lrs or min(self.inner_lrs) <= 0:
            raise ValueError(f"inner_lrs {self.inner_lrs} must name at least one rate, each above 0")
        if self.inner_every > self.inner_steps:
            raise ValueError(
                f"inner_every {self.inner_every} exceeds inner_steps {self.inner_steps}: nothing to resist"
            )

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Safeguard if asked for, then follow tamper gradients and the gradient that retains."""
        count = len(decoder_blocks(lm.model))
        layers = range(count)
        data = sides(lm, corpora, self, seed=seed)
        attacked, held_out = self.split(lm, data.forget_rows, seed=seed)
        draw = random.Random(seed)
        with trained(lm, self, seed=seed) as params:
            view = truncated(lm.model, count - 1)
            unmoved = drift(view, frozen(view), layers)
            nll, tamper = likelihood(lm.model), uncertainty(lm.model)
            if self.safeguard_steps:
                self.safeguard(params, data, mapped(view, token_vectors(lm.model, seed), layers), nll)

            def step_gradient(step: int) -> list[Tensor]:
                lr = draw.choice(self.inner_lrs)
                resist = self.tampered(params, Side(nll, attacked), Side(tamper, held_out), lr=lr)
                kept = next(data.retain)
                near = Term(unmoved, kept, self.drift_weight, tokens)
                return combined((1, resist), (1, total_gradient(params, Term(nll, kept, self.retain_weight), near)))

            follow(params, step_gradient, self)

    def split(
        self, lm: LM, rows: Sequence[Sequence[int]], *, seed: int
    ) -> tuple[Iterator[list[Batch]], Iterator[list[Batch]]]:
        """Endless batches of what the adversary trains on, and of what the tamper loss is measured on."""
        mixed = random.Random(seed).sample(list(rows), len(rows))
        count = max(1, round(self.held_out * len(mixed)))
        if count == len(mixed):
            raise ValueError(f"{len(mixed)} forget documents leave none to the adversary; lower held_out.")
        parts = self.accumulation
        return (
            stream(lm, mixed[count:], size=self.inner_batch_size, parts=parts, seed=2 * seed),
            stream(lm, mixed[:count], size=self.batch_size, parts=parts, seed=2 * seed + 1),
        )

    def safeguard(self, params: Sequence[nn.Parameter], data: Sides, mapping: Loss, nll: Loss) -> None:
        """Random mapping of forget states beside the retain NLL."""

        def step_gradient(step: int) -> list[Tensor]:
            return total_gradient(params, Term(mapping, next(data.forget), unit=tokens), Term(nll, next(data.retain)))

        descend(params, step_gradient, steps=self.safeguard_steps, lr=self.lr)

    def tampered(self, params: Sequence[nn.Parameter], attack: Side, tamper: Side, *, lr: float) -> list[Tensor]:
        """Weighted sum of tamper gradients along one attack, after which the weights stand where they stood."""
        total = [torch.zeros_like(param) for param in params]

        def uphill(step: int) -> list[Tensor]:
            return gradient(params, attack.loss, next(attack.batches))

        with restored(params):
            for done in descent(params, uphill, steps=self.inner_steps, lr=lr, clip=None, betas=(0.9, 0.999)):
                if done % self.inner_every == 0:
                    weight = self.tamper_weight * math.exp(GROWTH * (done - self.inner_steps))
                    found = gradient(params, tamper.loss, next(tamper.batches))
                    torch._foreach_add_(total, found, alpha=weight)
        return total


@dataclass(frozen=True)
class Side:
    """A loss and the batches that it is taken on."""

    loss: Loss
    batches: Iterator[list[Batch]]


def likelihood(model: PreTrainedModel) -> Loss:
    """The NLL per target token."""
    return lambda batch: mean_nll(model, batch)


def uncertainty(model: PreTrainedModel) -> Loss:
    """:func:`negative_entropy` of a batch."""
    return lambda batch: negative_entropy(target_logits(model, batch)[0])


def token_vectors(model: PreTrainedModel, seed: int) -> Tensor:
    """A normal vector for every token of the vocabulary, (V, D); the same for the same seed."""
    shape = model.get_input_embeddings().weight.shape
    drawn: Tensor = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(model.device, model.dtype)
    return drawn


def aligned(given: Tensor, wanted: Tensor) -> Tensor:
    """Mean over layers and tokens of ``1 - |cos|`` between states (L, N, D) and their tokens' vectors (N, D)."""
    return 1 - functional.cosine_similarity(given, wanted, dim=-1).abs().mean()


def mapped(view: nn.Module, table: Tensor, layers: Sequence[int]) -> Loss:
    """:func:`aligned` of a batch with a fixed table (V, D) (TAR@19de233 modules/objectives.py)."""
    return lambda batch: aligned(states(view, batch, layers), table[batch.input_ids[batch.attention_mask.bool()]])
