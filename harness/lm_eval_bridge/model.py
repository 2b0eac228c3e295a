"""Our engine as a model of lm-eval: it answers lm-eval's requests, with the attacker's text around every question.

Contexts and continuations are split into tokens as lm-eval's HFLM splits them; an engine sees text only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.defaults import DEFAULT_MAX_GEN_TOKS
from lm_eval.models.utils import normalize_gen_kwargs

from harness.api import Engine, Prompts
from harness.errors import UserError
from harness.lm_eval_bridge.rolling import opening, windows

PLAIN = Prompts()
"""No attacker's text."""

Limits = tuple[int, tuple[str, ...]]
"""How a generation ends: after so many tokens, or before one of these strings."""

_GREEDY = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k"}
"""Settings of a generation that greedy decoding obeys (limits) or that do not touch it (sampling)."""


class EngineLM(LM):  # type: ignore[misc] # lm-eval is untyped at this border
    """An lm-eval model that asks an engine.

    Args:
        engine: Serves the model that is scored.
        prompts: The attacker's text: each context becomes ``before + context + after``. A document whose perplexity is
            measured has no question in it, and stays as it is.
        unread: Names of tasks whose metrics do not read ``is_greedy``: it is False there and costs no forward pass.
    """

    def __init__(self, engine: Engine, prompts: Prompts = PLAIN, *, unread: Collection[str] = ()) -> None:
        super().__init__()
        self._engine = engine
        self._prompts = prompts
        self._unread = frozenset(unread)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-probability (nats) of each continuation and whether greedy decoding would write it.

        Requests that follow each other with one context are one question: a single forward if all their continuations
        are single tokens.
        """
        pairs = [self.pair(*request.args) for request in requests]
        values = self._scored(pairs)
        read = [index for index, request in enumerate(requests) if request.task_name not in self._unread]
        greedy = dict(zip(read, self._engine.greedy([pairs[index] for index in read]), strict=True)) if read else {}
        return [(value, greedy.get(index, False)) for index, value in enumerate(values)]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Log-probability (nats) of each whole document, in windows where it is longer than the context."""
        tokenizer, length = self._engine.tokenizer, self._engine.context_length
        documents = [windows(tokenizer, request.args[0], context_length=length) for request in requests]
        pairs = [(window.context, window.continuation) for document in documents for window in document]
        scored = iter(self._engine.loglikelihood(pairs) if pairs else [])
        totals = []
        for document in documents:
            rows = [next(scored) for _ in document]
            if [len(row) for row in rows] != [window.tokens for window in document]:
                raise ValueError("The engine scored another number of tokens than the windows of a document have.")
            totals.append(math.fsum(value for row in rows for value in row))
        return totals

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy continuations, cut before the first stop string of their task.

        Raises:
            UserError: A task wants sampling, or more tokens than the model's context holds.
        """
        texts: dict[int, str] = {}
        wanted = [generation_limits(request.args[1], request.task_name) for request in requests]
        for limits in dict.fromkeys(wanted):
            indices = [index for index, other in enumerate(wanted) if other == limits]
            prompts = [self.asked(requests[index].args[0]) for index in indices]
            texts.update(zip(indices, self._generated(prompts, limits, requests[indices[0]].task_name), strict=True))
        return [texts[index] for index in range(len(requests))]

    def asked(self, context: str) -> str:
        """A context with the attacker's text around it."""
        return self._prompts.around(context)

    def pair(self, context: str, continuation: str) -> tuple[str, str]:
        """Context and continuation as HFLM cuts them: spaces at the end of a context belong to the continuation.

        lm_eval/api/model.py, ``TemplateLM._encode_pair``. A context of nothing but spaces is an empty one here, where
        HFLM would score a continuation after no token at all.
        """
        asked = self.asked(context)
        bare = asked.rstrip()
        return bare or opening(self._engine.tokenizer), asked[len(bare) :] + continuation

    def _scored(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Log-probability of each continuation, asked by question.

        Questions about letters go in a call of their own: an engine scores a whole call in full as soon as one
        candidate in it is longer than a token.
        """
        rows = [list(row) for _, row in groupby(range(len(pairs)), key=lambda index: pairs[index][0])]
        values: dict[int, float] = {}
        for letters in (True, False):
            chosen = [row for row in rows if is_lettered([pairs[index][1] for index in row]) is letters]
            if chosen:
                candidates = [[pairs[index][1] for index in row] for row in chosen]
                for row, answers in zip(
                    chosen, self._engine.choices([pairs[row[0]][0] for row in chosen], candidates), strict=True
                ):
                    values.update(zip(row, answers, strict=True))
        if any(math.isnan(value) for value in values.values()):
            raise ValueError("A log-probability is not a number: the model has diverged.")
        return [values[index] for index in range(len(pairs))]

    def _generated(self, prompts: list[str], limits: Limits, task: str) -> list[str]:
        max_tokens, stop = limits
        if max_tokens >= self._engine.context_length:
            raise UserError(
                f"Task '{task}' writes up to {max_tokens} tokens, the model's context holds "
                f"{self._engine.context_length}. Leave the task out, or take a model with a longer context."
            )
        eos = self._engine.tokenizer.eos_token  # as HFLM: text that merely spells it ends a generation too
        return self._engine.generate(prompts, max_tokens=max_tokens, stop=(*stop, eos) if eos else stop)


def is_lettered(continuations: Sequence[str]) -> bool:
    """Whether these are answers by letter (or digit), which should be one token each."""
    return all(len(text.strip()) == 1 for text in continuations)


def generation_limits(settings: Mapping[str, Any], task: str) -> Limits:
    """How lm-eval wants a generation to end.

    Args:
        settings: ``generation_kwargs`` of the task.
        task: Its name, for the message.

    Raises:
        UserError: The task wants anything but greedy decoding.
    """
    known = normalize_gen_kwargs(dict(settings), DEFAULT_MAX_GEN_TOKS)
    strange = sorted(set(known) - _GREEDY)
    if known["do_sample"] or strange:
        wants = "sampling" if known["do_sample"] else f"'{strange[0]}'"
        raise UserError(
            f"Task '{task}' generates with {wants}; engines decode greedily here, so that a cell repeats. Leave it "
            "out, or define a greedy variant of it."
        )
    return known["max_gen_toks"], tuple(text for text in known["until"] if text)
