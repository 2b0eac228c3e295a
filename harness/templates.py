"""Text of the files that ``harness new`` writes; ``$name`` and its like are filled in."""

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$distribution"
version = "0.1.0"
dependencies = ["unlearning-harness"]

[project.entry-points."harness.${kind}s"]
$name = "$name:$cls"

[tool.setuptools]
py-modules = ["$name"]
"""

METHOD = '''\
"""$name: an unlearning method."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.api import LM, Corpora, param
from harness.train import batches, combined, descend, encode, gradient, mean_nll, trainable


@dataclass(frozen=True)
class $cls:
    """Climbs on forget documents while descending on retain documents; put your idea here."""

    version: ClassVar[int] = 1  # raise it when equal fields give other numbers
    family: ClassVar[str] = "gradient"  # a word for the board

    steps: int = param(80, "Optimiser steps.", ge=1)
    lr: float = param(4e-4, "Learning rate of AdamW.", gt=0)
    push: float = param(0.1, "Weight of the forget gradient; the retain gradient has weight 1.", ge=0)

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Edit ``lm.model`` in place; every random choice comes from ``seed``."""
        rows = [encode(lm.tokenizer, texts, max_tokens=128) for texts in (corpora.forget, corpora.retain)]
        forget, retain = (batches(part, size=8, pad_id=lm.tokenizer.pad_token_id, seed=seed) for part in rows)
        params = trainable(lm.model)

        def step_gradient(step: int) -> list[Tensor]:
            up, down = (
                gradient(params, lambda batch: mean_nll(lm.model, batch), [next(stream).to(lm.model.device)])
                for stream in (forget, retain)
            )
            return combined((-self.push, up), (1.0, down))

        descend(params, step_gradient, steps=self.steps, lr=self.lr)
'''

ATTACK = '''\
"""$name: an attack on unlearned models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.api import LM, AttackerData, Family, Point, Threat, param
from harness.train import batches, descent, encode, gradient, mean_nll, trainable


@dataclass(frozen=True)
class $cls:
    """Fine-tunes on forget documents and stops along the way; put your idea here."""

    version: ClassVar[int] = 1  # raise it when equal fields give other numbers
    threat: ClassVar[Threat] = Threat(access="weights", data="forget")  # what your attacker needs
    family: ClassVar[Family] = "relearn"

    steps: int = param(8, "Optimiser steps.", ge=1)
    every: int = param(4, "Steps between two scored points.", ge=1)
    rate: float = param(1.0, "Learning rate in multiples of the range-tested one.", gt=0)

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Edit ``lm.model`` and yield wherever it shall be scored; every random choice comes from ``seed``."""
        rows = encode(lm.tokenizer, data.forget, max_tokens=128)
        stream = batches(rows, size=8, pad_id=lm.tokenizer.pad_token_id, seed=seed)
        params, spent = trainable(lm.model), 0

        def step_gradient(step: int) -> list[Tensor]:
            nonlocal spent
            batch = next(stream).to(lm.model.device)
            spent += int(batch.attention_mask.sum())
            return gradient(params, lambda part: mean_nll(lm.model, part), [batch])

        yield Point(budget=0)
        for done in descent(params, step_gradient, steps=self.steps, lr=self.rate * data.reference_lr):
            if done % self.every == 0:
                yield Point(budget=spent)  # forget tokens that the attacker has trained on so far
'''

TEST = """\
from harness.testing import check_installed, failures


def test_${name}_conforms() -> None:
    assert failures(check_installed("$kind", "$name")) == []
"""
