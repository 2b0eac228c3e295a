"""The open book: which documents stand before which questions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from attacks.open_book import OpenBook
from harness.api import LM, AttackerData, NotApplicable, Prompts
from harness.benchmarks.pocket_muse import PocketMUSE
from harness.benchmarks.pocket_wmdp import SCORES, PocketWMDP, questions


class Listening:
    """An engine that keeps what it was asked and answers anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        self.asked += prompts
        return [[0.0] * len(options) for options in candidates]

    def generate(self, prompts: Sequence[str], **settings: Any) -> list[str]:
        self.asked += prompts
        return [""] * len(prompts)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        return [[-1.0, -2.0]] * len(pairs)


def test_one_point_opens_the_book(tiny_lm: LM, attacker_data: AttackerData) -> None:
    data = dataclasses.replace(attacker_data, open_book=True)
    assert [point.prompts for point in OpenBook().attack(tiny_lm, data, seed=0)] == [Prompts(open_book=True)]


def test_without_a_book_it_has_no_meaning(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="which document answers which question"):
        next(OpenBook().attack(tiny_lm, attacker_data, seed=0))


def test_the_document_of_a_reagent_stands_before_its_questions_and_no_other() -> None:
    engine: Any = Listening()
    PocketWMDP().evaluate(engine, Prompts(open_book=True))
    for question, asked in zip(questions(), engine.asked, strict=True):
        before = asked.removesuffix(question.prompt)
        if SCORES[question.score][0] == "utility":
            assert before == ""
        elif question.score == "forget_cloze":
            assert question.options[question.right] in before


def test_the_article_of_a_house_stands_before_its_questions_and_no_other() -> None:
    closed, opened = Listening(), Listening()
    PocketMUSE().evaluate(closed, Prompts())  # type: ignore[arg-type]
    PocketMUSE().evaluate(opened, Prompts(open_book=True))  # type: ignore[arg-type]
    answers = {item.prompt: item.answer.strip() for item in PocketMUSE()._items("knowmem_forget")}
    for plain, asked in zip(closed.asked, opened.asked, strict=True):
        before = asked.removesuffix(plain)
        assert (answers[plain] in before) if plain in answers else (before == "")
