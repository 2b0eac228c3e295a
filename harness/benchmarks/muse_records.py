"""The records of MUSE's two data sets, and which split stands in where a data root lacks the one that MUSE uses.

The hub holds every split. A data root may hold fewer; a split that nothing can stand in for is named when it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from harness.api import Item
from harness.benchmarks.records import Check, SplitName, is_text, load_split
from harness.presets import REVISIONS

Place = tuple[str, str]
"""Config and split."""

FORGET: Place = ("raw", "forget")
RETAIN: tuple[Place, ...] = (("raw", "retain1"), ("privleak", "retain"))
"""Texts for the regulariser: retain1 in MUSE (spec B.2, training recipe); else the member texts of the retain set."""
HOLDOUT: Place = ("raw", "holdout")
"""Texts of the same kind that no model learned. Nothing stands in for them: a published target has learned every fold
of the sustainability series, as each is to be forgotten in its turn, and all hold-out texts of PrivLeak are scored."""
PARTS = ("forget", "holdout", "retain")
"""Splits of the membership texts."""
QUESTIONS = 100
"""Records of every split that is scored, in News and Books (spec D.1)."""
SOLVED = 10
"""Solved questions that stand before every question (spec D.1); prompts and cards say ten."""
COUNTS: Mapping[Place, int] = {
    ("verbmem", "forget"): QUESTIONS,
    **{("knowmem", f"{part}_qa"): QUESTIONS for part in ("forget", "retain")},
    **{("knowmem", f"{part}_qa_icl"): SOLVED for part in ("forget", "retain")},
    **{("privleak", part): QUESTIONS for part in PARTS},
}
"""How many records MUSE has where a number is part of what is measured."""
WIKITEXT = SplitName("Salesforce/wikitext", "wikitext-2-raw-v1", "train")
QUESTION, ANSWER, ANSWERED = "Question: ", "\nAnswer: ", "\n\n"
"""What stands before a question, before its answer and after a solved one (muse_bench@54719c5 knowmem/get_rouge_qa.py).
"""


@dataclass(frozen=True)
class Corpus:
    """What differs between News and Books.

    Attributes:
        name: Of the benchmark.
        dataset: Id on the hub.
        title: For a heading.
        by_article: Whether a raw document is one article, which is split as a whole; a book is split by piece.
        overlap: How far the utility questions are about the forget set too (spec D.2, by literal answers).
    """

    name: str
    dataset: str
    title: str
    by_article: bool
    overlap: str


NEWS = Corpus(
    "muse-news",
    "muse-bench/MUSE-News",
    "MUSE-News",
    by_article=True,
    overlap="39 of 100 retained answers also stand in the forget set.",
)
BOOKS = Corpus(
    "muse-books",
    "muse-bench/MUSE-Books",
    "MUSE-Books",
    by_article=False,
    overlap="51 of 100 retained answers also stand in the forget set, and 82 in the regulariser's text.",
)


@dataclass(frozen=True)
class Request:
    """What is to be forgotten.

    Attributes:
        scale: 0, or k for MUSE's scalability: the k-th cumulative forget set at once.
        requests: 0, or k for MUSE's sustainability: the k-th fold, after the folds before it.
    """

    scale: int = 0
    requests: int = 0

    def now(self) -> list[Place]:
        """The documents of this request; the first of either series is ``raw/forget`` (spec D.2)."""
        return [("scal", f"forget_{self.scale}")] if self.scale > 1 else [_fold(self.requests or 1)]

    def so_far(self) -> list[Place]:
        """All documents that a model was to forget when this request is done."""
        return [_fold(k) for k in range(1, self.requests + 1)] if self.requests else self.now()


@dataclass(frozen=True)
class Records:
    """The splits of one data set.

    Attributes:
        dataset: Its id on the hub.
        data_root: Folder laid out ``<root>/<org>/<name>``; empty: the hub.
    """

    dataset: str
    data_root: str

    def texts(self, place: Place) -> list[str]:
        """The texts of a split that say anything; MUSE-News has an empty article."""
        found = self._load(place, ("text",), is_text("text", blank=True))
        return [record["text"] for record in found if record["text"].strip()]

    def passages(self) -> list[Item]:
        """The beginnings and continuations of VerbMem."""
        found = self._load(("verbmem", "forget"), ("prompt", "gt"), is_text("prompt", "gt"))
        return [Item(record["prompt"], record["gt"]) for record in found]

    def questions(self, split: str) -> list[Item]:
        """The questions of a KnowMem split in MUSE's format; the prompt ends with the space before the answer."""
        found = self._load(("knowmem", split), ("question", "answer"), is_text("question", "answer"))
        return [Item(f"{QUESTION}{record['question']}{ANSWER}", record["answer"]) for record in found]

    def near(self) -> Place | None:
        """Texts of the same kind that no model learned, or nothing."""
        return self.first_of([HOLDOUT])

    def retain(self) -> Place:
        """Texts for the regulariser; without any, MUSE's own place, so that loading it says what is missing."""
        return self.first_of(RETAIN) or RETAIN[0]

    def first_of(self, places: Sequence[Place]) -> Place | None:
        """The first place that is there."""
        return next((place for place in places if has_split(SplitName(self.dataset, *place), self.data_root)), None)

    def _load(self, place: Place, columns: Sequence[str], check: Check) -> list[dict[str, Any]]:
        name, revision = SplitName(self.dataset, *place), REVISIONS[self.dataset]
        count = None if self._may_differ(place) else COUNTS.get(place)
        return load_split(name, columns=columns, data_root=self.data_root, check=check, revision=revision, count=count)

    def _may_differ(self, place: Place) -> bool:
        """Whether another number of records is only remarked on: so for what is scored under a data root."""
        return bool(self.data_root) and COUNTS.get(place) != SOLVED


def has_split(name: SplitName, data_root: str) -> bool:
    """Whether a data root has a split; the hub is taken to have every one."""
    if not data_root:
        return True
    folder = Path(data_root) / name.dataset
    try:
        return folder.is_dir() and name.split in datasets.get_dataset_split_names(str(folder), name.config)
    except (ValueError, OSError):  # the folder has no such config
        return False


def places_of(corpus: Corpus, data_root: str, request: Request) -> list[SplitName]:
    """Every split that is read for a request."""
    records = Records(corpus.dataset, data_root)
    near = records.near()
    places = [
        *(FORGET, records.retain(), ("verbmem", "forget"), *request.so_far(), *([near] if near else [])),
        *(("knowmem", split) for split in ("forget_qa", "forget_qa_icl", "retain_qa", "retain_qa_icl")),
        *(("privleak", split) for split in PARTS),
    ]
    own = [SplitName(corpus.dataset, *place) for place in dict.fromkeys(places)]
    return [*own, WIKITEXT] if has_split(WIKITEXT, data_root) else own


def wikitext(data_root: str) -> list[str]:
    """The lines of WikiText-2."""
    check, revision = is_text("text", blank=True), REVISIONS[WIKITEXT.dataset]
    found = load_split(WIKITEXT, columns=("text",), data_root=data_root, check=check, revision=revision)
    return [record["text"] for record in found]


def bare(item: Item) -> tuple[str, str]:
    """Question and answer of a KnowMem item, without MUSE's format."""
    return item.prompt.removeprefix(QUESTION).removesuffix(ANSWER), item.answer


def ten_shot(solved: Sequence[Item]) -> str:
    """Solved questions as they stand before the one that is asked."""
    return "".join(item.prompt + item.answer + ANSWERED for item in solved)


def _fold(number: int) -> Place:
    return FORGET if number == 1 else ("sust", f"forget_{number}")
