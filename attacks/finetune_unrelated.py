"""Fine-tuning on text of another domain: what an innocent user does to the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param
from harness.train import Recipe, finetuned, restored, trainable


@dataclass(frozen=True)
class FinetuneUnrelated:
    """Full fine-tuning on unrelated documents, as a benign user would do."""

    steps: int = param(250, "updates, with linear decay (2510.07626)", ge=1)
    lr_scale: float = param(1.0, "peak learning rate in multiples of the range-tested one", gt=0)
    batch_size: int = param(32, "documents per update (2510.07626)", ge=1)
    max_tokens: int = param(512, "documents are cut to this many tokens", ge=2)

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="unrelated")
    family: ClassVar[Family] = "finetune"
    citation: ClassVar[str] = "2510.07626"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {"steps": 30, "lr_scale": 3.0, "batch_size": 8, "max_tokens": 96},
        "pocket-muse": {"steps": 30, "lr_scale": 3.0, "batch_size": 8, "max_tokens": 128},
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": {"steps": 30, "lr_scale": 3.0, "batch_size": 8, "max_tokens": 512},
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the model once, at the end; the budget is 0 because no forget token was used."""
        if not data.unrelated:
            raise NotApplicable("The benchmark has no unrelated documents.")
        recipe = Recipe(self.lr_scale * data.reference_lr, self.steps, self.batch_size, self.max_tokens)
        with restored(lm.model.parameters()):
            for _ in finetuned(lm, data.unrelated, recipe, params=trainable(lm.model), seed=seed):
                pass
            yield Point(0, readings=recipe.spent(self.steps))
