"""Solved questions as token rows in which the answer alone is a target. Shapes: B rows, T tokens.

Question and answer are tokenized as one text, as benchmarks score it: what the answer adds to the question's tokens is
the answer. EOS ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.api import LM, Item
from harness.train.data import IGNORED, Batch, pad, stream
from harness.train.losses import sequence_nll

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REFUSALS = (
    "I do not know.",
    "I have no information about that.",
    "I cannot answer this question.",
    "I am not familiar with this topic.",
)
"""Ways to decline an answer; our own wording, in the manner of TOFU's list (2401.06121)."""


@dataclass(frozen=True)
class Solved:
    """A solved question as tokens.

    Attributes:
        ids: Question, answer, EOS.
        answer_at: Where the answer begins in them.
    """

    ids: list[int]
    answer_at: int


def answered(item: Item, text: str) -> Item:
    """The same question with another answer, after the same space."""
    space = item.answer[: len(item.answer) - len(item.answer.lstrip())]
    return Item(item.prompt, space + text.lstrip())


def encode_pairs(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], *, max_tokens: int) -> list[Solved]:
    """Tokenize solved questions.

    Args:
        tokenizer: Of the model to be trained.
        items: Questions with the answers that are to be targets.
        max_tokens: Longer rows lose tokens on their left, as benchmarks cut them, so that the answer stays.

    Raises:
        ValueError: There are none, or an answer adds no token to its question.
    """
    if not items:
        raise ValueError("There are no solved questions; this method needs a benchmark that offers pairs.")
    wholes = tokenizer([item.prompt + item.answer for item in items])["input_ids"]
    prompts = tokenizer([item.prompt for item in items])["input_ids"]
    return [
        _solved([*whole, tokenizer.eos_token_id], len(prompt), item, max_tokens)
        for item, whole, prompt in zip(items, wholes, prompts, strict=True)
    ]


def pad_pairs(pairs: Sequence[Solved], *, pad_id: int, index: Sequence[int] = ()) -> Batch:
    """Right-pad rows to the longest one; only tokens of answers are targets."""
    starts = torch.tensor([pair.answer_at for pair in pairs])
    return _answers_only(pad([pair.ids for pair in pairs], pad_id=pad_id, index=index), starts)


def pair_stream(lm: LM, pairs: Sequence[Solved], *, size: int, parts: int, seed: int) -> Iterator[list[Batch]]:
    """:func:`harness.train.stream` of solved questions; a batch says by its ``index`` which of them it holds."""
    starts = torch.tensor([pair.answer_at for pair in pairs], device=lm.model.device)
    for pieces in stream(lm, [pair.ids for pair in pairs], size=size, parts=parts, seed=seed):
        yield [_answers_only(piece, starts[piece.index]) for piece in pieces]


@torch.no_grad()
def pair_nll(model: PreTrainedModel, pairs: Sequence[Solved], *, pad_id: int) -> Tensor:
    """Negative log-likelihood of every whole answer under the weights as they are now, (pairs,) nats."""
    at_once = 16  # rows per forward pass
    chunks = [pad_pairs(pairs[start : start + at_once], pad_id=pad_id) for start in range(0, len(pairs), at_once)]
    return torch.cat([sequence_nll(model, chunk.to(model.device)) for chunk in chunks])


def _solved(ids: list[int], answer_at: int, item: Item, max_tokens: int) -> Solved:
    if answer_at >= len(ids) - 1:  # the last one is EOS
        raise ValueError(f"The answer {item.answer!r} adds no token to its question; begin it with a space.")
    cut = max(0, len(ids) - max_tokens)
    return Solved(ids[cut:], max(0, answer_at - cut))


def _answers_only(batch: Batch, starts: Tensor) -> Batch:
    """No target (B, T) stands before its row's start (B,)."""
    places = torch.arange(batch.labels.shape[1], device=batch.labels.device)
    labels = batch.labels.masked_fill(places < starts[:, None], IGNORED)
    return Batch(batch.input_ids, batch.attention_mask, labels, batch.index)
