"""What stands between MUSE's definitions and a given model: its context, its tokenizer, what it leaves empty.

Invariant: no engine cuts a text of MUSE in silence; what does not fit is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.api import Prompts
from harness.benchmarks.muse_records import PARTS
from harness.benchmarks.muse_sheets import OPEN_PROMPT_TOKENS, Sheet
from harness.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_BOS = (
    "The tokenizer sets no BOS: prompts start bare, a VerbMem reference has 128 tokens of text where MUSE's has 127, "
    "and the first token of a membership text stands after nothing and is not scored."
)
CHAT_TEMPLATE = "The tokenizer has a chat template, which is not applied: MUSE asks raw text."


def require_room(
    tokenizer: PreTrainedTokenizerBase,
    room: int,
    prompts: Prompts,
    sheets: Sequence[Sheet],
    texts: Sequence[Sequence[str]],
) -> None:
    """Refuse to score what an engine would cut.

    Args:
        tokenizer: Of the model.
        room: Tokens that the model reads, those that it writes included.
        prompts: Text around every question.
        sheets: What the model continues.
        texts: What it reads: membership texts of forget, hold-out and retain set, as far as they are read.

    Raises:
        UserError: A record and what is to be written after it are longer than the model's context.
    """
    over = [(name, count) for name, count in _lengths(tokenizer, prompts, sheets, texts) if count > room]
    if over:
        longest, count = max(over, key=lambda one: one[1])
        raise UserError(
            f"The model reads {room} tokens, and {len(over)} records need more: first {over[0][0]}, most {longest} "
            f"with {count} tokens, answer included. MUSE cuts none of them. Take a model with a longer context, or an "
            "attack that adds less text."
        )


def remarks_on(sheets: Sequence[Sheet], tokenizer: PreTrainedTokenizerBase, *, empty: int) -> Iterator[str]:
    """What a reader of the scores must know.

    Args:
        sheets: What was asked.
        tokenizer: Of the model.
        empty: How many generations were empty.
    """
    if empty:
        yield f"Generations that were empty: {empty}; each scores 0."
    if not sets_bos(tokenizer):
        yield NO_BOS
    if getattr(tokenizer, "chat_template", None):
        yield CHAT_TEMPLATE
    cut = sum(sheet.cut for sheet in sheets)
    if cut:
        lost = "they no longer hold their question" if tokenizer.truncation_side == "right" else "they lost examples"
        yield f"{cut} ten-shot prompts were cut to {OPEN_PROMPT_TOKENS} tokens as OpenUnlearning cuts them; {lost}."


def sets_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text begins with the tokenizer's BOS."""
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _lengths(
    tokenizer: PreTrainedTokenizerBase, prompts: Prompts, sheets: Sequence[Sheet], texts: Sequence[Sequence[str]]
) -> Iterator[tuple[str, int]]:
    """Every record by name, with the tokens that it takes and those to be written."""
    for sheet in sheets:
        asked = [prompts.around(question.prompt) for question in sheet.questions]
        for index, count in enumerate(_tokens(tokenizer, asked)):
            yield f"{sheet.family.name} {index}", count + sheet.family.max_tokens
    for name, part in zip(PARTS, texts, strict=True):
        for index, count in enumerate(_tokens(tokenizer, [prompts.before + text for text in part])):
            yield f"privleak/{name} {index}", count


def _tokens(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[int]:
    return [len(ids) for ids in tokenizer(texts)["input_ids"]] if texts else []
