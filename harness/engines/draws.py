"""Sampling that does not depend on how questions are batched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Draw:
    """Draws one token a row by adding Gumbel noise to logits, a row's noise being its own whatever the batch."""

    def __init__(self, temperature: float, rows: Sequence[int]) -> None:
        self._temperature = temperature
        self._generators = [torch.Generator().manual_seed(row) for row in rows]

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (B,V) of which the largest is drawn from their softmax at the temperature."""
        rows = [torch.rand(logits.shape[1], generator=one, dtype=torch.float64) for one in self._generators]
        noise = -(-torch.stack(rows).clamp(min=1e-300).log()).log()
        return logits.double() / self._temperature + noise.to(logits.device)
