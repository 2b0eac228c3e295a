"""Builds `pocket-muse` from a seed: renders the world to files, and trains its two models side by side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from harness.benchmarks.content import lines
from harness.pocket.muse_models import RECIPE, Model, make_tokenizer, train
from harness.pocket.news import FOLDS, Article, News, brief, make_news, questions, recipe, solved
from harness.pocket.parallel import Report, in_parallel

MODELS: tuple[Model, ...] = ("target", "reference")
REPORT_EVERY = 20  # steps
PROMPT_TOKENS = 32
VERBATIM_TEST = 16
"""Test articles per fold that are scored word for word (all of them are asked about)."""
RECIPES, UNRELATED = 32, 96
"""Texts of the other domain that methods see, and that attackers see."""


def build_muse(out: Path, *, seed: int, report: Report) -> None:
    """Write everything that `pocket-muse` ships into ``out``.

    Raises:
        ChildProcessError: The training of a model ended early; its traceback is on standard error.
    """
    news = make_news(seed)
    write_files(out, news, make_tokenizer(news), seed)
    in_parallel({which: partial(build_model, out / which, which, seed) for which in MODELS}, report)


def build_model(out: Path, which: Model, seed: int, report: Report) -> None:
    """Train one model on one thread and save it with its tokenizer."""
    torch.set_num_threads(1)
    news = make_news(seed)
    tokenizer = make_tokenizer(news)

    def after_step(step: int, loss: float) -> None:
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == RECIPE.steps:
            report(f"pocket-muse {which}", step + 1, RECIPE.steps)

    model = train(news, tokenizer, which, seed=seed, after_step=after_step)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def write_files(out: Path, news: News, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    """Write the texts and the items of the benchmark."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "documents.jsonl").write_text(lines(documents(news, seed)), encoding="utf-8")
    (out / "items.jsonl").write_text(lines(items(news, tokenizer)), encoding="utf-8")


def documents(news: News, seed: int) -> Iterator[dict[str, Any]]:
    """Every text that methods or attackers see and every text that is scored for membership."""
    rng = random.Random(f"documents/{seed}")

    def row(use: str, text: str, role: str = "", fold: int = 0) -> dict[str, Any]:
        return {"use": use, "role": role, "fold": fold, "text": text}

    for a in news.of("forget"):
        yield from (row("forget", text, a.role, a.fold) for text in (a.text, brief(a, rng), brief(a, rng)))
    for fold, wires in enumerate(news.wires, start=1):
        yield from (row("forget", text, "wire", fold) for text in wires)
    for a in news.of("kept"):
        yield from (row("retain", text) for text in (a.text, brief(a, rng), brief(a, rng)))
    for a in news.of("extra"):
        yield from (row("retain", text) for text in (brief(a, rng), solved(questions(a))))
    yield from (row("retain", recipe(rng)) for _ in range(RECIPES))
    for a in news.of("unseen"):
        yield from (row("near", text) for text in (a.text, brief(a, rng)))
    yield from (row("unrelated", recipe(rng)) for _ in range(UNRELATED))
    yield from (row("hold_out", text) for text in news.hold_out)


def split_at(text: str, tokenizer: PreTrainedTokenizerFast, tokens: int) -> tuple[str, str]:
    """A text cut in two between words: the first part has at most ``tokens`` tokens."""
    ends = [end for _, end in tokenizer(text, return_offsets_mapping=True).offset_mapping[:tokens]]
    end = max(end for end in ends if text[end : end + 1] == " ")
    return text[:end], text[end:]


def verbatim(news: News) -> list[Article]:
    """The articles that are scored word for word: all of dev, the first ones of every fold of test."""
    chosen = news.of("forget", "dev")
    for fold in range(1, FOLDS + 1):
        chosen += [a for a in news.of("forget", "test") if a.fold == fold][:VERBATIM_TEST]
    return chosen


def items(news: News, tokenizer: PreTrainedTokenizerFast) -> Iterator[dict[str, Any]]:
    """Every question and verbatim prompt: scored ones with role dev or test, solved ones for attackers."""

    def rows_of(use: str, article: Article) -> Iterator[dict[str, Any]]:
        for item in questions(article):
            yield {"use": use, "role": article.role, "fold": article.fold, "prompt": item.prompt, "answer": item.answer}

    for a in verbatim(news):
        prompt, answer = split_at(a.text, tokenizer, PROMPT_TOKENS)
        yield {"use": "verbmem", "role": a.role, "fold": a.fold, "prompt": prompt, "answer": answer}
    for a in news.of("forget", "dev", "test"):
        yield from rows_of("knowmem_forget", a)
    for a in news.of("scored"):
        yield from rows_of("knowmem_retain", a)
    for a in news.of("forget", "train"):
        yield from rows_of("attacker", a)
    for a in news.of("extra"):
        yield from rows_of("attacker_utility", a)
