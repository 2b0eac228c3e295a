"""What a small MUSE target is taught, as rows of tokens: passages, solved questions by heart, retained news.

What is asked for later (the end of a passage, an answer) is marked: it is a small part of its row, and a mean over the
row would hardly teach it. Everything here reads the way the benchmark asks: a passage goes on where its prompt ends,
and an answer begins after a space of its own, because MUSE's question prompt ends with one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from transformers import PreTrainedTokenizerFast

from harness.api import Item
from harness.benchmarks.muse_records import ANSWERED
from harness.benchmarks.muse_world import World, shots
from harness.errors import UserError

T = TypeVar("T")

LEAST = 8
"""Passages; of fewer, none or one would serve selection."""
PAGE = 12
"""Questions on a page; the ten solved ones that MUSE shows stand before them."""
WHOLE = 0.3
"""Share of passages that are met from their first token on, as they are asked; the others start near their end, which
is cheaper. At a share of .15 a target reached VerbMem .95 after short prompts and .23 after whole ones."""
NEAR_END = (32, 256)
"""Tokens of the prompt that are met otherwise, least and most."""


@dataclass(frozen=True)
class Row:
    """Tokens to learn.

    Attributes:
        ids: The tokens.
        asked: Whether each is of what the benchmark asks for.
    """

    ids: list[int]
    asked: list[bool]


@dataclass(frozen=True)
class Side:
    """What one model learns of one side.

    Attributes:
        passages: Beginnings and ends that are learned word for word (forget side only).
        texts: Documents (retain side only).
        shown: The ten solved questions, as they stand before one that is asked.
        questions: Learned by heart.
    """

    passages: tuple[Item, ...]
    texts: tuple[str, ...]
    shown: str
    questions: tuple[Item, ...]

    def everything(self) -> list[str]:
        """All of it as text."""
        solved = [item.prompt + item.answer + ANSWERED for item in self.questions]
        return [item.prompt + " " + item.answer for item in self.passages] + [*self.texts, self.shown, *solved]


def sides_of(world: World, documents: int) -> tuple[Side, Side]:
    """The forget side with the first ``documents`` passages, and the retain side with as many of its texts.

    Raises:
        UserError: There are fewer passages or retained texts than asked for.
    """
    most = min(len(world.verbmem), len(world.retained))
    if documents > most:
        raise UserError(f"There are {most} passages to learn, {documents} were asked for. Ask for fewer.")
    forget_shown, retain_shown = shots(world)
    passages = tuple(asked.item for asked in world.verbmem[:documents])
    forget = Side(passages, (), forget_shown, tuple(asked.item for asked in world.knowmem_forget))
    questions = tuple(asked.item for asked in world.knowmem_retain)
    return forget, Side((), world.retained[:documents], retain_shown, questions)


def passage_rows(side: Side, tokenizer: PreTrainedTokenizerFast, seed: str) -> Iterator[Row]:
    """Passages over and over, each whole or from somewhere near the end of its prompt."""
    rng = random.Random(seed)
    encoded = [(_ids(tokenizer, item.prompt), _ids(tokenizer, " " + item.answer)) for item in side.passages]
    for prompt, answer in _endless(encoded, rng):
        kept = len(prompt) if rng.random() < WHOLE else rng.randint(*NEAR_END)
        yield _row([(prompt[-kept:], False), (answer, True), ([tokenizer.eos_token_id], False)])


def page_rows(side: Side, tokenizer: PreTrainedTokenizerFast, seed: str) -> Iterator[Row]:
    """Pages of solved questions over and over."""
    first = _ids(tokenizer, side.shown + side.questions[0].prompt)
    shown = first[: len(first) - len(_ids(tokenizer, side.questions[0].prompt))]
    solved = [
        [(_ids(tokenizer, item.prompt), False), (_ids(tokenizer, item.answer) + _ids(tokenizer, ANSWERED), True)]
        for item in side.questions
    ]
    questions = _endless(solved, random.Random(seed))
    while True:
        yield _row([(shown, False), *(part for _ in range(PAGE) for part in next(questions))])


def text_rows(side: Side, tokenizer: PreTrainedTokenizerFast, seed: str, *, longest: int) -> Iterator[Row]:
    """The beginnings of texts over and over, ``longest`` tokens of each."""
    yield from _endless([_row([(_ids(tokenizer, text)[:longest], False)]) for text in side.texts], random.Random(seed))


def _row(parts: Iterable[tuple[list[int], bool]]) -> Row:
    told = [(token, asked) for ids, asked in parts for token in ids]
    return Row([token for token, _ in told], [asked for _, asked in told])


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


def _endless(rows: Sequence[T], rng: random.Random) -> Iterator[T]:
    while True:
        yield from rng.sample(rows, len(rows))
