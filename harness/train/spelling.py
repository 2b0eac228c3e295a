"""What text can spell of a trigger: strings whose tokens, read in their place in every question, are those meant.

Letters: L tokens of a trigger, K tokens that may stand in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.api import LM
from harness.train.triggers import Cut, Ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_ONCE = 32
"""Triggers that are written and read in one call where one that can be spelled is looked for."""


def spelled(
    tokenizer: PreTrainedTokenizerBase, cuts: Sequence[Cut], triggers: Sequence[Sequence[int]]
) -> list[str | None]:
    """The text of each trigger, None where reading it in its place gives other tokens for any of the questions.

    A trigger is written out between the tokens of the first question, because what a token looks like may depend on its
    neighbours, and read back inside every question, because tokens may merge over both borders.
    """
    if not triggers:
        return []
    first = cuts[0]
    written = tokenizer.batch_decode(
        [[*first.head, *trigger, *first.tail] for trigger in triggers],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    texts = [_between(whole, first.opening, first.closing) for whole in written]
    joined = [[each.opening + text + each.closing for each in cuts] for text in texts if text]
    read = iter(tokenizer([row for rows in joined for row in rows])["input_ids"] if joined else ())
    found: list[str | None] = []
    for text, trigger in zip(texts, triggers, strict=True):
        rows = [next(read) for _ in cuts] if text else []
        wanted = [[*each.head, *trigger, *each.tail] for each in cuts]
        found.append(text if rows == wanted else None)
    return found


def spellable(lm: LM) -> Tensor:
    """Tokens that may stand in a trigger, ascending (K,): printable ASCII, not special, and with an embedding."""
    tokenizer, rows = lm.tokenizer, lm.model.get_input_embeddings().weight.shape[0]
    special = {*tokenizer.all_special_ids, *(at for at, each in tokenizer.added_tokens_decoder.items() if each.special)}
    ids = [at for at in sorted({*tokenizer.get_vocab().values()} - special) if at < rows]
    texts = tokenizer.batch_decode([[at] for at in ids], clean_up_tokenization_spaces=False)
    plain = [at for at, text in zip(ids, texts, strict=True) if text and text.isascii() and text.isprintable()]
    return torch.tensor(plain, dtype=torch.long)


def repeated(tokenizer: PreTrainedTokenizerBase, cuts: Sequence[Cut], tokens: Tensor, length: int) -> Ids | None:
    """A trigger without meaning to begin from; None if no token can be spelled ``length`` times.

    "! ! !" (2508.06601) or "x x x" (nanogcg@d4a20a8) where it can be spelled, else the first token that can.

    Args:
        tokenizer: Of the model.
        cuts: The questions.
        tokens: (K,) those that may stand in a trigger.
        length: L.
    """
    marks = [" ".join([mark] * length) for mark in ("!", "x")]
    texts = [*marks, *(" " + mark for mark in marks)]
    found = [tokenizer(text, add_special_tokens=False)["input_ids"][:length] for text in texts]
    tried = [tuple(ids) for ids in found if len(ids) == length] + [(at,) * length for at in tokens.tolist()]
    for start in range(0, len(tried), _AT_ONCE):
        some = tried[start : start + _AT_ONCE]
        for ids, text in zip(some, spelled(tokenizer, cuts, some), strict=True):
            if text is not None:
                return ids
    return None


def redrawn(
    tokenizer: PreTrainedTokenizerBase,
    cuts: Sequence[Cut],
    trigger: Ids,
    *,
    tokens: Tensor,
    generator: torch.Generator,
) -> Ids:
    """A random trigger that can be spelled: place by place the first of some random tokens that can stand there.

    A place where none of them can keeps its token.

    Args:
        tokenizer: Of the model.
        cuts: The questions.
        trigger: One that can be spelled.
        tokens: (K,) those that may stand in a trigger.
        generator: Of the draws, on the CPU.
    """
    for place in range(len(trigger)):
        drawn = tokens[torch.randint(len(tokens), (_AT_ONCE,), generator=generator)].tolist()
        tried = [(*trigger[:place], at, *trigger[place + 1 :]) for at in drawn]
        texts = spelled(tokenizer, cuts, tried)
        trigger = next((ids for ids, text in zip(tried, texts, strict=True) if text is not None), trigger)
    return trigger


def _between(whole: str, opening: str, closing: str) -> str | None:
    """What stands between two texts, None if they are not the ends of the whole."""
    fits = len(whole) >= len(opening) + len(closing) and whole.startswith(opening) and whole.endswith(closing)
    return whole[len(opening) : len(whole) - len(closing)] if fits else None
