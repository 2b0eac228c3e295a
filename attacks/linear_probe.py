"""Linear probes of the residual stream: whether answers can be read off activations that the model does not speak out.

Trained and tested on the attacker's own questions about unlearned facts, with whole subjects left out, so that no probe
has seen what it is asked. It stands beside a probe that reads the text alone, and beside the same probe of the
never-learned model, which is a row of every board. A probe that works shows presence and nothing more: whoever has
answers to train it on needs no probe (spec: attacks A.3.8). Letters: N questions, W features, V answers, L blocks.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, AttackerData, Family, Item, NotApplicable, Point, Threat, param
from harness.train import by_subject, decoder_blocks, last_states, words


@dataclass(frozen=True)
class LinearProbe:
    """Ridge probes of every block on the last token of a question: a diagnostic."""

    folds: int = param(5, "parts of the subjects, each left out once", ge=2)
    ridge: float = param(1.0, "weight of the squared coefficients on standardised features", gt=0)
    least: int = param(40, "fewer questions than this tell nothing", ge=2)
    max_tokens: int = param(256, "questions are cut to this many tokens, on their left", ge=2)

    version: ClassVar[int] = 2
    threat: ClassVar[Threat] = Threat(access="activations", data="items", diagnostic=True)
    family: ClassVar[Family] = "activation"
    citation: ClassVar[str] = "2409.18025"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the model as it is; readings are the shares that probes answer about subjects they have not seen."""
        subjects = learnable(list(by_subject(data.items, data.forget).values()))
        items = [item for asked in subjects for item in asked]
        if len(subjects) < self.folds or len(items) < self.least:
            raise NotApplicable(
                f"Of {len(data.items)} solved questions that the attacker owns, {len(items)} have an answer that holds "
                f"for several of the {len(subjects)} subjects of his documents; a probe takes {self.least} questions "
                f"about {self.folds} subjects."
            )
        fold_of = self._folds([len(asked) for asked in subjects], seed)
        layers = self._last_states(lm, items)
        readings = {f"block {at}": self._accuracy(layer, items, fold_of) for at, layer in enumerate(layers)}
        yield Point(0, "", readings={**readings, "text alone": self._accuracy(bags(items), items, fold_of)})

    def _folds(self, sizes: Sequence[int], seed: int) -> Tensor:
        """The fold of every question, (N,); all questions about a subject are in one."""
        places = [at % self.folds for at in range(len(sizes))]
        random.Random(seed).shuffle(places)
        return torch.tensor([place for place, size in zip(places, sizes, strict=True) for _ in range(size)])

    def _last_states(self, lm: LM, items: Sequence[Item]) -> Tensor:
        """The residual stream behind every block at the last token of every question, (L, N, D)."""
        rows = [row[-self.max_tokens :] for row in lm.tokenizer([item.prompt for item in items])["input_ids"]]
        return last_states(lm, rows, range(len(decoder_blocks(lm.model))))

    def _accuracy(self, features: Tensor, items: Sequence[Item], fold_of: Tensor) -> float:
        """Share of right answers when every fold is asked of a probe that learned from the others."""
        answers = [item.answer.strip() for item in items]
        names = sorted(set(answers))
        labels = torch.tensor([names.index(answer) for answer in answers])
        features, right = features.double(), 0
        for fold in range(self.folds):
            shown = fold_of != fold
            scores = ridge(features[shown], functional.one_hot(labels[shown], len(names)), features[~shown], self.ridge)
            right += int((scores.argmax(dim=1) == labels[~shown]).sum())
        return right / len(items)


def learnable(subjects: Sequence[Sequence[Item]]) -> list[list[Item]]:
    """Those questions whose answer holds for another subject too: no probe can say what it never saw."""
    holders = Counter(answer for asked in subjects for answer in {item.answer.strip() for item in asked})
    kept = ([item for item in asked if holders[item.answer.strip()] > 1] for asked in subjects)
    return [asked for asked in kept if asked]


def bags(items: Sequence[Item]) -> Tensor:
    """Which words each question has, (N, W)."""
    asked = [words(item.prompt) for item in items]
    known = sorted(set().union(*asked))
    return torch.tensor([[float(word in own) for word in known] for own in asked])


def ridge(features: Tensor, targets: Tensor, asked: Tensor, weight: float) -> Tensor:
    """Ridge regression of targets (N, V) on standardised features (N, W), read at others (M, W): (M, V), float64.

    Solved among questions where they are fewer than features: the same answer, in a smaller system.
    """
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-8)
    known, new = (features - mean) / spread, (asked - mean) / spread
    wanted = targets.double()
    level = wanted.mean(dim=0)
    gram = known @ known.T + weight * torch.eye(len(known), dtype=torch.float64)
    found: Tensor = new @ known.T @ torch.linalg.solve(gram, wanted - level) + level
    return found
