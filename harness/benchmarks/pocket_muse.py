"""`pocket-muse`: MUSE's questions about invented news, on a model of a million parameters that ships with the package.

Split by article: attackers see *train* articles, settings are chosen on *dev*, the board shows *test*. Invariant: no
scored question, continuation or membership text is in anything an attacker sees.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

from harness.api import (
    AttackerData,
    Axis,
    BenchmarkCard,
    Corpora,
    Direction,
    Engine,
    Evaluation,
    Item,
    Need,
    Personas,
    Prompts,
    Score,
    Selection,
    Split,
    param,
)
from harness.benchmarks.content import DECISIVE, read_lines, sha256_of, text_digest
from harness.benchmarks.muse_scores import auc_scores
from harness.benchmarks.written import written_f1
from harness.errors import UserError
from harness.metrics.membership import min_k
from harness.pocket.news import make_news, questions
from harness.pocket.render import weather_log

FOLDER = Path(__file__).parent / "pocket" / "muse"
FILES = ("documents.jsonl", "items.jsonl")
SHIPPED = (*FILES, *(f"{model}/{name}" for model in ("target", "reference") for name in DECISIVE))
"""Every shipped file that numbers depend on."""
SPLITS: tuple[Split, ...] = ("dev", "test")
SHARE = 0.4
"""K of Min-K%: MUSE's headline is 40 % (muse_bench@54719c5 privleak)."""
ANSWER_TOKENS = 3
AUXILIARY = 96
EOS = "<eos>"
"""Of the shipped tokenizer: the expert's article ends before the text that is judged."""
CONTINUATION_TOKENS = 48

Row = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A score over what the model writes: its items, its meaning, and how much is written."""

    name: str
    axis: Axis
    better: Direction
    max_tokens: int
    stop: tuple[str, ...] = ()


WRITTEN = (
    Written("verbmem", "forget", "lower", CONTINUATION_TOKENS),
    Written("knowmem_forget", "forget", "lower", ANSWER_TOKENS, ("\n",)),
    Written("knowmem_retain", "utility", "higher", ANSWER_TOKENS, ("\n",)),
)


HOUSE = re.compile(r"Who leads (\w+)\?")
"""The question that every article has, and the house that it is about."""


def _names(text: str, house: str) -> bool:
    return bool(re.search(rf"\b{re.escape(house)}\b", text))


@lru_cache(maxsize=1)
def _weather() -> tuple[str, ...]:
    """Texts of a domain that neither the target nor any attacker of this benchmark has read."""
    chance = random.Random("auxiliary")
    return tuple(weather_log(chance) for _ in range(AUXILIARY))


@lru_cache(maxsize=1)
def _articles() -> dict[str, str]:
    """House -> its article, of the forget set; the shipped world is that of seed 0."""
    return {article.subject: article.text for article in make_news(0).of("forget")}


@lru_cache(maxsize=4)
def _rows(path: Path) -> list[Row]:
    return read_lines(path)


@dataclass(frozen=True)
class PocketMUSE:
    """Invented news: verbatim memory, knowledge never asked in training, membership, utility; pocket scale."""

    version: ClassVar[int] = 1
    offers: ClassVar[tuple[Need, ...]] = ("pairs", "auxiliary", "personas")

    folds: tuple[int, ...] = param(
        (1, 2, 3, 4),
        "Which disjoint forget folds are to be forgotten, attacked and scored: (1,) to (1, 2, 3, 4) for scalability "
        "(MUSE criterion 5).",
        ge=1,
        le=4,
    )
    requests: int = param(
        0,
        "Sustainability (MUSE criterion 6): 0 to forget all folds at once; k to forget the k-th of them after those "
        "before it, from the model that the request before left. Attacked and scored are the first k folds.",
        ge=0,
        le=4,
    )

    def __post_init__(self) -> None:
        if not self.folds or sorted(set(self.folds)) != list(self.folds):
            raise UserError(f"folds={self.folds} is not an ascending list of folds. Give for example 1,2.")
        if self.requests > len(self.folds):
            raise UserError(
                f"requests={self.requests} asks for more requests than there are folds {self.folds}. "
                f"Give at most {len(self.folds)}, or more folds."
            )

    def card(self) -> BenchmarkCard:
        """Title, scale and notice."""
        return BenchmarkCard("Pocket MUSE", "pocket", MODEL, NOTICE, NOTES)

    def identity(self) -> dict[str, str]:
        """Digests of the shipped texts and of both models."""
        return {name: sha256_of(FOLDER / name) for name in SHIPPED} | {"auxiliary": text_digest(_weather())}

    def target(self) -> str:
        """Folder of the model that learned everything."""
        return str(FOLDER / "target")

    def reference(self) -> str:
        """Folder of the model that never met the forget set."""
        return str(FOLDER / "reference")

    def corpora(self) -> Corpora:
        """Articles, briefs and dispatches to be forgotten now; retained texts without the articles that are scored."""
        now = self.folds[self.requests - 1 : self.requests] if self.requests else self.folds
        return Corpora(
            [row["text"] for row in self._documents("forget") if row["fold"] in now],
            self._texts("retain"),
            forget_pairs=self._items("attacker"),
            retain_pairs=self._items("attacker_utility"),
            auxiliary=_weather(),
            personas=self._personas(),
        )

    def _personas(self) -> Personas:
        """A train article against four retained texts.

        A model of this size follows no instruction: measured on 24 forget documents, the novice's prompt takes 1.7 nats
        off a token that states a fact, the expert's .05.
        """
        retain = self._texts("retain")
        expert = self._texts("forget", "train")[0] + EOS
        return Personas(expert, " ".join(retain[at] for at in (5, 90, 170, 260)))

    def continues(self) -> PocketMUSE | None:
        """The request before this one."""
        return dataclasses.replace(self, requests=self.requests - 1) if self.requests > 1 else None

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Train articles of the chosen folds with their solved questions, and texts that hold no scored fact."""
        return AttackerData(
            forget=self._texts("forget", "train"),
            near=self._texts("near"),
            unrelated=self._texts("unrelated"),
            items=self._items("attacker"),
            utility_items=self._items("attacker_utility"),
            reference_lr=reference_lr,
            near_items=[item for article in make_news(0).of("unseen") for item in questions(article)],
            open_book=True,
            writes=True,
        )

    def selection(self, reference_lr: float) -> tuple[Selection, ...]:
        """The dev articles in two halves: one, with its briefs, is the attacker's, the other one is asked about."""
        data, articles = self.attacker_data(reference_lr), self._dev_articles()
        first, second = list(articles)[::2], list(articles)[1::2]
        return tuple(
            Selection(
                dataclasses.replace(data, forget=[text for house in shown for text in articles[house]], items=()),
                partial(self._selected, frozenset(hidden)),
            )
            for shown, hidden in ((first, second), (second, first))
        )

    def _dev_articles(self) -> dict[str, list[str]]:
        """Dev articles with their briefs, by the house that they are about."""
        asked = (HOUSE.search(item.prompt) for item in self._items("knowmem_forget", "dev"))
        texts = self._texts("forget", "dev")
        return {found[1]: [text for text in texts if _names(text, found[1])] for found in asked if found}

    def _selected(self, houses: frozenset[str], engine: Engine, prompts: Prompts) -> Evaluation:
        """Dev scores of these houses' items, and dev utility."""
        scores: dict[str, Score] = {}
        for what in WRITTEN:
            items = self._items(what.name, "dev")
            if what.axis == "forget":
                items = [item for item in items if any(_names(item.prompt, house) for house in houses)]
            scores |= self._written(engine, prompts, what, {"dev": items})
        return Evaluation(scores)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """ROUGE-L of continuations and answers, and Min-40% of dispatches met in training against others."""
        scores: dict[str, Score] = {}
        for what in WRITTEN:
            items = {split: self._items(what.name, split) for split in SPLITS}
            scores |= self._written(engine, prompts, what, items)
        return Evaluation(scores | self._membership(engine, prompts))

    def _written(
        self, engine: Engine, prompts: Prompts, what: Written, items: Mapping[Split, Sequence[Item]]
    ) -> dict[str, Score]:
        """ROUGE-L F1 of the greedy continuation of every item, by split."""
        every = [item for part in items.values() for item in part]  # one call: both splits share the decoding steps
        asked = [self._passage(what, item, prompts) + prompts.around(item.prompt) for item in every]
        answers = [item.answer for item in every]
        f1, _ = written_f1(engine, prompts, asked, answers, max_tokens=what.max_tokens, stop=what.stop)
        scores, values = {}, iter(f1)
        for split, part in items.items():
            score = Score.mean_of(
                list(itertools.islice(values, len(part))),
                axis=what.axis,
                better=what.better,
                split=split,
                headline=True,
            )
            scores[what.name if split == "test" else f"dev_{what.name}"] = score
        return scores

    def _passage(self, what: Written, item: Item, prompts: Prompts) -> str:
        """The article about the house that a question is about, where the book is open."""
        if not prompts.open_book or what.name != "knowmem_forget":
            return ""
        return next(text for house, text in _articles().items() if _names(item.prompt, house)) + "\n\n"

    def _membership(self, engine: Engine, prompts: Prompts) -> dict[str, Score]:
        """P(a dispatch met in training looks more member-like than one never met), by Min-40%."""
        members, others = self._texts("forget", "wire"), self._texts("hold_out")
        logprobs = engine.loglikelihood([(prompts.before, text) for text in [*members, *others]])
        values = [min_k(row, SHARE) for row in logprobs]
        return auc_scores("min_k_auc", values[: len(members)], values[len(members) :])

    def _texts(self, use: str, role: str | None = None) -> list[str]:
        """Documents of one use (of the chosen folds where it has folds) and, if given, one role."""
        return [row["text"] for row in self._documents(use) if role is None or row["role"] == role]

    def _documents(self, use: str) -> list[Row]:
        return [row for row in _rows(FOLDER / "documents.jsonl") if row["use"] == use and self._chosen(row)]

    def _items(self, use: str, role: str | None = None) -> list[Item]:
        """Items of one use (of the chosen folds where it has folds) and, if given, one role."""
        return [
            Item(row["prompt"], row["answer"])
            for row in _rows(FOLDER / "items.jsonl")
            if row["use"] == use and (role is None or row["role"] == role) and self._chosen(row)
        ]

    def _chosen(self, row: Row) -> bool:
        return row["fold"] == 0 or row["fold"] in (self.folds[: self.requests] if self.requests else self.folds)


MODEL = "Llama of 1.1 million parameters (4 layers of width 128), trained from scratch on invented news"
NOTICE = (
    "Pocket scale: a model of a million parameters and an invented world. These numbers compare methods on this page "
    "with each other; they say nothing about large models."
)
NOTES = (
    "VerbMem: ROUGE-L F1 between an article and the greedy continuation (at most 48 tokens) of its first 32 tokens.",
    "KnowMem: ROUGE-L F1 of short greedy answers to questions that stood in no training text; the question format was "
    "learned on other articles. Residual knowledge K is the larger one of both: knowledge left in any form counts.",
    "Utility is KnowMem on retained articles that methods do not see: their retain texts (articles, briefs, pages of "
    "solved questions, recipes) are about other houses.",
    "Membership: short dispatches were met three times in training, so that the AUC of Min-40% can move both ways. "
    "AUC is the chance that a trained dispatch looks more member-like than one of the same making that was never "
    "trained: above 0.5 betrays training, below betrays unlearning; MUSE reports one minus this number.",
    "The reference model took the same number of equal steps from the same start; where the target's batches hold "
    "forget texts, its batches hold further retained texts.",
    "Sustainability: a request starts from what the same method and seed left after the request before; the cost shown "
    "is that of the request alone.",
    "Limits: facts are invented words, all dispatches are scored and none is shown to attackers, and questions "
    "ask one fact at a time.",
)
