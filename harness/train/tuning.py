"""Plain fine-tuning on documents, the common part of every attack that trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import Tensor, nn

from harness.api import LM, AttackerData
from harness.train.data import batches, encode, encode_items, pad_id, stream
from harness.train.loop import Schedule, descent, gradient, rate, trainable
from harness.train.losses import mean_nll


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to fine-tune.

    Attributes:
        lr: Peak learning rate.
        steps: Number of updates.
        batch_size: Documents per update.
        max_tokens: Documents are cut to this many tokens.
        schedule: Course of the learning rate after the warm-up.
        warmup: Updates of linear warm-up; the first one is not zero.
    """

    lr: float
    steps: int
    batch_size: int
    max_tokens: int
    schedule: Schedule = "linear"
    warmup: int = 1

    def spent(self, updates: int) -> dict[str, float]:
        """What a point of an attack says of its course: updates, how many at the peak rate are worth them, and it."""
        rates = (rate(step, steps=self.steps, warmup=self.warmup, schedule=self.schedule) for step in range(updates))
        return {"updates": updates, "updates at peak rate": sum(rates), "peak rate": self.lr}


def finetuned(
    lm: LM, texts: Sequence[str], recipe: Recipe, *, params: Sequence[nn.Parameter], seed: int
) -> Iterator[tuple[int, int]]:
    """Minimise the next-token loss with AdamW (.9, .999), no weight decay, in the precision of the parameters.

    Args:
        lm: Edited in place.
        texts: Documents; every pass over them has an order of its own.
        recipe: How long and how fast.
        params: What is trained.
        seed: Of the orders.

    Yields:
        After each update: the updates done, and the tokens trained on so far (padding left out, repetitions counted).
    """
    yield from finetuned_on(
        lm, encode(lm.tokenizer, texts, max_tokens=recipe.max_tokens), recipe, params=params, seed=seed
    )


def finetuned_on(
    lm: LM, rows: Sequence[Sequence[int]], recipe: Recipe, *, params: Sequence[nn.Parameter], seed: int
) -> Iterator[tuple[int, int]]:
    """:func:`finetuned` on rows of tokens."""
    source = stream(lm, rows, size=recipe.batch_size, parts=1, seed=seed)
    tokens = 0

    def step_gradient(step: int) -> list[Tensor]:
        nonlocal tokens
        parts = next(source)
        tokens += sum(int(part.attention_mask.sum()) for part in parts)
        return gradient(params, lambda batch: mean_nll(lm.model, batch), parts)

    updates = descent(
        params,
        step_gradient,
        steps=recipe.steps,
        lr=recipe.lr,
        warmup=recipe.warmup,
        schedule=recipe.schedule,
        betas=(0.9, 0.999),
    )
    for done in updates:
        yield done, tokens


def mend(lm: LM, data: AttackerData, recipe: Recipe, *, seed: int) -> None:
    """Fine-tune on unrelated documents and on solved questions about retained knowledge; neither holds a forget fact.

    A model whose language was destroyed looks as if it resisted; mended, it shows what is left (spec: attacks A.1.3).
    """
    documents = encode(lm.tokenizer, data.unrelated, max_tokens=recipe.max_tokens) if data.unrelated else []
    rows = [*documents, *encode_items(lm.tokenizer, data.utility_items, max_tokens=recipe.max_tokens)]
    for _ in finetuned_on(lm, rows, recipe, params=trainable(lm.model), seed=seed):
        pass


def rehearsed(lm: LM, texts: Sequence[str], recipe: Recipe, *, seed: int) -> Iterator[tuple[int, int]]:
    """What :func:`finetuned` yields with the same arguments, without training: for what is known already."""
    rows = encode(lm.tokenizer, texts, max_tokens=recipe.max_tokens)
    tokens = 0
    for done, batch in enumerate(
        islice(batches(rows, size=recipe.batch_size, pad_id=pad_id(lm), seed=seed), recipe.steps), 1
    ):
        tokens += int(batch.attention_mask.sum())
        yield done, tokens
