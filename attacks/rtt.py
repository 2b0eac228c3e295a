"""Retraining on T (2410.08827): solved questions about some facts are trained on, and others, never shown, are asked.

If answers to the others come back, they were hidden and not removed: what is trained on says nothing about them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api import LM, AttackerData, Family, Item, NotApplicable, Point, Threat, param
from harness.train import Recipe, finetuned, restored, trainable

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
    max_tokens: int = param(512, "questions are cut to this many tokens", ge=2)
    labels: Literal["true", "shuffled"] = param(
        "true", "shuffled: every question has another one's answer, a control", choices=("true", "shuffled")
    )

    version: ClassVar[int] = 1
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
        if len(data.items) < self.folds:
            raise NotApplicable(
                f"The attacker owns {len(data.items)} solved questions, too few for {self.folds} folds."
            )
        chance = random.Random(seed)
        items = chance.sample(list(data.items), len(data.items))
        if self.labels == "shuffled":
            items = deranged(items, chance)
        for fold in range(min(self.runs, self.folds)):
            shown = [item for place, item in enumerate(items) if place % self.folds != fold]
            with restored(lm.model.parameters()):
                yield from self._series(lm, shown, data, series=f"without fold {fold + 1}", seed=seed)

    def _series(self, lm: LM, shown: Sequence[Item], data: AttackerData, *, series: str, seed: int) -> Iterator[Point]:
        texts = [item.prompt + item.answer for item in shown]
        each = math.ceil(len(texts) / self.batch_size)
        recipe = Recipe(
            lr=self.lr_scale * data.reference_lr,
            steps=self.epochs * each,
            batch_size=self.batch_size,
            max_tokens=self.max_tokens,
            schedule="constant",
            warmup=self.warmup,
        )
        yield Point(0, series)
        for done, tokens in finetuned(lm, texts, recipe, params=trainable(lm.model), seed=seed):
            if done % each == 0:
                yield Point(tokens, series)


def deranged(items: Sequence[Item], chance: random.Random) -> list[Item]:
    """The same questions, each with the answer of another one, in a cycle of random order."""
    order = chance.sample(range(len(items)), len(items))
    answer_of = dict(zip(order, [*order[1:], order[0]], strict=True))
    return [Item(item.prompt, items[answer_of[place]].answer) for place, item in enumerate(items)]
