"""Token rows and the batches made of them. Shapes: B rows, T tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from harness.api import LM, Item
from harness.train.processes import position, processes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a position that no loss counts (the convention of torch and transformers)."""


@dataclass(frozen=True)
class Batch:
    """Right-padded token rows.

    Attributes:
        input_ids: (B, T) token ids.
        attention_mask: (B, T) 1 on tokens, 0 on padding.
        labels: (B, T) the token itself, -100 where it is no target.
        index: (B,) which of the given rows each one is; empty if the batch was made by hand.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    index: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(*(part.to(device) for part in _fields(self)))


def encode(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    max_tokens: int,
    keep: Literal["start", "end"] = "start",
) -> list[list[int]]:
    """Tokenize whole documents: the tokenizer's own prefix, the text, then EOS.

    Args:
        tokenizer: Of the model to be trained.
        texts: Documents.
        max_tokens: Rows are cut to this length; one whose start is kept loses its EOS, because the text goes on.
        keep: Which end of a longer text stays. A solved question ends in its answer.

    Returns:
        One list of token ids per document.

    Raises:
        ValueError: There are none, or one has no token that follows another, so that its mean loss is not defined.
    """
    if not texts:
        raise ValueError("There are no documents to encode.")
    rows: list[list[int]] = [list(ids) for ids in tokenizer(list(texts))["input_ids"]]
    end = [tokenizer.eos_token_id]
    part = slice(max_tokens) if keep == "start" else slice(-max_tokens, None)
    whole = [(row if row[-1:] == end else row + end)[part] for row in rows]
    short = next((number for number, row in enumerate(whole) if len(row) < 2), None)
    if short is not None:
        which = f"Document {short + 1} of {len(texts)}, {texts[short]!r},"
        raise ValueError(f"{which} has no token to predict. Leave it out of the corpus.")
    return whole


def encode_items(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], *, max_tokens: int) -> list[list[int]]:
    """Tokenize solved questions as documents; a longer one loses its beginning, never its answer."""
    texts = [item.prompt + item.answer for item in items]
    return encode(tokenizer, texts, max_tokens=max_tokens, keep="end") if texts else []


def pad(rows: Sequence[Sequence[int]], *, pad_id: int, index: Sequence[int] = ()) -> Batch:
    """Right-pad rows to the longest one; every token is a target."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for line, row in enumerate(rows):
        ids[line, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[line, : len(row)] = 1
    return Batch(ids, mask, ids.masked_fill(mask == 0, IGNORED), torch.tensor(index, dtype=torch.long))


def batches(rows: Sequence[Sequence[int]], *, size: int, pad_id: int, seed: int) -> Iterator[Batch]:
    """Endless batches in an order that is shuffled anew for every pass over the rows.

    Passes follow each other without a gap, so every batch is full and after k batches exactly k * size rows were seen.

    Args:
        rows: Token rows.
        size: Rows per batch.
        pad_id: Token id of the padding (any valid id: it is masked).
        seed: Of the shuffles.
    """
    if not rows:
        raise ValueError("There are no rows to make batches of.")
    order = _shuffled(len(rows), random.Random(seed))
    while True:
        chosen = [next(order) for _ in range(size)]
        yield pad([rows[i] for i in chosen], pad_id=pad_id, index=chosen)


def stream(lm: LM, rows: Sequence[Sequence[int]], *, size: int, parts: int, seed: int) -> Iterator[list[Batch]]:
    """Endless batches on the model's device, each cut into ``parts`` micro-batches.

    Processes that train together draw the same batches, and each is given its own micro-batches of every one.

    Args:
        lm: The model that will see them.
        rows: Token rows.
        size: Rows per batch, over all processes.
        parts: Micro-batches per batch and process; changes memory, not the gradient.
        seed: Of the order.

    Raises:
        ValueError: There are fewer rows in a batch than processes.
    """
    count = processes()
    if size < count:
        raise ValueError(f"A batch of {size} rows cannot be shared by {count} processes; raise the batch size.")
    for batch in batches(rows, size=size, pad_id=pad_id(lm), seed=seed):
        pieces = micro_batches(batch.to(lm.model.device), min(parts, size // count) * count)
        yield pieces[position() :: count]


def pad_id(lm: LM) -> int:
    """Token id to pad with: the tokenizer's own, else EOS; no loss ever counts it."""
    own = lm.tokenizer.pad_token_id
    return int(lm.tokenizer.eos_token_id if own is None else own)


def micro_batches(batch: Batch, parts: int) -> list[Batch]:
    """Cut a batch by rows into at most ``parts`` batches, each as narrow as its longest row.

    Rows of like length go together, so that cutting saves padding; no loss depends on the order of rows.
    """
    if parts == 1:
        return [batch]
    order = batch.attention_mask.sum(dim=1).argsort(descending=True, stable=True)
    fields = [part[order] if len(part) else part for part in _fields(batch)]
    pieces = zip(*(part.tensor_split(min(parts, len(order))) for part in fields), strict=True)
    return [_narrowed(Batch(*piece)) for piece in pieces]


def _fields(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return batch.input_ids, batch.attention_mask, batch.labels, batch.index


def _narrowed(batch: Batch) -> Batch:
    width = int(batch.attention_mask.sum(dim=1).max())
    return Batch(
        batch.input_ids[:, :width], batch.attention_mask[:, :width], batch.labels[:, :width], index=batch.index
    )


def _shuffled(count: int, chance: random.Random) -> Iterator[int]:
    while True:
        yield from chance.sample(range(count), count)
