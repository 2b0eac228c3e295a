"""Erasure of language memory (2410.02760): forget documents are learned as a novice would continue them.

The target is the original's own prediction, moved by what prompts of an expert and of a novice do to it. Left out is
the consistency term on fluent continuations generated beforehand; hence the badge. Prompts are prepended as tokens and
only the document's own tokens count. Letters: B batch, T tokens, V vocabulary, N target tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    IGNORED,
    POCKET_BUDGET,
    SMALL_BUDGET,
    Balanced,
    Batch,
    Frozen,
    blocks,
    frozen,
    maps_of,
    next_token_logits,
    retain_loss,
    sides,
    target_logits,
    trained,
    weigh,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1e-3,
    "lora_rank": 0,
    "train_layers": (0, 1, 2, 3),
    "eta": 100.0,
    "forget_weight": 10.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

POCKET_MUSE: Mapping[str, object] = {**POCKET, "lr": 6e-4, "forget_weight": 1.0}
"""Likewise, on pocket-muse."""

SMALL: Mapping[str, object] = {**POCKET_MUSE, **SMALL_BUDGET}
"""Starting point of the search on dev items, carried over from the pocket world; documents are cut to 512 tokens."""

ZEPHYR = Published(
    "Zephyr-7B on texts cut to 700 characters, about four a token (ELM@fa33064 trainscripts/erase.py)",
    {"max_tokens": 175},
)


@dataclass(frozen=True)
class ELM(Balanced):
    """Self-distillation of a novice's predictions on forget documents, of one's own on the others."""

    lr: float = param(5e-5, "Peak learning rate of AdamW (Zephyr-7B, ELM@fa33064).", gt=0)
    steps: int = param(750, "Updates: 3,000 documents, 4 per update (Zephyr-7B, ELM@fa33064).", ge=1)
    lora_rank: int = param(256, "Rank of the adapters (Zephyr-7B, ELM@fa33064); 0: the weights train.", ge=0)
    lora_alpha: int = param(16, "Adapters count alpha / rank (ELM@fa33064); 0: alpha is twice the rank.", ge=0)
    train_layers: tuple[int, ...] = param((4, 5, 6, 7, 8), "Blocks that train, from 0, or from -1 (Zephyr-7B).")
    eta: float = param(1000.0, "Strength of the prompts at a document's end, rising from 1 (Zephyr-7B).", ge=1)
    temperature: float = param(1.2, "Of the target (2410.02760).", gt=0)
    top: int = param(50, "Likeliest tokens that the target keeps (2410.02760).", ge=1)
    retain: Literal["gd", "kl"] = param("kl", "Retain term: NLL, or KL from the original model.", choices=("gd", "kl"))

    version: ClassVar[int] = 1
    family: ClassVar[str] = "distillation"
    citation: ClassVar[str] = "2410.02760"
    fidelity: ClassVar[Fidelity] = "approximate"
    needs: ClassVar[tuple[Need, ...]] = ("personas", "original")
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "eta")
    published: ClassVar[Mapping[str, Published]] = {"wmdp-bio": ZEPHYR, "wmdp-cyber": ZEPHYR}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET_MUSE,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``forget_weight * CE(novice target, forget) + retain_weight * L(retain)``."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed, only=maps_of(lm.model, blocks(lm.model, self.train_layers))) as params:
            original = frozen(lm.model)
            kept = retain_loss(lm.model, self.retain, weight=self.retain_weight, reference=original)
            weigh(params, data, self, forget=self.erasure(lm, corpora, original), retain=kept)

    def erasure(self, lm: LM, corpora: Corpora, original: Frozen) -> Callable[[Batch], Tensor]:
        """Loss of a batch against the target that the original sets; three more forward passes per batch."""
        if corpora.personas is None:
            raise ValueError("ELM needs the prompts of an expert and of a novice; this benchmark gives none.")
        expert, novice = (
            lm.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            for prompt in (corpora.personas.expert, corpora.personas.novice)
        )
        bos = lm.tokenizer.bos_token_id

        def wanted(model: PreTrainedModel, batch: Batch) -> Tensor:
            plain = target_logits(model, batch)[0]
            known, unknown = (prompted_logits(model, batch, prompt, bos=bos) for prompt in (expert, novice))
            strength = ramp(batch, self.eta)[:, None]
            return novice_target(plain, known, unknown, strength, temperature=self.temperature, top=self.top)

        def loss(batch: Batch) -> Tensor:
            return soft_cross_entropy(target_logits(lm.model, batch)[0], original(lambda model: wanted(model, batch)))

        return loss


def novice_target(
    plain: Tensor, expert: Tensor, novice: Tensor, strength: Tensor, *, temperature: float, top: int
) -> Tensor:
    """Distributions (N, V) of ``log p + strength * (log p_novice - log p_expert)``, tempered, cut and renormalised.

    Args:
        plain: (N, V) logits of the original.
        expert: Likewise behind the expert's prompt.
        novice: Likewise behind the novice's.
        strength: (N, 1), eta in 2410.02760.
        temperature: Divides the sum.
        top: Tokens that keep a probability.
    """
    moved = plain.log_softmax(-1) + strength * (novice.log_softmax(-1) - expert.log_softmax(-1))
    kept = moved.topk(min(top, moved.shape[-1]), dim=-1)
    return torch.zeros_like(moved).scatter(-1, kept.indices, (kept.values / temperature).softmax(-1))


def soft_cross_entropy(given: Tensor, wanted: Tensor) -> Tensor:
    """Mean over N positions of the cross-entropy of logits (N, V) with target distributions (N, V), nats."""
    return -(wanted * given.log_softmax(-1)).sum(-1).mean()


def ramp(batch: Batch, end: float) -> Tensor:
    """(N,) strengths that rise linearly from 1 at the first target of a document to ``end`` at its last one."""
    mask = batch.labels[:, 1:] != IGNORED
    place = mask.cumsum(dim=1) - 1  # (B, T-1): 0 at the first target
    last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1)
    strength: Tensor = (1 + (end - 1) * place / last)[mask]
    return strength


def prompted_logits(model: PreTrainedModel, batch: Batch, prompt: Sequence[int], *, bos: int | None) -> Tensor:
    """Logits (N, V) that score the batch's targets when a prompt stands before every document, behind its BOS."""
    ids = batch.input_ids
    start = int(bool((ids[:, 0] == bos).all())) if bos is not None else 0
    before = torch.tensor(prompt, dtype=ids.dtype, device=ids.device).expand(len(ids), -1)
    longer = torch.cat([ids[:, :start], before, ids[:, start:]], dim=1)
    whole = next_token_logits(model, Batch(longer, longer, longer))  # (B, P + T - 1, V)
    return whole[:, len(prompt) :][batch.labels[:, 1:] != IGNORED]
