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
from transformers import DynamicCache

from harness.api import LM, param
from harness.lm import fingerprint

Ids = list[int]
T = TypeVar("T")
_REMEMBERED = 50_000  # encodings kept between evaluations
_WORTH_SHARING = 16  # tokens; below, copying the cache costs more than feeding them forward again
_CACHED_COST = 4  # a shared token counts a quarter of a fed one against the memory of a batch


@dataclass(frozen=True)
class Prefix:
    """Tokens that all rows of a call begin with, as keys and values computed once."""

    length: int = 0
    cache: DynamicCache | None = None

    def repeated(self, rows: int) -> DynamicCache | None:
        """A cache of its own for a batch, None if nothing is shared."""
        if self.cache is None:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(rows)
        return cache


@dataclass
class _Served:
    """The model being served, and its tokenizer's work so far (evaluations repeat the same questions)."""

    lm: LM | None = None
    encodings: dict[str, Ids] = field(default_factory=dict)


@dataclass(frozen=True)
class TransformersEngine:
    """Hugging Face transformers, in process, in the dtype of the loaded weights."""

    version: ClassVar[int] = 1

    batch_tokens: int = param(4096, "Padded tokens in one forward pass; memory against speed.", gt=0, runtime=True)
    _served: _Served = field(default_factory=_Served, init=False, repr=False, compare=False)

    def load(self, lm: LM) -> str:
        """Serve this live model; later edits of its weights are served too, so load again after each edit."""
        if self._served.lm is None or not _same_tokenizer(self._served.lm.tokenizer, lm.tokenizer):
            self._served.encodings.clear()
        self._served.lm = lm
        return fingerprint(lm.model)

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probability of each candidate: N prompts, for each its C candidate strings -> N rows of C nats."""
        if len(prompts) != len(candidates):
            raise ValueError(f"Got {len(prompts)} prompts but candidates for {len(candidates)}.")
        tails = [
            [self._tail(prompt, text) for text in texts] for prompt, texts in zip(prompts, candidates, strict=True)
        ]
        if all(len(tail) == 1 for row in tails for tail in row):
            return self._next_token(prompts, [[tail[0] for tail in row] for row in tails])
        pairs = [(prompt, text) for prompt, texts in zip(prompts, candidates, strict=True) for text in texts]
        sums = iter([sum(values) for values in self.loglikelihood(pairs)])
        return [[next(sums) for _ in texts] for texts in candidates]

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities of each continuation; with an empty context the first token is not scored."""
        rows, counts = [], []
        for context, continuation in pairs:
            tail = self._tail(context, continuation)
            ids = (self._encode(context) + tail)[-self._context_length :]
            rows.append(ids)
            counts.append(min(len(tail), len(ids) - 1))

        def score(indices: list[int], shared: Prefix) -> list[list[float]]:
            batch = [rows[index][shared.length :] for index in indices]
            ids, mask, positions = self._padded(batch, shared)
            logits = self._logits(ids, mask, positions, shared)[:, :-1]  # (B,T-1,V)
            chosen = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]  # position t predicts t+1
            return [
                values[-counts[i] :].tolist() if counts[i] else [] for i, values in zip(indices, chosen, strict=True)
            ]

        return self._in_batches(rows, score, kept=[count + 1 for count in counts])

    def generate(self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Greedy continuations of at most ``max_tokens`` tokens, cut before end of text or the first stop string."""
        limit = self._context_length - max_tokens
        if limit < 1:
            raise ValueError(f"max_tokens={max_tokens} leaves no room in a context of {self._context_length} tokens.")
        rows = [self._encode(prompt)[-limit:] for prompt in prompts]

        def decode(indices: list[int], shared: Prefix) -> list[str]:
            return self._greedy([rows[index][shared.length :] for index in indices], shared, max_tokens, stop)

        return self._in_batches(rows, decode, kept=[1] * len(rows))

    def _greedy(self, batch: list[Ids], shared: Prefix, max_tokens: int, stop: Sequence[str]) -> list[str]:
        """Decode a batch with a key-value cache; rows that are finished stop being checked."""
        ids, mask, positions = self._padded(batch, shared)
        if mask is None:
            mask = torch.ones(len(batch), shared.length + ids.shape[1], dtype=torch.long, device=ids.device)
        cache = shared.repeated(len(batch)) or DynamicCache(config=self._model.config)
        written: list[Ids] = [[] for _ in batch]
        texts: list[str | None] = [None] * len(batch)
        for _ in range(max_tokens):
            out = self._model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            )
            ids = out.logits[:, -1].argmax(-1, keepdim=True)  # (B,1)
            for row, token in enumerate(ids[:, 0].tolist()):
                if texts[row] is None:
                    written[row].append(token)
                    texts[row] = self._finished(written[row], stop)
            if all(text is not None for text in texts):
                break
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            positions = positions[:, -1:] + 1
        return [self._decode(ids) if text is None else text for ids, text in zip(written, texts, strict=True)]

    def _finished(self, ids: Ids, stop: Sequence[str]) -> str | None:
        """The final text if these tokens end with end-of-text or contain a stop string, else None."""
        if ids[-1] == self._tokenizer.eos_token_id:
            return self._decode(ids[:-1])
        if not stop:
            return None
        text = self._decode(ids)
        found = [at for at in (text.find(mark) for mark in stop) if at >= 0]
        return text[: min(found)] if found else None

    def _next_token(self, prompts: Sequence[str], candidates: list[Ids]) -> list[list[float]]:
        """One forward per prompt, output layer on its last token only."""
        rows = [self._encode(prompt)[-self._context_length :] for prompt in prompts]

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
            use_cache=shared.length > 0,
            logits_to_keep=last,
        ).logits
        return logits

    def _in_batches(
        self, rows: list[Ids], score: Callable[[list[int], Prefix], list[T]], *, kept: Sequence[int]
    ) -> list[T]:
        """Apply ``score`` to length-sorted batches and return its results in the order of ``rows``.

        Args:
            rows: Token rows.
            score: Takes the indices of a batch and the tokens that all rows share, which are left out of the batch.
            kept: How many tokens at the end of each row must stay in its batch.
        """
        results: dict[int, T] = {}
        with self._quiet():
            shared = self._shared(rows, kept)
            lengths = [len(row) - shared.length + shared.length // _CACHED_COST for row in rows]
            for indices in _length_sorted(lengths, self.batch_tokens):
                results.update(zip(indices, score(indices, shared), strict=True))
        return [results[index] for index in range(len(rows))]

    def _shared(self, rows: list[Ids], kept: Sequence[int]) -> Prefix:
        """The tokens that all rows begin with, such as an attack's prompt, fed forward once."""
        first, last = min(rows), max(rows)  # what these two have in common, all that lie between them have too
        differing = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
        length = min(next(differing, len(first)), *(len(row) - count for row, count in zip(rows, kept, strict=True)))
        if length < _WORTH_SHARING or len(rows) < 2:
            return Prefix()
        cache = DynamicCache(config=self._model.config)
        self._model(input_ids=torch.tensor([first[:length]], device=self._model.device), past_key_values=cache)
        return Prefix(length, cache)

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
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch], device=self._model.device)
        starts = torch.tensor([[width - len(row)] for row in batch], device=self._model.device)
        steps = torch.arange(width, device=self._model.device)[None]
        mask = None
        if bool(starts.any()):
            before = torch.ones(len(batch), shared.length, dtype=torch.long, device=ids.device)
            mask = torch.cat([before, (steps >= starts).long()], dim=1)
        return ids, mask, shared.length + (steps - starts).clamp(min=0)

    def _tail(self, context: str, continuation: str) -> Ids:
        """Tokens that the continuation adds to the context, as lm-eval counts them: whole minus context."""
        return self._encode(context + continuation)[len(self._encode(context)) :]

    def _encode(self, text: str) -> Ids:
        known = self._served.encodings
        if len(known) > _REMEMBERED:
            known.clear()
        if text not in known:
            known[text] = self._tokenizer(text)["input_ids"]
        return known[text]

    def _decode(self, ids: Ids) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text

    @property
    def _model(self) -> Any:  # noqa: ANN401 - transformers models are untyped at this border
        return self._lm.model

    @property
    def _tokenizer(self) -> Any:  # noqa: ANN401 - as above
        return self._lm.tokenizer

    @property
    def _lm(self) -> LM:
        if self._served.lm is None:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.lm

    @property
    def _context_length(self) -> int:
        return int(self._model.config.max_position_embeddings)


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


def _same_tokenizer(one: Any, other: Any) -> bool:  # noqa: ANN401 - transformers tokenizers are untyped at this border
    """Whether both encode alike for certain: one object, or fast tokenizers of equal definition."""
    if one is other:
        return True
    fast = one.is_fast and other.is_fast
    return bool(fast and one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str())
