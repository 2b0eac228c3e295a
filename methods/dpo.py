"""Direct preference optimisation against forgotten answers (2305.18290; for unlearning 2404.05868 and 2409.13474).

``winner`` says what is preferred. ``refusal`` is IdkDPO. ``alternative`` stands in for AltPO (2409.13474), whose five
alternatives per question a language model writes: here it is one true answer of another question of the same form, so
it is plausible and wrong, but it is neither generated nor checked. Likelihoods are sums over an answer and its EOS; the
question is no target.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Item, Need, param
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
    negative_preference,
    pad_id,
    pad_pairs,
    pair_nll,
    pair_stream,
    retain_loss,
    rows,
    sequence_nll,
    stream,
    total_gradient,
    trained,
)


def preference(winner: Tensor, loser: Tensor, *, before: Tensor, beta: float) -> Tensor:
    """DPO's loss per question, ``-(2 / beta) * log sigmoid(beta * [log(p/p0)(winner) - log(p/p0)(loser)])``.

    NPO's factor 2 / beta is kept, so that both have gradients of one size (2404.05868; open-unlearning).

    Args:
        winner: (B,) negative log-likelihood of the preferred answer, nats.
        loser: (B,) likewise of the answer to forget.
        before: (B,) the loser's minus the winner's under the original model.
        beta: Inverse temperature.
    """
    return negative_preference(loser - winner, before, beta=beta)


def alternatives(items: Sequence[Item], *, seed: int) -> list[Item]:
    """Each question with the answer of another one of its form, drawn by seed.

    Of its form are the questions whose answer is another and whose first words agree with its own the longest.

    Raises:
        ValueError: All questions have the same answer.
    """
    chance = random.Random(seed)
    return [answered(item, chance.choice(_rivals(item, items)).answer) for item in items]


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "winner": "alternative",
    "retain": "kl",
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from pocket-wmdp and not tuned on them."""


@dataclass(frozen=True)
class DPO(Balanced):
    """Direct preference optimisation: a refusal or a wrong answer is preferred to the one to forget."""

    lr: float = param(1e-5, "Peak learning rate of AdamW (open-unlearning).", gt=0)
    batch_size: int = param(4, "Questions to forget per update.", ge=1)
    retain_batch_size: int = param(4, "Retain documents, and retained questions, per update.", ge=1)
    winner: Literal["refusal", "alternative"] = param(
        "refusal",
        "What is preferred: a refusal (IdkDPO), or another question's answer (for AltPO's).",
        choices=("refusal", "alternative"),
    )
    refusals: tuple[str, ...] = param(REFUSALS, "Refusals; each is the winner of every question.")
    beta: float = param(0.1, "Inverse temperature for sums over an answer (open-unlearning).", gt=0)
    retain_pair_weight: float = param(1.0, "Weight of the retain term on answers to retained questions.", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "preference"
    citation: ClassVar[str] = "2305.18290"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("pairs", "original")
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "beta")
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
        """Descend on ``w_f DPO(forgotten questions) + w_r L(retain) + w_p L(answers to retained questions)``."""
        with trained(lm, self, seed=seed) as params:
            terms = self._terms(lm, corpora, seed=seed)
            follow(params, lambda step: total_gradient(params, *next(terms)), self)

    def _terms(self, lm: LM, corpora: Corpora, *, seed: int) -> Iterator[list[Term]]:
        """The parts of every update's loss; those of weight 0 are left out."""
        winners, losers, retained = (
            encode_pairs(lm.tokenizer, items, max_tokens=self.max_tokens)
            for items in (*self._contests(corpora.forget_pairs, seed=seed), corpora.retain_pairs)
        )
        documents = encode(lm.tokenizer, corpora.retain, max_tokens=self.max_tokens)
        parts, keep = self.accumulation, self.retain_batch_size
        asked = pair_stream(lm, losers, size=self.batch_size, parts=parts, seed=3 * seed)
        read = stream(lm, documents, size=keep, parts=parts, seed=3 * seed + 1)
        told = pair_stream(lm, retained, size=keep, parts=parts, seed=3 * seed + 2)
        preferred, kept = self._preferred(lm, winners, losers), retain_loss(lm.model, self.retain)
        for forget, document, pair in zip(asked, read, told, strict=True):
            terms = [
                Term(preferred, forget, self.forget_weight, rows),
                Term(kept, document, self.retain_weight),
                Term(kept, pair, self.retain_pair_weight),
            ]
            yield [term for term in terms if term.weight]

    def _contests(self, items: Sequence[Item], *, seed: int) -> tuple[list[Item], list[Item]]:
        """Winners and losers, line by line."""
        if self.winner == "alternative":
            return alternatives(items, seed=seed), list(items)
        winners = [answered(item, text) for item in items for text in self.refusals]
        return winners, [item for item in items for _ in self.refusals]

    def _preferred(self, lm: LM, winners: Sequence[Solved], losers: Sequence[Solved]) -> Callable[[Batch], Tensor]:
        """Mean of :func:`preference` over the losers of a batch, against the weights as they are now.

        Reference values never change, so they are computed here, once, and no second model stays around.
        """
        padding = pad_id(lm)
        before = pair_nll(lm.model, losers, pad_id=padding) - pair_nll(lm.model, winners, pad_id=padding)

        def loss(batch: Batch) -> Tensor:
            liked = pad_pairs([winners[line] for line in batch.index.tolist()], pad_id=padding).to(lm.model.device)
            own, other = sequence_nll(lm.model, liked), sequence_nll(lm.model, batch)
            return preference(own, other, before=before[batch.index], beta=self.beta).mean()

        return loss


def _rivals(item: Item, items: Sequence[Item]) -> list[Item]:
    others = [other for other in items if other.answer != item.answer]
    if not others:
        raise ValueError(f"No question has another answer than {item.answer!r}; choose winner='refusal'.")
    agreeing = [_shared_words(item.prompt, other.prompt) for other in others]
    return [other for other, shared in zip(others, agreeing, strict=True) if shared == max(agreeing)]


def _shared_words(one: str, other: str) -> int:
    """How many words two texts begin with in common."""
    pairs = list(zip(one.split(), other.split(), strict=False))
    return next((place for place, (a, b) in enumerate(pairs) if a != b), len(pairs))
