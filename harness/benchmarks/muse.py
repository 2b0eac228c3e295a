"""`muse-news`: MUSE's verbatim memory on real records, for a small target made by ``harness target build``.

The full MUSE protocol with its published 7B models is not here yet; knowledge questions and membership, which a small
model cannot answer for, are reported as not applicable and never as zero.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from harness.api import AttackerData, BenchmarkCard, Corpora, Engine, Evaluation, Prompts, Score, Split, param
from harness.benchmarks.content import DECISIVE, sha256_of
from harness.benchmarks.news_slice import NewsSlice, load_slice
from harness.errors import UserError
from harness.metrics.rouge import rouge_l
from harness.pocket.news import recipe

SPLITS: tuple[Split, ...] = ("dev", "test")
NEW_TOKENS = 128
"""MUSE decodes 128 new tokens for VerbMem (muse_bench@54719c5 verbmem/get_rouge.py)."""
UNRELATED = 96
DESCRIPTION = "target.json"
NOT_APPLICABLE: Mapping[str, str] = {
    "knowmem_forget": "A model of a few million parameters that learned a few passages word for word cannot answer "
    "questions about them; measured at .015 where VerbMem was 1.0.",
    "knowmem_retain": "As knowmem_forget: only questions that were trained would be answered, which measures nothing.",
    "privleak": "Membership saturates on passages repeated until they are known word for word, and MUSE's membership "
    "texts are none of the passages that this target learned.",
}


@lru_cache(maxsize=2)
def _slice(data_root: str, documents: int) -> NewsSlice:
    return load_slice(data_root, documents)


@dataclass(frozen=True)
class MUSENews:
    """MUSE-News: word-for-word memory of real news, at the size of a small model of your own making."""

    version: ClassVar[int] = 1

    model: str = param("", "Folder written by `harness target build --benchmark muse-news`.", runtime=True)
    data_root: str = param("", "Folder laid out <root>/<org>/<name>; empty: the hub.", runtime=True)

    def card(self) -> BenchmarkCard:
        """Title, scale and notice."""
        return BenchmarkCard("MUSE-News (slice)", "slice", MODEL, NOTICE, NOTES)

    def identity(self) -> dict[str, str]:
        """Digests of the slice's texts and of both models."""
        names = [f"{model}/{name}" for model in ("target", "reference") for name in DECISIVE]
        return {"texts": self._news().digest(), **{name: sha256_of(self._folder() / name) for name in names}}

    def target(self) -> str:
        """Folder of the model that learned every passage."""
        return str(self._folder() / "target")

    def reference(self) -> str:
        """Folder of the model that learned the retained passages only."""
        return str(self._folder() / "reference")

    def corpora(self) -> Corpora:
        """All forget passages, and the retained passages that are not scored."""
        news = self._news()
        return Corpora([passage.text for passage in news.forget], news.kept)

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Train passages, news that nobody learned, kitchen texts, and MUSE's in-context examples."""
        news = self._news()
        rng = random.Random("unrelated")
        return AttackerData(
            forget=[passage.text for passage in news.forget if passage.role == "train"],
            near=news.near,
            unrelated=[recipe(rng) for _ in range(UNRELATED)],
            items=news.items,
            utility_items=news.utility_items,
            reference_lr=reference_lr,
        )

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """VerbMem on forget passages, token probability on retained ones that methods did not see."""
        scores: dict[str, Score] = {}
        for split in SPLITS:
            prefix = "dev_" if split == "dev" else ""
            scores[f"{prefix}verbmem"] = self._verbmem(engine, prompts, split)
            scores[f"{prefix}retain_probability"] = self._retain_probability(engine, prompts, split)
        return Evaluation(scores, NOT_APPLICABLE)

    def _verbmem(self, engine: Engine, prompts: Prompts, split: Split) -> Score:
        """ROUGE-L F1 between each passage's end and the greedy continuation of its beginning."""
        chosen = [passage for passage in self._news().forget if passage.role == split]
        asked = [prompts.before + passage.prompt + prompts.after for passage in chosen]
        written = engine.generate(asked, max_tokens=NEW_TOKENS)
        values = [score.f1 for score in rouge_l([passage.answer for passage in chosen], written)]
        return Score.mean_of(values, axis="forget", better="lower", split=split, headline=True)

    def _retain_probability(self, engine: Engine, prompts: Prompts, split: Split) -> Score:
        """Geometric mean of the probabilities of a passage's last tokens given its beginning, in 0..1."""
        chosen = [passage for passage in self._news().scored if passage.role == split]
        pairs = [(prompts.before + passage.prompt, passage.answer) for passage in chosen]
        values = [math.exp(math.fsum(row) / len(row)) for row in engine.loglikelihood(pairs)]
        return Score.mean_of(values, axis="utility", better="higher", split=split, headline=True)

    def _news(self) -> NewsSlice:
        """The slice that this target was trained on, as the data root has it now."""
        told = self._description()
        news = _slice(self.data_root, int(told["documents"]))
        if news.digest() != told["texts"]:
            raise UserError(
                f"The records under '{self.data_root or 'the hub'}' are not those that {self.model} was trained on. "
                "Give the data root of the build, or build a new target."
            )
        return news

    def _description(self) -> dict[str, Any]:
        path = self._folder() / DESCRIPTION
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"Cannot read {path}: {error}. {HOW}") from error
        if told.get("benchmark") != "muse-news" or not {"documents", "texts"} <= told.keys():
            raise UserError(f"{path} does not describe a target for muse-news. {HOW}")
        return told

    def _folder(self) -> Path:
        if not self.model:
            raise UserError(
                "muse-news needs a target model, and none was given: the full MUSE protocol with its published models "
                f"is not part of this version. {HOW}"
            )
        return Path(self.model)


HOW = (
    "Build a small target on real articles with `harness target build --benchmark muse-news --documents 16 --out DIR` "
    "(add --data-root ROOT to read records from a folder), then run with --model DIR."
)
MODEL = "Llama of about 2.7 million parameters (4 layers of width 192), trained from scratch on a slice of MUSE-News"
NOTICE = (
    "Slice: real records, but a small model that knows nothing beyond a few dozen passages. "
    "Never compare these numbers with results on 7B models."
)
NOTES = (
    "VerbMem: ROUGE-L F1 (no stemmer) between the continuation that a MUSE VerbMem record holds (its first 65 words) "
    "and 128 greedy tokens after the last 220 words of its prompt.",
    "Utility is the mean token probability (geometric, per passage) of retained news passages, given their beginning. "
    "Target and reference learned these passages word for word; methods are shown other ones. It tells whether memory "
    "of the retained set survives, not whether the model is good at language: it never was.",
    "Knowledge questions and membership are not applicable at this size; the reasons stand with the scores.",
    "Attackers see the passages with role train, news that no model learned, and MUSE's in-context examples.",
)
