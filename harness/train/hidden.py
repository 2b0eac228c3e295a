"""The residual stream: passes that stop at a layer, states at many, and what representation methods compare there.

Letters: B batch, T tokens, D width, L layers, N tokens of a batch that are no padding, P rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.api import LM, NotApplicable
from harness.errors import UserError
from harness.train.data import Batch, pad, pad_id
from harness.train.frozen import Frozen, frozen
from harness.train.processes import summed
from harness.train.sharding import is_sharded
from harness.train.weights import linear_maps

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BLOCK_MATRICES = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
"""All matrices of a block of Llama's kind, as :func:`named_maps` takes them."""
AT_ONCE = 16
"""Rows in one forward pass where only their ends are looked at."""


def decoder_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder blocks in order.

    Raises:
        NotApplicable: The model is no single stack of blocks.
    """
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise NotApplicable(f"{type(model).__name__} is no single stack of decoder blocks.")
    return layers


def require_embeddings(model: PreTrainedModel) -> None:
    """An attack is about to read vectors into the model in place of tokens.

    Raises:
        NotApplicable: It reads tokens alone, such as a pair of networks with a table of embeddings each.
    """
    if "inputs_embeds" not in signature(model.forward).parameters:
        raise NotApplicable(f"{type(model).__name__} reads tokens alone, and no vectors in their place.")


def blocks(model: PreTrainedModel, layers: Sequence[int]) -> tuple[int, ...]:
    """Decoder blocks in ascending order, each once, counted from 0; negative numbers count from the last one.

    Raises:
        ValueError: None is named, or one does not exist.
    """
    count = len(decoder_blocks(model))
    missing = [layer for layer in layers if not -count <= layer < count]
    if missing or not layers:
        raise ValueError(f"Layers {missing} do not exist: name at least one from {-count} to {count - 1}.")
    return tuple(sorted({layer % count for layer in layers}))


def truncated(model: PreTrainedModel, layer: int) -> nn.Module:
    """The same weights up to and including decoder block ``layer``, without the final norm and the head.

    Raises:
        ValueError: There is no such block.
        UserError: The model is cut over processes, and only whole passes put its blocks together.
    """
    if is_sharded(model):
        raise UserError(
            "This method passes through a part of the model, which shard=true does not allow. Leave it out: such "
            "methods train few weights."
        )
    layers = decoder_blocks(model)
    if not 0 <= layer < len(layers):
        raise ValueError(f"Layer {layer} does not exist: the model has layers 0 to {len(layers) - 1}.")
    decoder = model.get_decoder()
    view: nn.Module = copy.copy(decoder)
    view._modules = {**decoder._modules, "layers": layers[: layer + 1], "norm": nn.Identity()}
    return view


def maps_of(model: PreTrainedModel, layers: Sequence[int]) -> list[str]:
    """Names of all linear maps of these decoder blocks, in the model's order."""
    chosen = [decoder_blocks(model)[layer] for layer in layers]
    inside = {id(module) for block in chosen for module in block.modules()}
    return [name for name, module in linear_maps(model).items() if id(module) in inside]


def named_maps(model: PreTrainedModel, layers: Sequence[int], names: Sequence[str], *, last: int) -> list[str]:
    """Names in the model of some linear maps of some decoder blocks, block by block.

    Args:
        model: The model.
        layers: Blocks, from 0.
        names: Of the maps inside a block, such as ``mlp.down_proj``.
        last: Block beyond which no gradient comes from.
    """
    decoder = decoder_blocks(model)
    found = {module: name for name, module in model.named_modules()}
    wanted = sorted({(layer, name) for layer in layers for name in names})
    missing = [
        f"layers.{layer}.{name}.weight"
        for layer, name in wanted
        if layer > last or layer >= len(decoder) or not _has(decoder[layer], name)
    ]
    if missing:
        raise ValueError(f"No {', '.join(missing)} at or below layer {last} of this model.")
    return [found[decoder[layer].get_submodule(name)] for layer, name in wanted]


def activations(view: nn.Module, batch: Batch) -> Tensor:
    """Residual stream (B, T, D) behind the last block; right padding needs no attention mask."""
    hidden: Tensor = view(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    return hidden


@contextmanager
def heard(stack: nn.Module, layers: Iterable[int]) -> Iterator[dict[int, Tensor]]:
    """Inside the block, what these blocks of a stack put out in the last pass, by their number.

    The library's own ``output_hidden_states`` leaves hooks in the model for good.
    """
    seen: dict[int, Tensor] = {}
    hooks = [
        stack.get_submodule(str(layer)).register_forward_hook(lambda _, __, out, at=layer: seen.update({at: out}))
        for layer in layers
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def states(view: nn.Module, batch: Batch, layers: Sequence[int]) -> Tensor:
    """Residual stream (L, N, D) behind each of these blocks of a view, at the tokens that are no padding."""
    with heard(view.get_submodule("layers"), layers) as seen:
        activations(view, batch)
    mask = batch.attention_mask.bool()
    return torch.stack([seen[layer][mask] for layer in layers])


@torch.no_grad()
def last_states(lm: LM, rows: Sequence[Sequence[int]], layers: Sequence[int]) -> Tensor:
    """Residual stream (L, P, D) behind these blocks at the last token of every row, where the answer is made.

    Means over all tokens of a question brought no more back and cost more utility on pocket-wmdp.
    """
    view = truncated(lm.model, max(layers))
    found = []
    for start in range(0, len(rows), AT_ONCE):
        batch = pad(rows[start : start + AT_ONCE], pad_id=pad_id(lm)).to(lm.model.device)
        ends = batch.attention_mask.sum(dim=1).cumsum(dim=0) - 1  # where the rows end among the N tokens
        found.append(states(view, batch, layers)[:, ends].double().cpu())
    return torch.cat(found, dim=1)


@contextmanager
def shifted(module: nn.Module, by: Tensor) -> Iterator[None]:
    """Inside the block the output of a module, of the shape of ``by``, has ``by`` added."""
    hook = module.register_forward_hook(lambda _, __, output: output + by.to(output.dtype))
    try:
        yield
    finally:
        hook.remove()


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


@torch.no_grad()
def mean_length(view: nn.Module, pieces: Sequence[Batch]) -> float:
    """Mean Euclidean length of activations over the tokens of a batch that comes in pieces, of all processes."""
    sizes = [(token_mean(activations(view, batch).norm(dim=-1), batch), tokens(batch)) for batch in pieces]
    device = pieces[0].input_ids.device
    length = summed(float(sum(size * count for size, count in sizes)), device=device)
    return length / summed(sum(count for _, count in sizes), device=device)


def toward(view: nn.Module, target: Tensor) -> Callable[[Batch], Tensor]:
    """Mean squared distance, over tokens and width, of activations from one target vector (D,)."""
    return lambda batch: token_mean((activations(view, batch) - target).square().mean(dim=-1), batch)


def unmoved(view: nn.Module) -> Callable[[Batch], Tensor]:
    """Mean squared distance, over tokens and width, of activations from those of today's weights."""
    original = frozen(view)

    def loss(batch: Batch) -> Tensor:
        wanted = original(lambda before: activations(before, batch))
        return token_mean((activations(view, batch) - wanted).square().mean(dim=-1), batch)

    return loss


def drift(view: nn.Module, original: Frozen, layers: Sequence[int]) -> Callable[[Batch], Tensor]:
    """Mean Euclidean distance, over layers and tokens, of states from the original's; not squared (2406.04313)."""

    def loss(batch: Batch) -> Tensor:
        wanted = original(lambda before: states(before, batch, layers))
        distance: Tensor = (states(view, batch, layers) - wanted).norm(dim=-1)
        return distance.mean()

    return loss


def _has(layer: nn.Module, name: str) -> bool:
    return any(name == found for found, _ in layer.named_modules())
