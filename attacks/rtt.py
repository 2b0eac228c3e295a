"""Retraining on T (2410.08827): solved questions about some facts are trained on, and others, never shown, are asked.

If answers to the others come back, they were hidden and not removed: what is trained on says nothing about them. The
others are the benchmark's, about facts of which the attacker owns nothing; the parts of his own questions that a series
leaves out make series differ. The source means over series; here the best one on dev items counts, as for any attack.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, AttackerData, Family, Item, NotApplicable, Point, Threat, param
from harness.train import Recipe, by_subject, encode_items, finetuned_on, restored, trainable

POCKET: Mapping[str, object] = {"batch_size": 8, "lr_scale": 3.0, "runs": 2, "epochs": 4}


@dataclass(frozen=True)
class RTT:
    """Fine-tuning on solved questions about the attacker's own facts, a part of them left out in each series."""

    folds: int = param(5, "parts of the attacker's questions, of which a series leaves one out (2410.08827: 5)", ge=2)
    runs: int = param(5, "how many of these series are run", ge=1)
    epochs: int = param(6, "passes over the questions, each scored (2410.08827)", ge=1)
    lr_scale: float = param(1.0, "peak learning rate in multiples of the range-tested one", gt=0)
    batch_size: int = param(4, "questions per update (2410.08827)", ge=1)
    warmup: int = param(24, "updates of linear warm-up (2410.08827)", ge=0)
    max_tokens: int = param(512, "longer questions lose their beginning", ge=2)
    least: int = param(20, "fewer questions than this are no training set", ge=2)

    version: ClassVar[int] = 2
    threat: ClassVar[Threat] = Threat(access="weights", data="items")
    family: ClassVar[Family] = "relearn"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2410.08827"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {**POCKET, "warmup": 4, "max_tokens": 96},
        "pocket-muse": {**POCKET, "warmup": 4, "max_tokens": 128},
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": {**POCKET, "warmup": 4},
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the model before any update and after every pass; the loss is that of question and answer."""
        if len(data.items) < max(self.folds, self.least):
            raise NotApplicable(
                f"The attacker owns {len(data.items)} solved questions; it takes {self.least} in {self.folds} folds."
            )
        chance = random.Random(seed)
        items = self.lessons(chance.sample(list(data.items), len(data.items)), data, chance)
        for fold in range(min(self.runs, self.folds)):
            shown = [item for place, item in enumerate(items) if place % self.folds != fold]
            with restored(lm.model.parameters()):
                yield from self._series(lm, shown, data, series=f"without fold {fold + 1}", seed=seed)

    def lessons(self, items: list[Item], data: AttackerData, chance: random.Random) -> list[Item]:
        """What is taught of the attacker's questions."""
        return items

    def _series(self, lm: LM, shown: Sequence[Item], data: AttackerData, *, series: str, seed: int) -> Iterator[Point]:
        rows = encode_items(lm.tokenizer, shown, max_tokens=self.max_tokens)
        each = math.ceil(len(rows) / self.batch_size)
        recipe = Recipe(
            lr=self.lr_scale * data.reference_lr,
            steps=self.epochs * each,
            batch_size=self.batch_size,
            max_tokens=self.max_tokens,
            schedule="constant",
            warmup=self.warmup,
        )
        yield Point(0, series)
        for done, tokens in finetuned_on(lm, rows, recipe, params=trainable(lm.model), seed=seed):
            if done % each == 0:
                yield Point(tokens, series, readings=recipe.spent(done))


@dataclass(frozen=True)
class RTTShuffled(RTT):
    """RTT on wrong answers of the right kind, a control: what returns came by format and kind of answer.

    Its fields are RTT's, since it must differ in nothing else.
    """

    version: ClassVar[int] = 3
    core: ClassVar[bool] = False
    threat: ClassVar[Threat] = Threat(access="weights", data="items", diagnostic=True)

    def lessons(self, items: list[Item], data: AttackerData, chance: random.Random) -> list[Item]:
        """The questions with answers that were moved within each kind, where that has a wrong one."""
        return [moved for alike in kinds(items, data.forget) for moved in deranged(alike, chance)]


def kinds(items: Sequence[Item], texts: Sequence[str]) -> list[list[Item]]:
    """Questions that differ in their subject alone, together; those that are alone in that are one more kind."""
    found: dict[str, list[Item]] = {}
    for subject, asked in by_subject(items, texts).items():
        for item in asked:
            found.setdefault(re.sub(re.escape(subject), "", item.prompt, flags=re.IGNORECASE), []).append(item)
    groups = [group for group in found.values() if len(group) > 1]
    placed = {id(item) for group in groups for item in group}
    rest = [item for item in items if id(item) not in placed]
    return [*groups, rest]


def deranged(items: Sequence[Item], chance: random.Random) -> list[Item]:
    """The same questions, each with another one's answer that is not its own.

    In an order that holds equal answers together, every question gets the answer that stands as many places on as the
    most frequent one is frequent. Left out is who still gets his own, as where one answer is that of most questions.
    """
    alike: dict[str, list[Item]] = {}
    for item in chance.sample(list(items), len(items)):
        alike.setdefault(item.answer, []).append(item)
    order = [item for group in alike.values() for item in group]
    shift = max(map(len, alike.values()), default=0)
    given = [*order[shift:], *order[:shift]]
    wrong = {id(item): other.answer for item, other in zip(order, given, strict=True) if item.answer != other.answer}
    return [Item(item.prompt, wrong[id(item)]) for item in items if id(item) in wrong]
