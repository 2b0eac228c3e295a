"""Text to tokens and back, the same for every engine: what differs between engines is arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Ids = list[int]
_REMEMBERED = 100_000  # encodings kept between evaluations, which repeat the same questions; MMLU has 70,210 of them


class Encoder:
    """One tokenizer and what it has encoded so far."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers tokenizers are untyped at this border
        self.tokenizer = tokenizer
        self._texts: dict[str, Ids] = {}
        self._tails: dict[tuple[str, str], Ids] = {}

    def ids(self, text: str) -> Ids:
        """Tokens of a text with the special tokens that the tokenizer adds by itself, such as BOS."""
        if len(self._texts) > _REMEMBERED:
            self._texts.clear()
        if text not in self._texts:
            self._texts[text] = self.tokenizer(text)["input_ids"]
        return self._texts[text]

    def tail(self, context: str, continuation: str) -> Ids:
        """Tokens that the continuation adds to the context, as lm-eval counts them: whole minus context.

        Raises:
            ValueError: It adds none, so that there is nothing to score: it is empty, or its only token merged with the
                context's last one.
        """
        if len(self._tails) > _REMEMBERED:
            self._tails.clear()
        key = context, continuation
        if key not in self._tails:
            whole = self.tokenizer(context + continuation)["input_ids"]
            self._tails[key] = whole[len(self.ids(context)) :]
        if not self._tails[key]:
            raise ValueError(
                f"The continuation {continuation!r} adds no token to its context, which ends with {context[-20:]!r}, "
                "so it has no log-probability. Ask it with a space before it, or leave it out."
            )
        return self._tails[key]

    def tails(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[Ids]]:
        """For each prompt the tokens that each of its candidates adds."""
        if len(prompts) != len(candidates):
            raise ValueError(f"Got {len(prompts)} prompts but candidates for {len(candidates)}.")
        return [[self.tail(prompt, text) for text in texts] for prompt, texts in zip(prompts, candidates, strict=True)]

    def choices(
        self,
        prompts: Sequence[str],
        candidates: Sequence[Sequence[str]],
        *,
        next_token: Callable[[Sequence[str], list[Ids]], list[list[float]]],
        loglikelihood: Callable[[Sequence[tuple[str, str]]], list[list[float]]],
    ) -> list[list[float]]:
        """Log-probabilities of candidates, nats: one forward per prompt where each is one token, else all are read.

        Args:
            prompts: N texts.
            candidates: For each prompt its C candidate strings.
            next_token: Log-probabilities of token ids (C per prompt) right after each prompt.
            loglikelihood: Log-probability of every token of each continuation.
        """
        tails = self.tails(prompts, candidates)
        if all(len(tail) == 1 for row in tails for tail in row):
            return next_token(prompts, [[tail[0] for tail in row] for row in tails])
        pairs = [(prompt, text) for prompt, texts in zip(prompts, candidates, strict=True) for text in texts]
        sums = iter([sum(values) for values in loglikelihood(pairs)])
        return [[next(sums) for _ in texts] for texts in candidates]

    def continued(self, pairs: Sequence[tuple[str, str]], *, context_length: int) -> tuple[list[Ids], list[int]]:
        """Rows of context and continuation, cut from the left, and how many tokens at the end of each are scored.

        The first token of a row stands after nothing, so it is never scored: with an empty context and no BOS the
        text's own first token is left out.
        """
        rows, counts = [], []
        for context, continuation in pairs:
            tail = self.tail(context, continuation)
            row = (self.ids(context) + tail)[-context_length:]
            rows.append(row)
            counts.append(min(len(tail), len(row) - 1))
        return rows, counts

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special tokens."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def finished(self, ids: Ids, stop: Sequence[str]) -> str | None:
        """The final text if these tokens end with end-of-text or contain a stop string, else None."""
        ended = ids[-1] == self.tokenizer.eos_token_id
        if not ended and not stop:
            return None
        text = self.text(ids[:-1] if ended else ids)
        found = [at for at in (text.find(mark) for mark in stop) if at >= 0]
        if found:
            return text[: min(found)]
        return text if ended else None

    def written(self, ids: Ids, stop: Sequence[str]) -> str:
        """The text of a whole continuation: cut before end of text and before the first stop string."""
        cut = self.finished(ids, stop)
        return self.text(ids) if cut is None else cut

    def encodes_like(self, tokenizer: Any) -> bool:  # noqa: ANN401 - as above
        """Whether another tokenizer is for certain the same: one object, or fast tokenizers of equal definition."""
        own = self.tokenizer
        if own is tokenizer:
            return True
        fast = own.is_fast and tokenizer.is_fast
        return bool(fast and own.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str())
