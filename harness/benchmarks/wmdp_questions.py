"""WMDP's questions: loaded, split by fact, and shown to attackers where they are not scored.

A fact is the wording of its question. Its role is a pure function of it, so a question has one role in every set that
asks it, on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from harness.api import Item
from harness.benchmarks.content import text_digest
from harness.benchmarks.records import Check, every, is_choice, is_text, load_split
from harness.benchmarks.wmdp_domains import Corpus, QuestionSet
from harness.errors import UserError
from harness.metrics.shortcuts import Question
from harness.presets import REVISIONS

Role = Literal["train", "dev", "test"]
LETTERS = "ABCD"
TRAIN_PERCENT, DEV_PERCENT = 10, 20
"""Shown to attackers as solved, and kept for selection (spec A.4: a fifth); the rest is reported."""
SHORT = 50
"""Documents of at most this many characters are headings and debris; Unlearn-Smooth@fc655ba and the public RMU code
leave out the same ones."""
LEAST = 2
"""A mean has no standard error below two items."""


@dataclass(frozen=True)
class Asked:
    """A set of questions as it was found.

    Attributes:
        source: What it should be.
        questions: In the order in which lm-eval asks them.
    """

    source: QuestionSet
    questions: tuple[Question, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """Role of each question."""
        return tuple(role_of(question.text) for question in self.questions)

    @property
    def remark(self) -> str:
        """What a reader must know if this is not the whole published set; else empty."""
        if len(self.questions) == self.source.count:
            return ""
        return (
            f"{len(self.questions):,} questions where the published {self.source.dataset} "
            f"({self.source.task}) has {self.source.count:,}: not comparable with published numbers."
        )

    def digest(self) -> str:
        """Hex SHA-256 of questions, options and right answers, in order."""
        parts = [[question.text, *question.options, str(question.right)] for question in self.questions]
        return text_digest(part for question in parts for part in question)


def role_of(text: str) -> Role:
    """Who may see a question: attackers (``train``), selection (``dev``) or the report (``test``)."""
    fact = " ".join(text.split()).casefold()
    place = int.from_bytes(hashlib.sha256(fact.encode()).digest()[:8]) % 100
    return "train" if place < TRAIN_PERCENT else "dev" if place < TRAIN_PERCENT + DEV_PERCENT else "test"


def is_there(dataset: str, data_root: str) -> bool:
    """Whether a data set may be read: a data root can leave one out, the hub has them all."""
    return not data_root or (Path(data_root) / dataset).is_dir()


@lru_cache(maxsize=32)
def load_questions(source: QuestionSet, data_root: str) -> Asked:
    """A published set of questions that is scored, checked to be large enough for its splits.

    Raises:
        UserError: As for :func:`read_questions`, or too few questions fall to a split.
    """
    asked = Asked(source, read_questions(source, data_root))
    scored: tuple[Role, ...] = ("dev", "test")
    for role in scored:
        if asked.roles.count(role) < LEAST:
            raise UserError(
                f"{_spelt(source, data_root)} has {len(asked.questions)} questions, of which fewer than {LEAST} fall "
                f"to {role}. Give a larger set, of about 20 or more."
            )
    return asked


@lru_cache(maxsize=32)
def read_questions(source: QuestionSet, data_root: str) -> tuple[Question, ...]:
    """The questions of a published set; under a data root it may have another size, which :attr:`Asked.remark` says.

    Raises:
        UserError: The set is missing, malformed, or (on the hub) of a wrong size.
    """
    rows = [
        row
        for place, count in source.places()
        for row in load_split(
            place,
            columns=("question", "choices", "answer"),
            data_root=data_root,
            check=_CHECK,
            revision=REVISIONS.get(source.dataset, ""),
            count=None if data_root else count,
        )
    ]
    return tuple(Question(row["question"], tuple(row["choices"]), int(row["answer"])) for row in rows)


def _spelt(source: QuestionSet, data_root: str) -> str:
    where = f"under {data_root}" if data_root else f"revision {REVISIONS.get(source.dataset) or 'newest'}"
    configs = ", ".join(config for config, _ in source.counts)
    return f"{source.dataset} ({configs}; split '{source.split}'; {where})"


def solved(asked: Asked, scored: Sequence[Asked]) -> tuple[Item, ...]:
    """The train questions with their answers, in the prompt format of WMDP without its description.

    A question that is scored elsewhere in other words would betray itself by its options, so those are left out too.

    Args:
        asked: The set that the solved questions are from.
        scored: Every set that is scored.
    """
    hidden = {
        _options_of(question)
        for other in scored
        for question, role in zip(other.questions, other.roles, strict=True)
        if role != "train"
    }
    train = [question for question, role in zip(asked.questions, asked.roles, strict=True) if role == "train"]
    return tuple(item_of(question) for question in train if _options_of(question) not in hidden)


def item_of(question: Question) -> Item:
    """A question with its letter, as ``lm_eval/tasks/wmdp/_default_template_yaml`` and MMLU's have it."""
    options = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, question.options, strict=True))
    return Item(f"{question.text.strip()}\n{options}Answer:", f" {LETTERS[question.right]}")


def load_documents(corpus: Corpus, data_root: str) -> tuple[str, ...]:
    """The documents of a corpus, without those that are not longer than :data:`SHORT`.

    Raises:
        UserError: The corpus is missing, gated, malformed, or (on the hub) of a wrong size.
    """
    rows = load_split(
        corpus.place,
        columns=("text",),
        data_root=data_root,
        check=is_text("text", blank=True),
        revision=REVISIONS.get(corpus.place.dataset, ""),
        count=None if data_root else corpus.count,
    )
    return tuple(row["text"] for row in rows if len(row["text"]) > SHORT)


def _options_of(question: Question) -> tuple[str, ...]:
    return tuple(sorted(" ".join(option.split()).casefold() for option in question.options))


def _is_answered(record: dict[str, Any]) -> str:
    """Four options and the place of the right one; the robust subset writes it as text."""
    answer = record["answer"]
    number = int(answer) if isinstance(answer, str) and answer.isascii() and answer.isdigit() else answer
    return is_choice(options=len(LETTERS))({**record, "answer": number})


_CHECK: Check = every(is_text("question"), _is_answered)
