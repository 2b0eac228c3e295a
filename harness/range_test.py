"""The learning rate that suits an architecture: attacks state theirs in multiples of it and so fit any size."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from harness.api import LM
from harness.train import Batch, Recipe, encode, finetuned, pad, pad_id, restored, target_tokens, token_nll, trainable

RATES = tuple(10 ** (-5.5 + 0.5 * k) for k in range(8))
"""Eight log-spaced candidates, 3.2e-6 to 1e-2: from below what 7B models are tuned with to where toys break."""
STEPS = 20
BATCH_SIZE = 8
MAX_TOKENS = 96
HELD_OUT = 32
TOLERANCE = 0.02


def reference_lr(lm: LM, *, unrelated: Sequence[str], utility: Sequence[str], seed: int) -> float:
    """Largest learning rate that learns unrelated text about as well as any, and costs (next to) no utility.

    Every candidate fine-tunes the same model for 20 constant-rate updates. Admissible are those that raise the loss on
    ``utility`` by at most 2 %; among them the answer is the largest whose held-out loss on ``unrelated`` is within 2 %
    of the best. (The rule takes the best over all candidates. On a small trained model the best one costs utility, and
    then no rate would satisfy both halves.) Candidates are tried from below, and the first that is inadmissible ends
    the search: larger ones cost more.

    Args:
        lm: The original model; its weights come back bit for bit.
        unrelated: Documents of another domain; some are held out.
        utility: Documents that stand for what must not be lost.
        seed: Of the choice and order of documents.

    Raises:
        ValueError: Too few documents, or even the smallest candidate costs utility.
    """
    if len(unrelated) < 2 or not utility:
        raise ValueError(
            f"A range test needs 2 unrelated and 1 utility document, got {len(unrelated)}, {len(utility)}."
        )
    chance = random.Random(seed)
    documents = chance.sample(list(unrelated), min(len(unrelated), STEPS * BATCH_SIZE + HELD_OUT))
    cut = min(HELD_OUT, len(documents) // 2)
    held_out = _batches(lm, documents[:cut])
    kept = _batches(lm, chance.sample(list(utility), min(len(utility), HELD_OUT)))
    ceiling = (1 + TOLERANCE) * _loss(lm, kept)
    losses: dict[float, float] = {}
    for rate in RATES:
        with restored(lm.model.parameters()):
            recipe = Recipe(rate, STEPS, BATCH_SIZE, MAX_TOKENS, "constant")
            for _ in finetuned(lm, documents[cut:], recipe, params=trainable(lm.model), seed=seed):
                pass
            if not _loss(lm, kept) <= ceiling:  # written so that NaN ends the search too
                break
            losses[rate] = _loss(lm, held_out)
    if not losses:
        raise ValueError(f"Fine-tuning at {RATES[0]:.1e} already raises the utility loss by more than {TOLERANCE:.0%}.")
    return max(rate for rate, loss in losses.items() if loss <= (1 + TOLERANCE) * min(losses.values()))


def _batches(lm: LM, texts: Sequence[str]) -> list[Batch]:
    rows = encode(lm.tokenizer, texts, max_tokens=MAX_TOKENS)
    starts = range(0, len(rows), BATCH_SIZE)
    return [pad(rows[i : i + BATCH_SIZE], pad_id=pad_id(lm)).to(lm.model.device) for i in starts]


@torch.no_grad()
def _loss(lm: LM, batches: Sequence[Batch]) -> float:
    """Mean negative log-likelihood per target token, nats."""
    total = sum(float(token_nll(lm.model, batch)[0].sum()) for batch in batches)
    return total / sum(map(target_tokens, batches))
