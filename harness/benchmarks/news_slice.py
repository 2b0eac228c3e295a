"""A slice of MUSE-News for small models: which real passages are forgotten, kept, scored, and shown to whom.

The slice is a pure function of the records and of the number of documents. A forget document is the end of a VerbMem
record's prompt together with its continuation, if both lie in one article of ``raw/forget``; one passage per article.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.api import Item
from harness.benchmarks.content import text_digest
from harness.benchmarks.records import SplitName, is_text, load_split
from harness.errors import UserError

DATASET = "muse-bench/MUSE-News"
LEAST = 8
"""Fewer documents leave fewer than two to select on."""
PROMPT_WORDS = 220
ANSWER_WORDS = 65
"""Fits into the 128 new tokens that MUSE decodes (muse_bench@54719c5 verbmem/get_rouge.py)."""
EXCERPT_WORDS = PROMPT_WORDS + ANSWER_WORDS

Role = Literal["train", "dev", "test"]
ROLES: tuple[Role, ...] = ("test", "dev", "test", "train")
"""Role of the first, second, ... document, over and over."""


@dataclass(frozen=True)
class Passage:
    """A real passage that is learned word for word.

    Attributes:
        record: Index in the split it comes from (``verbmem/forget`` or ``privleak/retain``).
        role: Shown to attackers (``train``), selected on (``dev``) or reported (``test``).
        prompt: Its first part.
        answer: What follows, starting with the gap between the words.
    """

    record: int
    role: Role
    prompt: str
    answer: str

    @property
    def text(self) -> str:
        """The passage as the model reads it."""
        return self.prompt + self.answer


@dataclass(frozen=True)
class NewsSlice:
    """Everything about a small MUSE-News.

    Attributes:
        forget: Passages to forget.
        scored: Retained passages that are scored and not shown to methods.
        kept: Retained texts that methods see.
        near: News that nobody is trained on.
        items: Solved questions about the forget set that MUSE never scores.
        utility_items: The same about retained news.
    """

    forget: tuple[Passage, ...]
    scored: tuple[Passage, ...]
    kept: tuple[str, ...]
    near: tuple[str, ...]
    items: tuple[Item, ...]
    utility_items: tuple[Item, ...]

    def retained(self) -> list[str]:
        """What the never-learned model is trained on."""
        return [*self.kept, *(passage.text for passage in self.scored)]

    def digest(self) -> str:
        """Hex SHA-256 of all texts."""
        forget = [passage.text for passage in self.forget]
        asked = [item.prompt + item.answer for item in (*self.items, *self.utility_items)]
        return text_digest([*forget, *self.retained(), *self.near, *asked])


def load_slice(data_root: str, documents: int) -> NewsSlice:
    """Read the records and choose the slice.

    Args:
        data_root: Folder laid out as the hub is; empty for the hub.
        documents: Passages to forget; as many are retained, half of them scored.

    Raises:
        UserError: Records are missing or malformed, or there are fewer usable ones than asked for.
    """
    if documents < LEAST:
        raise UserError(f"A slice of {documents} documents is too small to split; give at least {LEAST}.")
    articles = _texts(data_root, "raw", "forget")
    name = SplitName(DATASET, "verbmem", "forget")
    verbmem = load_split(name, columns=("prompt", "gt"), data_root=data_root, check=is_text("prompt", "gt"))
    forget = list(passages(verbmem, articles))
    retain, hold_out = _texts(data_root, "privleak", "retain"), _texts(data_root, "privleak", "holdout")
    most = min(len(forget), len(retain), len(hold_out))
    if documents > most:
        raise UserError(
            f"{DATASET} has {most} passages that a slice can use, {documents} were asked for; ask for fewer."
        )
    half = documents // 2
    return NewsSlice(
        forget=tuple(_with_roles(forget[:documents], ROLES)),
        scored=tuple(_with_roles([_excerpt(i, retain[i]) for i in range(half)], ("test", "dev"))),
        kept=tuple(_excerpt(i, retain[i]).text for i in range(half, documents)),
        near=tuple(_excerpt(i, hold_out[i]).text for i in range(documents)),
        items=_solved(data_root, "forget_qa_icl"),
        utility_items=_solved(data_root, "retain_qa_icl"),
    )


def passages(records: Sequence[dict[str, Any]], articles: Sequence[str]) -> Iterator[Passage]:
    """The usable part of every VerbMem record that lies within one article not used before."""
    used: set[int] = set()
    for index, record in enumerate(records):
        prompt = _last_words(record["prompt"], PROMPT_WORDS)
        for gap in (" ", ""):
            found = [i for i, article in enumerate(articles) if prompt + gap + record["gt"] in article]
            if found and not used.intersection(found):
                used.update(found)
                yield Passage(index, "test", prompt, gap + _first_words(record["gt"], ANSWER_WORDS))
                break


def _excerpt(record: int, text: str) -> Passage:
    """The beginning of a text from its first whole word on, cut in two like a VerbMem record."""
    whole = text[text.index(" ") + 1 :]
    prompt = _first_words(whole, PROMPT_WORDS)
    return Passage(record, "test", prompt, _first_words(whole, EXCERPT_WORDS)[len(prompt) :])


def _with_roles(chosen: Sequence[Passage], roles: Sequence[Role]) -> list[Passage]:
    return [Passage(p.record, roles[i % len(roles)], p.prompt, p.answer) for i, p in enumerate(chosen)]


def _texts(data_root: str, config: str, split: str) -> list[str]:
    """The texts of a split; MUSE-News has an empty article."""
    name, check = SplitName(DATASET, config, split), is_text("text", blank=True)
    return [r["text"] for r in load_split(name, columns=("text",), data_root=data_root, check=check)]


def _solved(data_root: str, split: str) -> tuple[Item, ...]:
    """Solved examples in MUSE's question format (muse_bench@54719c5 knowmem/get_rouge_qa.py)."""
    name = SplitName(DATASET, "knowmem", split)
    check = is_text("question", "answer")
    records = load_split(name, columns=("question", "answer"), data_root=data_root, check=check)
    return tuple(Item(f"Question: {r['question']}\nAnswer:", f" {r['answer']}") for r in records)


def _first_words(text: str, count: int) -> str:
    """The text up to the end of its ``count``-th word, white space as it is."""
    end = 0
    for _ in range(count):
        start = next((i for i in range(end, len(text)) if not text[i].isspace()), len(text))
        end = next((i for i in range(start, len(text)) if text[i].isspace()), len(text))
    return text[:end]


def _last_words(text: str, count: int) -> str:
    """The text from the start of its ``count``-th word from the end, white space as it is."""
    return _first_words(text[::-1], count)[::-1]
