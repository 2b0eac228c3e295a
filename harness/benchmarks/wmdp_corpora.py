"""What methods and attackers see of a WMDP domain: documents in a seeded order, and solved questions never scored.

Documents are loaded when somebody looks at them, since a corpus takes gigabytes and one of them is gated: controls, and
attacks that need none, run without.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

from harness.api import AttackerData, Corpora, Item
from harness.benchmarks.auxiliary import Problems
from harness.benchmarks.content import text_digest
from harness.benchmarks.wmdp_domains import UNRELATED, WIKITEXT, Corpus, Domain, QuestionSet
from harness.benchmarks.wmdp_questions import Asked, is_there, item_of, load_documents, read_questions, solved
from harness.errors import UserError
from harness.presets import REVISIONS

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
class Documents(Sequence[str]):
    """A sample of a corpus, loaded when it is looked at; who looks at one that cannot be had is told why.

    Attributes:
        corpus: What it is a sample of; None where none is published.
        data_root: Folder laid out as the hub is; empty for the hub.
        use: What it is for, which decides the order.
        most: The most documents; 0 for all.
        apart: A use of whose sample, as large as this one, none of these is; empty where that does not matter.
        withheld: Why there are none; empty where there are.
    """

    corpus: Corpus | None
    data_root: str
    use: str
    most: int = 0
    apart: str = ""
    withheld: str = ""

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """One document or several."""
        return self._texts()[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._texts())

    def _texts(self) -> tuple[str, ...]:
        if self.corpus is None or self.withheld:
            raise UserError(self.withheld)
        return _drawn(self.corpus, self.data_root, self.most, self.use, self.apart)


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
        return Corpora(
            forget=self._for_methods(self.domain.forget, "forget"),
            retain=self._for_methods(kept, "retain"),
            auxiliary=Problems(self.data_root),
            personas=self.domain.personas(),
        )

    def attacker_data(self, reference_lr: float, asked: Sequence[Asked]) -> AttackerData:
        """What attackers see.

        Args:
            reference_lr: As in :class:`harness.api.AttackerData`.
            asked: Every set that is scored, the letters first.
        """
        return AttackerData(
            forget=self._for_attackers(self.domain.forget, "attacker forget"),
            near=self._for_attackers(self.domain.retain, "attacker near"),
            unrelated=Documents(UNRELATED, self.data_root, "attacker unrelated"),
            items=solved(asked[0], asked),
            utility_items=solved_subjects(self.data_root) if self.mmlu else (),
            reference_lr=reference_lr,
        )

    def validation_data(self, reference_lr: float, asked: Sequence[Asked]) -> AttackerData:
        """What the attacker sees by whom settings are judged: forget documents that no attacker of the board owns."""
        known = self._for_attackers(self.domain.forget, "validation forget", apart="attacker forget")
        return replace(self.attacker_data(reference_lr, asked), forget=known, items=())

    def digests(self) -> dict[str, str]:
        """What identifies every corpus that a method or an attacker may see, ``absent`` for what is not there.

        On the hub it is the pinned commit. Under a data root it is the SHA-256 of the documents; of the domain's retain
        corpus, where only attackers see a sample of it, that of the sizes of its files, since reading gigabytes for
        every plan is too dear.
        """
        kept = {"corpus/retain": self.domain.retain} if self.retain == "domain" else {"corpus/wikitext_train": WIKITEXT}
        parts = {"corpus/forget": self.domain.forget, **kept, "corpus/wikitext_validation": UNRELATED}
        near = {} if self.retain == "domain" else {"corpus/near": self._near()}
        shown = {"solved_utility": _digest_of_items(solved_subjects(self.data_root))} if self.mmlu else {}
        auxiliary = {"corpus/auxiliary": Problems(self.data_root).digest()}
        return {**{name: self._digest(corpus) for name, corpus in parts.items()}, **near, **shown, **auxiliary}

    def _for_methods(self, corpus: Corpus | None, use: str) -> Sequence[str]:
        there = corpus is not None and is_there(corpus.place.dataset, self.data_root)
        why = "" if there else self._why_not(corpus, use)
        return Documents(corpus, self.data_root, use, self.documents, withheld=why)

    def _for_attackers(self, corpus: Corpus | None, use: str, apart: str = "") -> Sequence[str]:
        if corpus is None or not is_there(corpus.place.dataset, self.data_root):
            return ()
        return Documents(corpus, self.data_root, use, POOL, apart)

    def _digest(self, corpus: Corpus | None) -> str:
        if corpus is None or not is_there(corpus.place.dataset, self.data_root):
            return ABSENT
        return _digest_of(corpus, self.data_root) if self.data_root else _on_hub(corpus)

    def _near(self) -> str:
        """What identifies the corpus of which attackers alone see a sample."""
        corpus = self.domain.retain
        if corpus is None or not self.data_root or not is_there(corpus.place.dataset, self.data_root):
            return self._digest(corpus)
        return _sizes_of(corpus, self.data_root) or self._digest(corpus)

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


def _on_hub(corpus: Corpus) -> str:
    """The pinned commit; for a set without one, that it is the newest, with the number of documents it must have."""
    return REVISIONS.get(corpus.place.dataset) or f"newest, {corpus.count} documents"


def _sizes_of(corpus: Corpus, data_root: str) -> str:
    """Hex SHA-256 of names and sizes of a config's files; empty where no file's path holds the config's name."""
    folder = Path(data_root) / corpus.place.dataset
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    mine = [
        f"{name.as_posix()} {path.stat().st_size}"
        for name, path in files.items()
        if corpus.place.config in name.as_posix() and not any(part.startswith(".") for part in name.parts)
    ]
    return "sizes " + text_digest(mine) if mine else ""


@lru_cache(maxsize=8)
def _digest_of(corpus: Corpus, data_root: str) -> str:
    return text_digest(load_documents(corpus, data_root))


@lru_cache(maxsize=8)
def _drawn(corpus: Corpus, data_root: str, count: int, use: str, apart: str) -> tuple[str, ...]:
    """At most ``count`` documents (0: all) in an order that the use decides, so that another use has another sample.

    Samples are remembered and whole corpora are not: that of biology takes gigabytes.
    """
    taken = frozenset(_drawn(corpus, data_root, count, apart, "")) if apart else frozenset()
    texts = [text for text in load_documents(corpus, data_root) if text not in taken]
    return tuple(random.Random(use).sample(texts, min(count or len(texts), len(texts))))
