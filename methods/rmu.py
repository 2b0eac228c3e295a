"""Representation misdirection (2403.03218): forget activations of one layer are pulled to a fixed random vector.

The forward pass stops at that layer, and only a few matrices below it train. Padding is masked; the official code
averages over it. With ``adaptive`` the length of the target comes from the data (2408.06223).
Letters: B batch, T tokens, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora, param
from harness.train import Batch, combined, descend, encode, frozen_copy, gradient, stream

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def truncated(model: PreTrainedModel, layer: int) -> nn.Module:
    """The same weights up to and including decoder block ``layer``, without the final norm and the head."""
    decoder = model.get_decoder()
    if not 0 <= layer < len(decoder.layers):
        raise ValueError(f"Layer {layer} does not exist: the model has layers 0 to {len(decoder.layers) - 1}.")
    view: nn.Module = copy.copy(decoder)
    view._modules = {**decoder._modules, "layers": decoder.layers[: layer + 1], "norm": nn.Identity()}
    return view


def activations(view: nn.Module, batch: Batch) -> Tensor:
    """Residual stream (B, T, D) behind the last block; right padding needs no attention mask."""
    hidden: Tensor = view(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    return hidden


def token_mean(values: Tensor, batch: Batch) -> Tensor:
    """Mean of (B, T) values over tokens that are no padding."""
    mask = batch.attention_mask
    return (values * mask).sum() / mask.sum()


def tokens(batch: Batch) -> int:
    """Number of tokens that are no padding."""
    return int(batch.attention_mask.sum())


MATRICES = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
"""All matrices of a block: down-projections alone did not forget at kept utility here (docs/pocket_tuning.md)."""

POCKET: Mapping[str, object] = {
    "lr": 1e-3,
    "steps": 60,
    "warmup": 10,
    "layer": 1,
    "train_layers": (0, 1),
    "train_matrices": MATRICES,
    "adaptive": 6.0,
    "alpha": 200.0,
    "batch_size": 8,
    "retain_batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4, "retain_batch_size": 4}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


ZEPHYR_CYBER: Mapping[str, object] = {"max_tokens": 768}
"""The published Zephyr-7B run reads 768 tokens of a cybersecurity document; all else is as for biology (2403.03218)."""


@dataclass(frozen=True)
class RMU:
    """Representation misdirection: scramble one layer's activations on forget documents, keep them on the others."""

    lr: float = param(5e-5, "Learning rate (Zephyr-7B, 2403.03218).", gt=0)
    steps: int = param(150, "Updates (2403.03218).", ge=1)
    warmup: int = param(0, "Updates of linear warm-up.", ge=0)
    layer: int = param(7, "Decoder block whose output is steered, from 0 (Zephyr-7B, 2403.03218).", ge=0)
    train_layers: tuple[int, ...] = param((5, 6, 7), "Blocks that train (Zephyr-7B, 2403.03218).", ge=0)
    train_matrices: tuple[str, ...] = param(("mlp.down_proj",), "Matrices that train in them (2403.03218).")
    steering_coeff: float = param(6.5, "Length of the target vector (Zephyr-7B, 2403.03218).", gt=0)
    adaptive: float | None = param(None, "Length in multiples of the first batch's; replaces steering_coeff.", gt=0)
    alpha: float = param(1200.0, "Weight of the retain term (Zephyr-7B, 2403.03218).", ge=0)
    batch_size: int = param(4, "Forget documents per update.", ge=1)
    retain_batch_size: int = param(4, "Retain documents per update.", ge=1)
    max_tokens: int = param(512, "Documents are cut to this many tokens (2403.03218, biology).", ge=2)
    accumulation: int = param(1, "Micro-batches per update.", ge=1, runtime=True)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "representation"
    citation: ClassVar[str] = "2403.03218"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
        "wmdp-cyber": ZEPHYR_CYBER,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``mean |h(forget) - c u|^2 / D + alpha * mean |h(retain) - h0(retain)|^2 / D``."""
        lm.model.eval()
        view = truncated(lm.model, self.layer)
        params = self._trained(view)
        forget_rows = encode(lm.tokenizer, corpora.forget, max_tokens=self.max_tokens)
        retain_rows = encode(lm.tokenizer, corpora.retain, max_tokens=self.max_tokens)
        forget = stream(lm, forget_rows, size=self.batch_size, parts=self.accumulation, seed=2 * seed)
        retain = stream(lm, retain_rows, size=self.retain_batch_size, parts=self.accumulation, seed=2 * seed + 1)
        first = next(forget)
        misdirected = toward(view, self._length(view, first) * direction(lm.model, seed))
        kept = unmoved(view)

        def step_gradient(step: int) -> list[Tensor]:
            batch = next(forget) if step else first
            away = gradient(params, misdirected, batch, weight=tokens)
            return combined((1.0, away), (self.alpha, gradient(params, kept, next(retain), weight=tokens)))

        descend(params, step_gradient, steps=self.steps, lr=self.lr, warmup=self.warmup)

    def _trained(self, view: nn.Module) -> list[nn.Parameter]:
        wanted = {f"layers.{layer}.{name}.weight" for layer in self.train_layers for name in self.train_matrices}
        found = {name: weight for name, weight in view.named_parameters() if name in wanted}
        if missing := sorted(wanted - found.keys()):
            raise ValueError(f"No {', '.join(missing)} at or below layer {self.layer} of this model.")
        return list(found.values())

    @torch.no_grad()
    def _length(self, view: nn.Module, first: list[Batch]) -> float:
        if self.adaptive is None:
            return self.steering_coeff
        sizes = [(token_mean(activations(view, batch).norm(dim=-1), batch), tokens(batch)) for batch in first]
        return self.adaptive * float(sum(size * count for size, count in sizes)) / sum(count for _, count in sizes)


def direction(model: PreTrainedModel, seed: int) -> Tensor:
    """A unit vector (D,) with uniform, hence non-negative, coordinates before normalising (2403.03218)."""
    drawn = torch.rand(model.config.hidden_size, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = (drawn / drawn.norm()).to(model.device, model.dtype)
    return unit


def toward(view: nn.Module, target: Tensor) -> Callable[[Batch], Tensor]:
    """Mean squared distance of forget activations from one target vector."""
    return lambda batch: token_mean((activations(view, batch) - target).square().mean(dim=-1), batch)


def unmoved(view: nn.Module) -> Callable[[Batch], Tensor]:
    """Mean squared distance of retain activations from those of today's weights."""
    original = frozen_copy(view)

    def loss(batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = activations(original, batch)
        return token_mean((activations(view, batch) - wanted).square().mean(dim=-1), batch)

    return loss
