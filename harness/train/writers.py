"""The maps of a decoder that write to its residual stream, found whatever the architecture calls them.

Letters: D residual width, I input width of a map, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from harness.api import NotApplicable
from harness.train.hidden import decoder_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def writers(model: PreTrainedModel, *, embedding: bool) -> list[Tensor]:
    """What is added to the residual stream, as detached views whose first axis is the stream: (D,), (D, I) or (D, V).

    In every part of a block (attention, MLP, maps that stand alone) that is the last linear map as wide as the stream,
    with its bias. Tied embeddings change the head as well, which costs it next to nothing: of a stream ``h``
    orthogonal to a direction ``v``, it loses ``(g * v) . h``, where ``g`` is the gain of the final norm, and that is 0
    for an even gain.

    Args:
        model: A decoder.
        embedding: Whether to add the embeddings of tokens and, where they are learned, of positions.

    Raises:
        NotApplicable: A part has no such map.
    """
    width = model.get_input_embeddings().weight.shape[1]
    found = [tensor for written in block_writers(model) for tensor in written]
    if embedding:
        tables = [module for module in model.get_decoder().modules() if isinstance(module, nn.Embedding)]
        found += [table.weight.T.detach() for table in tables if table.embedding_dim == width]
    return found


def block_writers(model: PreTrainedModel) -> list[list[Tensor]]:
    """Those of every block by itself: without them a block leaves the residual stream as it found it.

    Raises:
        NotApplicable: As :func:`writers`.
    """
    width = model.get_input_embeddings().weight.shape[1]
    found = []
    for number, block in enumerate(decoder_blocks(model)):
        ends = [[linear for linear in part if linear.out_features == width] for part in _parts(block)]
        if not ends or not all(ends):
            raise NotApplicable(
                f"Block {number} of {type(model).__name__} has a part without a torch.nn.Linear of output width {width}"
                ", so what it writes to the residual stream is not known. This attack needs blocks like Llama's or "
                "GPT-NeoX's."
            )
        found.append([part.detach() for end in ends for part in (end[-1].weight, end[-1].bias) if part is not None])
    return found


def _parts(block: nn.Module) -> list[list[nn.Linear]]:
    """Linear maps of every submodule of a block that has any, and together those that stand in no submodule."""
    alone = [child for child in block.children() if isinstance(child, nn.Linear)]
    inside = [
        [module for module in child.modules() if isinstance(module, nn.Linear)]
        for child in block.children()
        if not isinstance(child, nn.Linear)
    ]
    return [part for part in (alone, *inside) if part]
