"""What MUSE asks, as text: continuations of passages and ten-shot questions, with the references to compare with.

The definitions are those of the specification, part B.2. Mode ``paper`` is muse_bench@54719c5; ``openunlearning`` is
locuslab/open-unlearning@d3d7cf9 where it departs from it (B.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.api import Axis, Direction, Split
from harness.benchmarks.muse_world import Asked, World, shots

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Mode = Literal["paper", "openunlearning"]

VERBMEM_TOKENS = 128
KNOWMEM_TOKENS = 32
STOPS = ("\n\n", "\nQuestion", "Question:")
"""An answer ends before the first of these (muse_bench@54719c5 knowmem/get_rouge_qa.py)."""
OPEN_PROMPT_TOKENS = 512
"""Ten-shot prompts are cut to this, on the tokenizer's own side (open-unlearning@d3d7cf9 src/data/utils.py)."""
OPEN_TEXT_TOKENS = 2048
"""Membership texts are read up to this, BOS included (open-unlearning@d3d7cf9 configs/data/datasets/MUSE_*.yaml)."""
STEPS_BACK = 16
"""Tokens that a cut may move back; a character has at most four bytes, and white space is joined in longer runs."""


@dataclass(frozen=True)
class Family:
    """A score over what the model writes.

    Attributes:
        name: Of the score on test items; its twin for selection has ``dev_`` before it.
        published: Name of the score over all records, as papers report it.
        axis: What it speaks of.
        better: Which direction is better.
        max_tokens: Tokens to be written.
        stop: Where writing ends.
    """

    name: str
    published: str
    axis: Axis
    better: Direction
    max_tokens: int
    stop: tuple[str, ...] = ()


VERBMEM = Family("verbmem", "muse_verbmem", "forget", "lower", VERBMEM_TOKENS)
KNOWMEM_FORGET = Family("knowmem_forget", "muse_knowmem_f", "forget", "lower", KNOWMEM_TOKENS, STOPS)
KNOWMEM_RETAIN = Family("knowmem_retain", "muse_knowmem_r", "utility", "higher", KNOWMEM_TOKENS, STOPS)


@dataclass(frozen=True)
class Question:
    """What is asked, what should come back, and which split it serves."""

    prompt: str
    reference: str
    split: Split


@dataclass(frozen=True)
class Sheet:
    """All questions of one family in MUSE's order, and how many of their prompts had to be cut."""

    family: Family
    questions: tuple[Question, ...]
    cut: int = 0


def sheets_of(world: World, mode: Mode, tokenizer: PreTrainedTokenizerBase) -> tuple[Sheet, Sheet, Sheet]:
    """What is asked in a mode, cut as the model's tokenizer cuts it.

    The prompt of a question ends with a space, which most tokenizers turn into a token of its own. It stays, since
    MUSE's numbers were measured so; an engine encodes every prompt as a whole.
    """
    forget_shown, retain_shown = shots(world)
    passages = tuple(
        Question(one.item.prompt, reference_of(one.item.answer, mode, tokenizer), one.split) for one in world.verbmem
    )
    return (
        Sheet(VERBMEM, passages),
        _ten_shot(KNOWMEM_FORGET, forget_shown, world.knowmem_forget, _cutter(mode, tokenizer)),
        _ten_shot(KNOWMEM_RETAIN, retain_shown, world.knowmem_retain, _cutter(mode, tokenizer)),
    )


def reference_of(truth: str, mode: Mode, tokenizer: PreTrainedTokenizerBase) -> str:
    """The first 128 tokens of what follows, BOS among them (muse_bench@54719c5 verbmem/get_rouge.py), or all of it."""
    if mode == "openunlearning":
        return truth
    return str(tokenizer.decode(tokenizer(truth)["input_ids"][:VERBMEM_TOKENS], skip_special_tokens=True))


@dataclass(frozen=True)
class Reading:
    """A membership text as far as it is read, and whether more of it follows."""

    text: str
    is_cut: bool = False


def readings_of(
    world: World, mode: Mode, tokenizer: PreTrainedTokenizerBase, *, before: str
) -> tuple[tuple[Reading, ...], ...]:
    """The membership texts of forget, hold-out and retain set, whole or (OpenUnlearning) as far as they are scored.

    Args:
        world: The records.
        mode: Whose definitions.
        tokenizer: Of the model.
        before: Text before each of them, which takes none of the 2,048 tokens.
    """
    if mode == "paper":
        return tuple(tuple(Reading(text) for text in part) for part in world.membership())
    return tuple(tuple(_beginning(text, tokenizer, before) for text in part) for part in world.membership())


def _beginning(text: str, tokenizer: PreTrainedTokenizerBase, before: str) -> Reading:
    """The beginning of a text that is its first 2,048 tokens, BOS included.

    Engines take text, so the beginning must become the same tokens again. Where the cut falls inside a character it
    does not, and the few tokens of that character are left out. A tokenizer that does not tell where its tokens stand,
    or that ends every text with a token of its own, leaves the text whole.
    """
    whole = before + text
    encoded = tokenizer(whole, return_offsets_mapping=tokenizer.is_fast)
    ids = encoded["input_ids"]
    last = max(1, len(tokenizer(before)["input_ids"])) + OPEN_TEXT_TOKENS - 1  # what stands before is BOS, if anything
    if len(ids) <= last:
        return Reading(text)
    ends = [end for _, end in encoded.get("offset_mapping", ())]
    cuts = ((count, whole[: ends[count - 1]]) for count in range(last, last - STEPS_BACK, -1) if ends)
    kept = next((cut for count, cut in cuts if tokenizer(cut)["input_ids"] == ids[:count]), whole)
    return Reading(kept.removeprefix(before), is_cut=True)


@dataclass(frozen=True)
class _Cutter:
    """Cuts a prompt to a number of tokens; what fits comes back as it is."""

    tokenizer: PreTrainedTokenizerBase
    limit: int | None

    def __call__(self, prompt: str) -> str:
        if self.limit is None or len(self.tokenizer(prompt)["input_ids"]) <= self.limit:
            return prompt
        ids = self.tokenizer(prompt, truncation=True, max_length=self.limit)["input_ids"]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


def _cutter(mode: Mode, tokenizer: PreTrainedTokenizerBase) -> _Cutter:
    return _Cutter(tokenizer, OPEN_PROMPT_TOKENS if mode == "openunlearning" else None)


def _ten_shot(family: Family, shown: str, items: Sequence[Asked], cutter: _Cutter) -> Sheet:
    whole = [shown + one.item.prompt for one in items]
    prompts = [cutter(prompt) for prompt in whole]
    questions = tuple(Question(p, one.item.answer, one.split) for p, one in zip(prompts, items, strict=True))
    return Sheet(family, questions, cut=sum(one != other for one, other in zip(whole, prompts, strict=True)))
