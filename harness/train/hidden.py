"""The residual stream: forward passes that stop at a layer. Letters: B batch, T tokens, D width."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.train.data import Batch

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


def direction(model: PreTrainedModel, seed: int) -> Tensor:
    """A unit vector (D,) with uniform, hence non-negative, coordinates before normalising (2403.03218)."""
    drawn = torch.rand(model.config.hidden_size, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = (drawn / drawn.norm()).to(model.device, model.dtype)
    return unit
