"""What stands before a text without context, and whole documents cut into the windows in which they are scored.

Every token of a document is predicted exactly once, with as much context as a window has room for, as in lm-eval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError


@dataclass(frozen=True)
class Window:
    """A stretch of a document and all that stands before it.

    Attributes:
        context: Everything before the stretch; an engine keeps as much of its end as it has room for.
        continuation: The stretch that is scored.
        tokens: How many tokens that is.
    """

    context: str
    continuation: str
    tokens: int


def opening(tokenizer: Any) -> str:  # noqa: ANN401 - transformers tokenizers are untyped at this border
    """The context of a text that has none: BOS, or else EOS; empty if the tokenizer itself begins every text with BOS.

    lm-eval's HFLM takes the same token (lm_eval/models/huggingface.py, ``prefix_token_id``).

    Raises:
        UserError: The tokenizer has neither token.
    """
    if _ids(tokenizer, ""):
        return ""
    token: str | None = tokenizer.bos_token or tokenizer.eos_token
    if token is None:
        raise UserError(
            "A text without context was to be scored, and the tokenizer has neither a BOS nor an EOS token to put "
            "before it. Give the tokenizer one, or leave out tasks with empty contexts (perplexity)."
        )
    return token


def windows(tokenizer: Any, text: str, *, context_length: int) -> list[Window]:  # noqa: ANN401 - as above
    """The windows of a document.

    These are lm-eval's (lm_eval/utils.py, ``get_rolling_token_windows`` with one token of context, made disjoint), with
    two differences. An engine feeds the last scored token too, so a window predicts one token less than the context
    holds. Engines take text, so a window whose end would fall where the text, cut there, is tokenized otherwise (within
    a word) ends at the last place where it is not. A tokenizer that begins texts with BOS by itself is left to do so:
    lm-eval's HFLM puts a second BOS there and scores it, its vLLM class does not.

    Args:
        tokenizer: Of the model.
        text: The document.
        context_length: Tokens that the model can read.

    Raises:
        UserError: The document is longer than the context, and the tokenizer cannot say where tokens lie in a text.
    """
    lead = opening(tokenizer)
    whole = lead + text
    ids = _ids(tokenizer, whole)
    done, at, found = len(_ids(tokenizer, lead)), len(lead), []
    starts = _starts(tokenizer, whole) if len(ids) > context_length else []
    while done < len(ids):
        end = min(done + context_length - 1, len(ids))
        while done < end < len(ids) and _ids(tokenizer, whole[: starts[end]]) != ids[:end]:
            end -= 1
        if end == done:
            raise ValueError(f"No window of {context_length} tokens can be cut from the document at character {at}.")
        cut = starts[end] if end < len(ids) else len(whole)
        found.append(Window(whole[:at], whole[at:cut], end - done))
        done, at = end, cut
    return found


def _ids(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401 - as above
    ids: list[int] = tokenizer(text)["input_ids"]
    return ids


def _starts(tokenizer: Any, text: str) -> Sequence[int]:  # noqa: ANN401 - as above
    """Where in the text each token begins."""
    if not tokenizer.is_fast:
        raise UserError(
            f"A document is longer than the model's context, and {type(tokenizer).__name__} cannot say where its "
            "tokens lie in the text. Use a model with a fast tokenizer (tokenizer.json), or leave out perplexity tasks."
        )
    return [start for start, _ in tokenizer(text, return_offsets_mapping=True)["offset_mapping"]]
