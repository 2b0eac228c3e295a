"""The check that a live engine serves the weights it was given: a few probes against a plain forward pass.

A swap can fail in silence (a prefix cache that was not reset, a reload that did nothing), and then every number after
it belongs to another checkpoint. Letters: P probes, C candidate tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from harness.api import LM

Table = tuple[tuple[float, ...], ...]

PROBES = (
    "The",
    "Question: who was there, and when?\nAnswer:",
    "It is said that nothing is lost; the old town by the sea. " * 40,
)
LONGEST = 272
"""Tokens of a probe: more than a block of the prefix cache, which has 16 on a GPU and 128 on a CPU. A shorter one is
never answered from the cache, and could not tell that it is stale."""
CANDIDATES = 16
TOLERANCES: Mapping[str, tuple[float, float]] = {"float32": (2e-3, 1e-4), "bfloat16": (0.5, 0.05)}
"""Absolute (nats) and relative. Measured against a plain fp32 forward pass: fp32 1e-5 to 8e-5, bf16 .08 to .12; the
trap, stale keys and values, was 4.4."""
MOVED: Mapping[str, float] = {"float32": 2e-4, "bfloat16": 5e-3}
"""Nats by which some probe must move before equal answers are called stale. Far below what bf16 resolves in one logit:
a log-probability changes with any logit of the vocabulary, so equal answers mean that none of them changed."""


@dataclass(frozen=True)
class Readings:
    """Log-probabilities (P,C), nats: what the engine said, and what a forward pass of the same weights says."""

    served: Table
    expected: Table


class Canary:
    """Probes for one tokenizer and dtype."""

    def __init__(self, lm: LM, dtype: str) -> None:
        longest = min(LONGEST, int(lm.model.config.max_position_embeddings) - 1)
        encoded = (lm.tokenizer(probe)["input_ids"][:longest] for probe in PROBES)
        vocabulary = int(lm.model.config.vocab_size)
        step = max(1, vocabulary // CANDIDATES)
        self.prompts: list[list[int]] = [ids for ids in encoded if ids]
        self.candidates: list[int] = list(range(0, vocabulary, step))[:CANDIDATES]
        self._absolute, self._relative = TOLERANCES[dtype]
        self._least_move = MOVED[dtype]

    @torch.no_grad()
    def expected(self, lm: LM) -> Table:
        """A plain forward pass of each probe, in the dtype that the model is trained in."""
        rows = []
        for ids in self.prompts:
            logits = lm.model(input_ids=torch.tensor([ids], device=lm.model.device)).logits[0, -1]  # (V)
            rows.append(tuple(logits.float().log_softmax(-1)[self.candidates].tolist()))
        return tuple(rows)

    def fault(self, now: Readings, *, last: Readings | None) -> str:
        """What is wrong with an engine, with both values; empty if nothing is.

        Args:
            now: The readings with the new weights.
            last: Those after the previous swap, None after a fresh start.
        """
        for probe, (said, right) in enumerate(zip(now.served, now.expected, strict=True)):
            for token, one, other in zip(self.candidates, said, right, strict=True):
                allowed = self._absolute + self._relative * abs(other)
                if not abs(one - other) <= allowed:  # written so that NaN is a fault too
                    return (
                        f"probe {probe}, token {token}: the engine says {one:.4f} nats, a forward pass {other:.4f} "
                        f"(tolerance {allowed:.4f})"
                    )
        if last is not None and now.served == last.served and self._moved(now.expected, last.expected):
            return f"all probes still get the answers of the previous weights (first: {now.served[0][0]:.6f} nats)"
        return ""

    def _moved(self, now: Table, before: Table) -> bool:
        """Whether the new weights must show in some answer."""
        pairs = (pair for rows in zip(now, before, strict=True) for pair in zip(*rows, strict=True))
        return max(abs(one - other) for one, other in pairs) > self._least_move
