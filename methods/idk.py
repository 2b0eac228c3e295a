"""Refusal fine-tuning: questions about what is to be forgotten are answered by saying that one does not know.

``preservation_weight`` adds answer preservation (IDK+AP, 2410.08109), which keeps retained answers likelier than a
refusal; its authors put it in place of the other retain terms, here each has a weight. Every refusal is trained on for
every question. Only questions are forgotten, no documents: what the model knows stays behind the refusal, and a score
that compares the options of a question with each other need not move at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    POCKET_BUDGET,
    REFUSALS,
    SMALL_BUDGET,
    Balanced,
    Batch,
    Solved,
    Term,
    answered,
    encode,
    encode_pairs,
    follow,
    mean_nll,
    pad_id,
    pad_pairs,
    pair_stream,
    retain_loss,
    rows,
    sequence_nll,
    stream,
    total_gradient,
    trained,
)


def preservation(refused: Tensor, answer: Tensor, *, beta: float) -> Tensor:
    """Answer preservation per question, ``-(1 / beta) * log sigmoid(-beta * log(p(refusal) / p(answer)))``.

    Args:
        refused: (B,) negative log-likelihood of the whole refusal, nats (closer-look-LLM-unlearning@b90ac96
            trainer/losses.py sums over its tokens).
        answer: (B,) likewise of the right answer.
        beta: Inverse temperature.
    """
    return -functional.logsigmoid(beta * (refused - answer)) / beta


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 1.5e-3,
    "forget_weight": 6.0,
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-wmdp and not tuned on them."""


@dataclass(frozen=True)
class IDK(Balanced):
    """Refusal fine-tuning on questions about forgotten facts, with answer preservation on request."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (Llama-2-7B, 2410.08109).", gt=0)
    batch_size: int = param(4, "Questions to refuse per update (2410.08109).", ge=1)
    retain_batch_size: int = param(4, "Retain documents, and retained questions, per update.", ge=1)
    refusals: tuple[str, ...] = param(REFUSALS, "Answers that decline; each is trained on for every question.")
    retain_pair_weight: float = param(1.0, "Weight of the retain term on answers to retained questions.", ge=0)
    preservation_weight: float = param(0.0, "Weight of answer preservation (IDK+AP, 2410.08109: 1).", ge=0)
    beta: float = param(0.1, "Inverse temperature of answer preservation, sums over answers (2410.08109).", gt=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "preference"
    citation: ClassVar[str] = "2410.08109"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("pairs",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "retain_weight")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if not self.refusals:
            raise ValueError("refusals is empty; name at least one text")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``w_f NLL(refusal) + w_r L(retain) + w_p L(retained answers) + w_a AP(retained answers)``."""
        with trained(lm, self, seed=seed) as params:
            terms = self._terms(lm, corpora, seed=seed)
            follow(params, lambda step: total_gradient(params, *next(terms)), self)

    def _terms(self, lm: LM, corpora: Corpora, *, seed: int) -> Iterator[list[Term]]:
        """The parts of every update's loss; those of weight 0 are left out."""
        refused = [answered(item, text) for item in corpora.forget_pairs for text in self.refusals]
        texts = itertools.islice(itertools.cycle(self.refusals), len(corpora.retain_pairs))
        declined = [answered(item, text) for item, text in zip(corpora.retain_pairs, texts, strict=True)]
        questions, retained, others = (
            encode_pairs(lm.tokenizer, items, max_tokens=self.max_tokens)
            for items in (refused, corpora.retain_pairs, declined)
        )
        documents = encode(lm.tokenizer, corpora.retain, max_tokens=self.max_tokens)
        parts, keep = self.accumulation, self.retain_batch_size
        asked = pair_stream(lm, questions, size=self.batch_size, parts=parts, seed=3 * seed)
        read = stream(lm, documents, size=keep, parts=parts, seed=3 * seed + 1)
        told = pair_stream(lm, retained, size=keep, parts=parts, seed=3 * seed + 2)
        kept, preserved = retain_loss(lm.model, self.retain), self._preserved(lm, others)
        for forget, document, pair in zip(asked, read, told, strict=True):
            terms = [
                Term(lambda batch: mean_nll(lm.model, batch), forget, self.forget_weight),
                Term(kept, document, self.retain_weight),
                Term(kept, pair, self.retain_pair_weight),
                Term(preserved, pair, self.preservation_weight, rows),
            ]
            yield [term for term in terms if term.weight]

    def _preserved(self, lm: LM, declined: Sequence[Solved]) -> Callable[[Batch], Tensor]:
        """Mean answer preservation over retained questions; each has a refusal of its own."""

        def loss(batch: Batch) -> Tensor:
            others = pad_pairs([declined[line] for line in batch.index.tolist()], pad_id=pad_id(lm))
            refused = sequence_nll(lm.model, others.to(lm.model.device))
            return preservation(refused, sequence_nll(lm.model, batch), beta=self.beta).mean()

        return loss
