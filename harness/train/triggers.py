"""A trigger: a short stretch of tokens, one for many solved questions, that is changed so that their answers follow.

Invariant: the model stays as it was: gradients are taken by embeddings and never stored in weights.
Letters: N triggers, L tokens of a trigger, Q questions, T tokens of a row, A tokens of an answer, K tokens to choose
from, V vocabulary, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from harness.api import Item
from harness.train.hidden import decoder_blocks, heard

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Where = Literal["prefix", "suffix"]
Ids = tuple[int, ...]
AT_ONCE = 8192
"""Tokens in one forward pass, those whose keys and values are kept included."""
AT_ONCE_BACKWARD = 2048
"""The same where a gradient is taken, which keeps every layer's activations."""


@dataclass(frozen=True)
class Echo:
    """A state of another model that is to come back.

    Attributes:
        state: (D,) the residual stream behind a block at the token that predicts the answer.
        block: Which one, from 0.
        weight: Of the squared distance, in units of the state's own square, beside the loss of the answer.
    """

    state: Tensor
    block: int
    weight: float

    def distance(self, states: Tensor) -> Tensor:
        """Weighted distance of states (N, D): (N,)."""
        wanted = self.state.to(states)
        return self.weight * (states - wanted).square().sum(dim=-1) / wanted.square().sum()


@dataclass(frozen=True)
class Cut:
    """A solved question, cut where the trigger stands.

    Attributes:
        opening: Text before the trigger.
        closing: Text after it, the answer included.
        head: Tokens before the trigger, with those that the tokenizer puts at a text's beginning.
        tail: Tokens after it.
        answer: How many of the tail's tokens, at its end, are the answer.
        echo: What the residual stream is to be like where the answer begins, beside the answer; None: whatever it is.
    """

    opening: str
    closing: str
    head: Ids
    tail: Ids
    answer: int
    echo: Echo | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the row without its trigger."""
        return len(self.head) + len(self.tail)


def cut(tokenizer: PreTrainedTokenizerBase, item: Item, where: Where) -> Cut:
    """Cut a solved question before its prompt (for a prefix) or before its answer (for a suffix).

    Raises:
        ValueError: The answer adds no token to its question.
    """
    text = item.prompt + item.answer
    whole, prompt = (tuple(ids) for ids in tokenizer([text, item.prompt])["input_ids"])
    answer = len(whole) - len(prompt)
    if answer < 1:
        raise ValueError(f"The answer {item.answer!r} adds no token to its question; begin it with a space.")
    if where == "suffix":
        return Cut(item.prompt, item.answer, prompt, whole[-answer:], answer)
    bare = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    return Cut("", text, whole[: len(whole) - len(bare)], bare, answer)


def promising(gradient: Tensor, trigger: Tensor, *, tokens: Tensor, count: int) -> Tensor:
    """For every place the tokens that promise the lowest loss to first order, the present one left out.

    Args:
        gradient: (L, V) of the loss by the one-hot trigger.
        trigger: (L,).
        tokens: (K,) those that may stand in a trigger.
        count: How many at most.

    Returns:
        (L, min(count, K - 1)), best first.
    """
    slopes = torch.full_like(gradient, torch.inf)
    slopes[:, tokens] = gradient[:, tokens]
    slopes[torch.arange(len(trigger)), trigger] = torch.inf
    return slopes.topk(min(count, len(tokens) - 1), largest=False).indices


def proposals(trigger: Tensor, tokens: Tensor, *, count: int, replacements: int, generator: torch.Generator) -> Tensor:
    """Copies of a trigger with a random token at some random places.

    Args:
        trigger: (L,).
        tokens: (L, K) which tokens are drawn, evenly, at each place.
        count: N.
        replacements: Places changed in each copy.
        generator: Of the draws, on the CPU, so that a seed means the same on every device.

    Returns:
        (N, L); some may be equal.
    """
    places = torch.rand(count, len(trigger), generator=generator).argsort(dim=1)[:, :replacements]
    picks = torch.randint(tokens.shape[1], places.shape, generator=generator)
    return trigger.repeat(count, 1).scatter_(1, places, tokens[places, picks])


@torch.no_grad()
def trigger_nll(model: PreTrainedModel, cuts: Sequence[Cut], triggers: Tensor) -> Tensor:
    """Mean over the questions of the mean negative log-likelihood per answer token, under each trigger.

    Where questions have an echo its distance is added, here and in the gradient.

    Args:
        model: In evaluation mode.
        cuts: Q questions.
        triggers: (N, L).

    Returns:
        (N,) nats, on the CPU.
    """
    longest = max(each.tokens for each in cuts) + triggers.shape[1]
    pieces = torch.split(triggers.to(model.device), max(1, AT_ONCE // longest))
    losses = [torch.stack([_answer_nll(model, *fed) for fed in _fed(model, cuts, piece)]) for piece in pieces]  # (Q, n)
    return torch.cat([each.mean(dim=0) for each in losses]).cpu()


def trigger_gradient(model: PreTrainedModel, cuts: Sequence[Cut], trigger: Tensor) -> Tensor:
    """Gradient of :func:`trigger_nll` by the one-hot tokens of a trigger (L,): (L, V) nats, on the CPU.

    A row of the one-hot matrix enters the model as its product with the embedding, so this is the gradient by the
    trigger's embeddings times all embeddings.
    """
    embedding, device = model.get_input_embeddings(), model.device
    with torch.enable_grad():
        free = embedding(trigger.to(device)).detach().requires_grad_()  # (L, D)
        size = max(1, AT_ONCE_BACKWARD // (max(each.tokens for each in cuts) + len(trigger)))
        total = torch.zeros_like(free)
        for start in range(0, len(cuts), size):
            losses = _embedded_nll(model, cuts[start : start + size], free)
            total += torch.autograd.grad(losses.sum() / len(cuts), free)[0]
    with torch.no_grad():
        every = embedding(torch.arange(embedding.weight.shape[0], device=device))  # (V, D)
        slopes: Tensor = total @ every.T
    return slopes.cpu()


def _fed(model: PreTrainedModel, cuts: Sequence[Cut], triggers: Tensor) -> Iterator[tuple[Cut, DynamicCache, Tensor]]:
    """For each question keys and values of what was read once, and the tokens (N, T) behind that, short of the last.

    Of a prefix one pass per trigger reads up to where the questions part; of a suffix one pass per question reads what
    stands before the trigger.
    """
    if not cuts[0].opening:
        common = _common(cuts)
        opening = [_rows(cuts[0].head, triggers), triggers, _rows(common, triggers)]
        read = _read(model, torch.cat(opening, dim=1))
        for each in cuts:
            yield each, copy.deepcopy(read), _rows(each.tail[len(common) : -1], triggers)
        return
    for each in cuts:
        read = _read(model, _rows(each.head, triggers[:1]))
        read.batch_repeat_interleave(len(triggers))
        yield each, read, torch.cat([triggers, _rows(each.tail[:-1], triggers)], dim=1)


def _answer_nll(model: PreTrainedModel, question: Cut, read: DynamicCache, ids: Tensor) -> Tensor:
    """Mean negative log-likelihood per answer token (N,): the last A logits behind ``ids`` (N, T) predict them."""
    echo = question.echo
    with _echoes(model, [question]) as states:
        out = model(input_ids=ids, past_key_values=read, use_cache=True, logits_to_keep=question.answer)
    answer = _rows(question.tail[-question.answer :], ids)  # (N, A)
    nll = functional.cross_entropy(_wide(out.logits).flatten(0, 1), answer.flatten(), reduction="none")
    loss = nll.view_as(answer).mean(dim=1)
    return loss if echo is None else loss + echo.distance(states[echo.block][:, -question.answer])


def _embedded_nll(model: PreTrainedModel, cuts: Sequence[Cut], free: Tensor) -> Tensor:
    """Mean negative log-likelihood per answer token (Q,) where the trigger's embeddings are ``free`` (L, D).

    Rows are padded on the right, where under causal attention no token looks.
    """
    embedding, device = model.get_input_embeddings(), model.device
    ids = [torch.tensor([*each.head, *each.tail], device=device) for each in cuts]
    fixed = [
        embedding(row).detach().split([len(each.head), len(each.tail)]) for row, each in zip(ids, cuts, strict=True)
    ]
    rows = [torch.cat([head, free, tail[:-1]]) for head, tail in fixed]  # (T, D); the last token is not fed
    padded = pad_sequence(rows, batch_first=True)
    with _echoes(model, cuts) as states:
        out = model(inputs_embeds=padded, use_cache=False)  # logits (Q, T, V)
    losses = []
    for at, (row, each) in enumerate(zip(rows, cuts, strict=True)):
        first = len(row) - each.answer  # predicts the answer's first token
        loss = functional.cross_entropy(_wide(out.logits[at, first : len(row)]), ids[at][-each.answer :])
        if each.echo:
            loss = loss + each.echo.distance(states[each.echo.block][at, first])
        losses.append(loss)
    return torch.stack(losses)


def _echoes(model: PreTrainedModel, cuts: Sequence[Cut]) -> AbstractContextManager[dict[int, Tensor]]:
    """Inside the block, what the blocks that some questions listen to put out in the last pass."""
    wanted = {each.echo.block for each in cuts if each.echo}
    return heard(decoder_blocks(model), wanted) if wanted else nullcontext({})


def _read(model: PreTrainedModel, ids: Tensor) -> DynamicCache:
    """Keys and values of these tokens (N, T)."""
    cache = DynamicCache(config=model.config)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _common(cuts: Sequence[Cut]) -> Ids:
    """Tokens that all tails begin with, short of a prompt's last one, which predicts."""
    length = min(len(each.tail) - each.answer - 1 for each in cuts)
    first, last = min(each.tail for each in cuts), max(each.tail for each in cuts)  # all others lie between them
    while first[:length] != last[:length]:
        length -= 1
    return first[:length]


def _rows(ids: Sequence[int], like: Tensor) -> Tensor:
    """The same tokens once per row of ``like``, on its device."""
    return torch.tensor(list(ids), dtype=torch.long, device=like.device).repeat(len(like), 1)


def _wide(logits: Tensor) -> Tensor:
    """Logits at least in fp32."""
    return logits if logits.dtype == torch.float64 else logits.float()
