"""A universal soft prompt (2402.09063): free vectors before every text, trained on the attacker's own solved questions.

One prompt for all questions, judged on facts that it was not trained on. (Vectors trained for one question could spell
its answer; such prompts say nothing of what the model knows.) Letters: S vectors, D width, B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param
from harness.train import IGNORED, Batch, encode_pairs, pair_stream, require_embeddings

POCKET: Mapping[str, object] = {"vectors": 8}


@dataclass(frozen=True)
class SoftPrompt:
    """Vectors before every text that make the model answer, free in one series and bounded in the other."""

    vectors: int = param(20, "vectors of the prompt (2402.09063: 20)", ge=1)
    iterations: int = param(100, "updates (2402.09063: 100)", ge=1)
    stops: tuple[int, ...] = param((0, 25, 50), "updates after which it is scored, beside its end", ge=0)
    lr: float = param(0.01, "rate of Adam in multiples of the median norm of token embeddings (spec: A.3.6)", gt=0)
    ball: float = param(1.0, "bounded series: largest norm of a vector in multiples of that median (spec: A.3.6)", gt=0)
    batch_size: int = param(16, "questions per update", ge=1)
    max_tokens: int = param(256, "questions are cut to this many tokens", ge=2)

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="activations", data="items")
    family: ClassVar[Family] = "embedding"
    citation: ClassVar[str] = "2402.09063"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": POCKET,
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield the prompt at its start, on the way and at its end; budgets are tokens of questions trained on."""
        if not data.items:
            raise NotApplicable("The attacker owns no solved questions to train a prompt on.")
        require_embeddings(lm.model)
        with _untouched(lm):
            for series, bounded in (("free", False), ("in the ball", True)):
                yield from self._series(lm, data, series, bounded=bounded, seed=seed)

    def _series(self, lm: LM, data: AttackerData, series: str, *, bounded: bool, seed: int) -> Iterator[Point]:
        norm = float(lm.model.get_input_embeddings().weight.detach().float().norm(dim=1).median())
        prompt = starting(lm, self.vectors, seed=seed).requires_grad_()
        optimizer = torch.optim.Adam([prompt], lr=self.lr * norm)
        pairs = encode_pairs(lm.tokenizer, data.items, max_tokens=self.max_tokens)
        batches = pair_stream(lm, pairs, size=self.batch_size, parts=1, seed=seed)
        tokens = 0
        for done in range(self.iterations + 1):
            if bounded:
                within(prompt, self.ball * norm)
            if done in (*self.stops, self.iterations):
                lm.soft_prompt = prompt.detach().clone()
                yield Point(tokens, series, readings={"updates": done} if done else {})
                lm.soft_prompt = None
            if done < self.iterations:
                (batch,) = next(batches)
                tokens += int(batch.attention_mask.sum())
                (prompt.grad,) = torch.autograd.grad(answer_nll(lm, prompt, batch), prompt)
                optimizer.step()


@contextmanager
def _untouched(lm: LM) -> Iterator[None]:
    """Inside the block weights take no gradient; afterwards they do as before, and there is no soft prompt."""
    trains = [(weight, weight.requires_grad) for weight in lm.model.parameters()]
    for weight, _ in trains:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        lm.soft_prompt = None
        for weight, required in trains:
            weight.requires_grad_(required)


def starting(lm: LM, count: int, *, seed: int) -> Tensor:
    """Embeddings of random tokens, (S, D), in fp32: where an update of the rate's size is never rounded away."""
    table: Tensor = lm.model.get_input_embeddings().weight.detach()
    tokens = torch.randint(len(table), (count,), generator=torch.Generator().manual_seed(seed))
    return table[tokens.to(table.device)].float().clone()


@torch.no_grad()
def within(prompt: Tensor, radius: float) -> None:
    """Shorten, in place, every vector that is longer than the radius."""
    prompt.mul_((radius / prompt.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0))


def answer_nll(lm: LM, prompt: Tensor, batch: Batch) -> Tensor:
    """Mean negative log-likelihood of the answers' tokens of (B, T) rows behind the vectors (S, D), nats."""
    texts = lm.model.get_input_embeddings()(batch.input_ids)
    rows = torch.cat([prompt.to(texts).expand(len(texts), -1, -1), texts], dim=1)
    logits = lm.model(inputs_embeds=rows, use_cache=False).logits[:, len(prompt) - 1 : -1]  # predict (B, T)
    flat, targets = logits.float().flatten(0, 1), batch.labels.flatten()
    nll: Tensor = functional.cross_entropy(flat, targets, ignore_index=IGNORED)
    return nll
