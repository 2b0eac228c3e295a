"""What methods and attackers see of a WMDP domain: documents in a seeded order, and solved questions never scored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn

from harness.api import AttackerData, Corpora, Item
from harness.benchmarks.content import text_digest
from harness.benchmarks.wmdp_domains import UNRELATED, WIKITEXT, Corpus, Domain, QuestionSet
from harness.benchmarks.wmdp_questions import Asked, is_there, item_of, load_documents, read_questions, solved
from harness.errors import UserError

Retain = Literal["wikitext", "domain"]

POOL = 500
"""Documents that an attacker owns; 2502.05374 draws its samples from as many of the forget corpus (spec A.1.1)."""
SOLVED_SUBJECTS = (
    "astronomy",
    "business_ethics",
    "high_school_geography",
    "high_school_world_history",
    "international_law",
    "marketing",
    "philosophy",
    "sociology",
)
"""MMLU subjects, near to no domain, whose few-shot examples attackers have as solved questions; none is scored."""
EXAMPLES = QuestionSet("mmlu", "cais/mmlu", tuple((subject, 5) for subject in SOLVED_SUBJECTS), "dev")
ABSENT = "absent"


@dataclass(frozen=True)
class Withheld(Sequence[str]):
    """Documents that cannot be had; only who looks at them is told so, since the controls do not need them."""

    reason: str

    def __getitem__(self, index: int | slice) -> NoReturn:
        """Say why there is nothing."""
        raise UserError(self.reason)

    def __len__(self) -> NoReturn:
        """Say why there is nothing."""
        raise UserError(self.reason)


@dataclass(frozen=True)
class Sources:
    """Where documents come from.

    Attributes:
        domain: What is forgotten.
        data_root: Folder laid out as the hub is; empty for the hub.
        retain: WikiText, or the domain's own retain corpus.
        documents: The most documents of each corpus that a method sees; 0 for all.
        mmlu: Whether MMLU is read for utility, so that its few-shot examples are there to be shown.
    """

    domain: Domain
    data_root: str
    retain: Retain = "wikitext"
    documents: int = 0
    mmlu: bool = False

    def corpora(self) -> Corpora:
        """Documents to forget and to retain, in a seeded order, so that fewer are a sample of all."""
        kept = WIKITEXT if self.retain == "wikitext" else self.domain.retain
        return Corpora(forget=self._for_methods(self.domain.forget, "forget"), retain=self._for_methods(kept, "retain"))

    def attacker_data(self, reference_lr: float, asked: Sequence[Asked]) -> AttackerData:
        """What attackers see.

        Args:
            reference_lr: As in :class:`harness.api.AttackerData`.
            asked: Every set that is scored, the letters first.
        """
        return AttackerData(
            forget=self._for_attackers(self.domain.forget, "attacker forget"),
            near=self._for_attackers(self.domain.retain, "attacker near"),
            unrelated=_drawn(UNRELATED, self.data_root, 0, "attacker unrelated"),
            items=solved(asked[0], asked),
            utility_items=solved_subjects(self.data_root) if self.mmlu else (),
            reference_lr=reference_lr,
        )

    def digests(self) -> dict[str, str]:
        """Hex SHA-256 of every corpus that a method or an attacker may see, ``absent`` for what is not there."""
        parts = {
            "corpus/forget": self.domain.forget,
            "corpus/retain": self.domain.retain,
            "corpus/wikitext_train": WIKITEXT,
            "corpus/wikitext_validation": UNRELATED,
        }
        shown = {"solved_utility": _digest_of_items(solved_subjects(self.data_root))} if self.mmlu else {}
        return {**{name: self._digest(corpus) for name, corpus in parts.items()}, **shown}

    def _for_methods(self, corpus: Corpus | None, use: str) -> Sequence[str]:
        if corpus is None or not is_there(corpus.place.dataset, self.data_root):
            return Withheld(self._why_not(corpus, use))
        return _drawn(corpus, self.data_root, self.documents, use)

    def _for_attackers(self, corpus: Corpus | None, use: str) -> Sequence[str]:
        if corpus is None or not is_there(corpus.place.dataset, self.data_root):
            return ()
        return _drawn(corpus, self.data_root, POOL, use)

    def _digest(self, corpus: Corpus | None) -> str:
        if corpus is None or not is_there(corpus.place.dataset, self.data_root):
            return ABSENT
        return _digest_of(corpus, self.data_root)

    def _why_not(self, corpus: Corpus | None, use: str) -> str:
        title = self.domain.title
        if corpus is None:
            return (
                f"{title} has no {use} corpus: none is published, so it is for evaluation only. Run the controls on "
                "it, or methods on wmdp-bio and wmdp-cyber."
            )
        return (
            f"The {use} corpus of {title}, {corpus.place}, is not under {self.data_root}; only the controls run "
            f"without it. Copy it to <root>/{corpus.place.dataset}, or leave --data-root out."
        )


@lru_cache(maxsize=4)
def solved_subjects(data_root: str) -> tuple[Item, ...]:
    """Few-shot examples of MMLU, solved."""
    return tuple(item_of(question) for question in read_questions(EXAMPLES, data_root))


def _digest_of_items(items: Sequence[Item]) -> str:
    return text_digest(item.prompt + item.answer for item in items)


@lru_cache(maxsize=8)
def _digest_of(corpus: Corpus, data_root: str) -> str:
    return text_digest(load_documents(corpus, data_root))


@lru_cache(maxsize=8)
def _drawn(corpus: Corpus, data_root: str, count: int, use: str) -> tuple[str, ...]:
    """At most ``count`` documents (0: all) in an order that the use decides, so that another use has another sample.

    Samples are remembered and whole corpora are not: that of biology takes gigabytes.
    """
    texts = load_documents(corpus, data_root)
    return tuple(random.Random(use).sample(texts, min(count or len(texts), len(texts))))
