"""Fields that gradient methods share, so that one name means one thing everywhere. Declarations only, no behaviour.

A method inherits them and states again only what its paper sets, with the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.api import param

POCKET_BUDGET: Mapping[str, object] = {
    "steps": 60,
    "warmup": 10,
    "batch_size": 8,
    "retain_batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""What a method spends on a pocket benchmark: equal for most that read both corpora, so that rows differ by method."""

SMALL_BUDGET: Mapping[str, object] = {"max_tokens": 512, "batch_size": 4, "retain_batch_size": 4}
"""What differs for models below 1e9 parameters on real records, whose documents are longer."""


@dataclass(frozen=True)
class Training:
    """How a method trains on forget documents."""

    lr: float = param(1e-5, "Peak learning rate of AdamW.", gt=0)
    steps: int = param(125, "Updates.", ge=1)
    warmup: int = param(0, "Updates of linear warm-up.", ge=0)
    batch_size: int = param(4, "Forget documents per update.", ge=1)
    max_tokens: int = param(512, "Documents are cut to this many tokens.", ge=2)
    lora_rank: int = param(0, "Rank of the adapters that train in place of the weights; 0: the weights train.", ge=0)
    lora_alpha: int = param(0, "Adapters count alpha / rank; 0: alpha is twice the rank.", ge=0)
    precision: Literal["fp32", "mixed", "bf16"] = param(
        "fp32",
        "fp32: weights and passes; mixed: passes in bf16; bf16: weights too (adapters never), which rounds most of a "
        "small step away.",
        choices=("fp32", "mixed", "bf16"),
    )
    shard: bool = param(
        False, "Whether processes that train together hold a part of the weights each (FSDP).", runtime=True
    )
    accumulation: int = param(1, "Micro-batches per update.", ge=1, runtime=True)


@dataclass(frozen=True)
class Paired(Training):
    """How a method trains on forget and on retain documents."""

    retain_batch_size: int = param(4, "Retain documents per update.", ge=1)


@dataclass(frozen=True)
class Balanced(Paired):
    """How a method weighs what it forgets against what it retains."""

    forget_weight: float = param(1.0, "Weight of the forget term.", gt=0)
    retain_weight: float = param(1.0, "Weight of the retain term.", ge=0)
    retain: Literal["gd", "kl"] = param("gd", "Retain term: NLL, or KL from the original model.", choices=("gd", "kl"))
