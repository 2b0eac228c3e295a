"""The reference engine: Hugging Face forward passes, length-sorted, one forward per multiple-choice question.

Invariant: scoring neither changes weights nor consumes randomness, and leaves the model's mode as it was.
Letters: B batch, T tokens, V vocabulary, N questions, C candidates.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedTokenizerBase

from harness.api import LM, param
from harness.engines.draws import Draw
from harness.engines.encoding import Encoder, Ids
from harness.errors import Diverged
from harness.lm import served_fingerprint

T = TypeVar("T")
_WHEN_WRITING = 4  # times the tokens of a scoring batch: each step after the first feeds one token a row
_WORTH_SHARING = 16  # tokens; below, copying the cache costs more than feeding them forward again
_CACHED_COST = 4  # a shared token counts a quarter of a fed one against the memory of a batch


@dataclass(frozen=True)
class Prefix:
    """What stands before the rest of every row of a call, as keys and values computed once.

    Attributes:
        length: Tokens that all rows begin with, and that are left out of their batches.
        soft: Vectors of a soft prompt, which are no tokens of any row.
    """

    length: int = 0
    cache: DynamicCache | None = None
    soft: int = 0

    @property
    def held(self) -> int:
        """Positions in the cache."""
        return self.soft + self.length

    def repeated(self, rows: int) -> DynamicCache | None:
        """A cache of its own for a batch, None if nothing is shared."""
        if self.cache is None:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(rows)
        return cache


@dataclass
class _Served:
    """The model being served, and its tokenizer's work so far."""

    lm: LM | None = None
    encoder: Encoder | None = None


@dataclass(frozen=True)
class TransformersEngine:
    """Hugging Face transformers, in process, in the dtype of the loaded weights."""

    version: ClassVar[int] = 1
    serves_soft_prompts: ClassVar[bool] = True

    batch_tokens: int = param(2048, "Padded tokens in one forward pass; memory against speed.", gt=0, runtime=True)
    _served: _Served = field(default_factory=_Served, init=False, repr=False, compare=False)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the served model."""
        return self._lm.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens that the served model can read."""
        soft = self._lm.soft_prompt
        return int(self._model.config.max_position_embeddings) - (0 if soft is None else len(soft))

    def load(self, lm: LM) -> str:
        """Serve this live model; later edits of its weights are served too, so load again after each edit."""
        if self._served.encoder is None or not self._served.encoder.encodes_like(lm.tokenizer):
            self._served.encoder = Encoder(lm.tokenizer)
        self._served.lm = lm
        return served_fingerprint(lm)

    def rest(self) -> None:
        """Nothing to give back: the live model itself is served."""

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probability of each candidate: N prompts, for each its C candidate strings -> N rows of C nats."""
        return self._encoder.choices(prompts, candidates, next_token=self._next_token, loglikelihood=self.loglikelihood)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities of each continuation; with an empty context the first token is not scored."""
        return self._read(
            pairs, lambda logits, ids: logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0].tolist()
        )

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether every token of each continuation is the most likely one at its place."""
        return [all(row) for row in self._read(pairs, lambda logits, ids: (logits.argmax(-1) == ids).tolist())]

    def _read(
        self, pairs: Sequence[tuple[str, str]], read: Callable[[Tensor, Tensor], list[list[float]]]
    ) -> list[list[float]]:
        """One number per token of each continuation; ``read`` takes logits (B,T,V) and the ids (B,T) they predict."""
        rows, counts = self._encoder.continued(pairs, context_length=self.context_length)

        def score(indices: list[int], shared: Prefix) -> list[list[float]]:
            last = max(counts[index] for index in indices)
            if not last:
                return [[] for _ in indices]
            batch = [rows[index][shared.length :] for index in indices]
            ids, mask, positions = self._padded(batch, shared)
            logits = self._logits(ids, mask, positions, shared, last=last + 1)[:, :-1]  # position t predicts t+1
            values = read(logits, ids[:, -last:])
            return [row[len(row) - counts[index] :] for index, row in zip(indices, values, strict=True)]

        return self._in_batches(rows, score, kept=[count + 1 for count in counts])

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = (), temperature: float = 0.0
    ) -> list[str]:
        """Continuations of at most ``max_tokens`` tokens, cut before end of text or the first stop string."""
        limit = self.context_length - max_tokens
        if limit < 1:
            raise ValueError(f"max_tokens={max_tokens} leaves no room in a context of {self.context_length} tokens.")
        rows = [self._encoder.ids(prompt)[-limit:] for prompt in prompts]

        def decode(indices: list[int], shared: Prefix) -> list[str]:
            draw = Draw(temperature, indices) if temperature else None
            return self._written([rows[index][shared.length :] for index in indices], shared, max_tokens, stop, draw)

        return self._in_batches(rows, decode, kept=[1] * len(rows), batch_tokens=_WHEN_WRITING * self.batch_tokens)

    def _written(
        self, batch: list[Ids], shared: Prefix, max_tokens: int, stop: Sequence[str], draw: Draw | None
    ) -> list[str]:
        """Decode a batch with a key-value cache; rows that are finished stop being checked."""
        ids, mask, positions = self._padded(batch, shared)
        if mask is None:
            mask = torch.ones(len(batch), shared.held + ids.shape[1], dtype=torch.long, device=ids.device)
        cache = shared.repeated(len(batch)) or DynamicCache(config=self._model.config)
        written: list[Ids] = [[] for _ in batch]
        texts: list[str | None] = [None] * len(batch)
        for _ in range(max_tokens):
            out = self._model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            )
            logits = _finite(out.logits)[:, -1]
            ids = (draw(logits) if draw else logits).argmax(-1, keepdim=True)  # (B,1)
            for row, token in enumerate(ids[:, 0].tolist()):
                if texts[row] is None:
                    written[row].append(token)
                    texts[row] = self._encoder.finished(written[row], stop)
            if all(text is not None for text in texts):
                break
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            positions = positions[:, -1:] + 1
        return [self._encoder.text(ids) if text is None else text for ids, text in zip(written, texts, strict=True)]

    def _next_token(self, prompts: Sequence[str], candidates: list[Ids]) -> list[list[float]]:
        """One forward per prompt, output layer on its last token only."""
        rows = [self._encoder.ids(prompt)[-self.context_length :] for prompt in prompts]

        def score(indices: list[int], shared: Prefix) -> list[list[float]]:
            ids, mask, positions = self._padded([rows[index][shared.length :] for index in indices], shared)
            logprobs = self._logits(ids, mask, positions, shared, last=1)[:, -1].float().log_softmax(-1)  # (B,V)
            return [values[candidates[index]].tolist() for index, values in zip(indices, logprobs, strict=True)]

        return self._in_batches(rows, score, kept=[1] * len(rows))

    def _logits(self, ids: Tensor, mask: Tensor | None, positions: Tensor, shared: Prefix, *, last: int = 0) -> Tensor:
        """Logits (B,T,V) behind the shared tokens, or those of the ``last`` tokens only."""
        logits: Tensor = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=shared.repeated(len(ids)),
            use_cache=shared.cache is not None,
            logits_to_keep=last,
        ).logits
        return _finite(logits)

    def _in_batches(
        self,
        rows: list[Ids],
        score: Callable[[list[int], Prefix], list[T]],
        *,
        kept: Sequence[int],
        batch_tokens: int | None = None,
    ) -> list[T]:
        """Apply ``score`` to length-sorted batches and return its results in the order of ``rows``.

        Args:
            rows: Token rows.
            score: Takes the indices of a batch and the tokens that all rows share, which are left out of the batch.
            kept: How many tokens at the end of each row must stay in its batch.
            batch_tokens: Padded tokens of a batch where not the engine's own number.
        """
        results: dict[int, T] = {}
        with self._quiet():
            shared = self._shared(rows, kept)
            lengths = [len(row) - shared.length + shared.length // _CACHED_COST for row in rows]
            for indices in _length_sorted(lengths, batch_tokens or self.batch_tokens):
                results.update(zip(indices, score(indices, shared), strict=True))
        return [results[index] for index in range(len(rows))]

    def _shared(self, rows: list[Ids], kept: Sequence[int]) -> Prefix:
        """The tokens that all rows begin with, such as an attack's prompt, fed forward once."""
        first, last = min(rows), max(rows)  # what these two have in common, all that lie between them have too
        differing = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
        length = min(next(differing, len(first)), *(len(row) - count for row, count in zip(rows, kept, strict=True)))
        if length < _WORTH_SHARING or len(rows) < 2:
            length = 0
        soft = self._lm.soft_prompt
        if not length and soft is None:
            return Prefix()
        ids = torch.tensor([first[:length]], dtype=torch.long, device=self._model.device)
        cache = DynamicCache(config=self._model.config)
        if soft is None:
            self._model(input_ids=ids, past_key_values=cache)
            return Prefix(length, cache)
        tokens = self._model.get_input_embeddings()(ids)
        self._model(inputs_embeds=torch.cat([soft[None].to(tokens), tokens], dim=1), past_key_values=cache)
        return Prefix(length, cache, len(soft))

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """No gradients and no dropout while scoring; the model's mode is put back."""
        was_training = self._model.training
        self._model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self._model.train(was_training)

    def _padded(self, batch: list[Ids], shared: Prefix) -> tuple[Tensor, Tensor | None, Tensor]:
        """Left-padded ids (B,T), the mask of shared tokens and ids (None without padding), and positions (B,T)."""
        width = max(map(len, batch))
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch], device=self._model.device)
        starts = torch.tensor([[width - len(row)] for row in batch], device=self._model.device)
        steps = torch.arange(width, device=self._model.device)[None]
        mask = None
        if bool(starts.any()):
            before = torch.ones(len(batch), shared.held, dtype=torch.long, device=ids.device)
            mask = torch.cat([before, (steps >= starts).long()], dim=1)
        return ids, mask, shared.held + (steps - starts).clamp(min=0)

    @property
    def _model(self) -> Any:  # noqa: ANN401 - transformers models are untyped at this border
        return self._lm.model

    @property
    def _encoder(self) -> Encoder:
        if self._served.encoder is None:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.encoder

    @property
    def _lm(self) -> LM:
        if self._served.lm is None:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.lm


def _finite(logits: Tensor) -> Tensor:
    """Logits (B,T,V) as they are; the last position tells, since NaN spreads to all that follow."""
    if bool(logits[:, -1].isnan().any()):
        raise Diverged("The model answers with NaN: it diverged, or its numbers leave the range of its dtype.")
    return logits


def _length_sorted(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length whose padded size stays within ``batch_tokens`` (at least one row each)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
