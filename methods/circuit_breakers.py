"""Circuit breakers, also representation rerouting (2406.04313): forget states are turned away from the original's.

The forget term is the part of the cosine above 0, the retain term a distance; their weights cross over during the run.
Forget documents stand where the paper has harmful chats (EleutherAI/unlearn@1a6079f, for knowledge). Both terms are
stationary at the original weights, where published code moves first along rounding errors; here a seeded draw of the
size of one update takes their place. Letters: L layers, N tokens, D width, n documents of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Batch,
    Frozen,
    Paired,
    Term,
    blocks,
    drift,
    follow,
    frozen,
    gathered,
    maps_of,
    position,
    rows,
    sides,
    states,
    tokens,
    total_gradient,
    trained,
    truncated,
)

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 2e-3,
    "layers": (1, 2),
    "lora_rank": 0,
    "retain_end": 0.5,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Starting point of the search on dev items, carried over from the pocket world; documents are cut to 512 tokens."""

BIO = Published(
    "a 7B model of 32 layers: weights 23, 2 and 10, 32 batches of 32, adapters of rank 16 (EleutherAI/unlearn@1a6079f "
    "unlearn/algorithm/orth_circuit_breakers.py, experiment_logs/orth_circuit_breakers.md); learning rate and length "
    "of documents are the paper's, and theirs varies the third weight during the run",
    {
        "layers": tuple(range(32)),
        "alpha": 23.0,
        "fall": 0.25,
        "retain_end": 2 / 23,
        "orthogonality": 10.0,
        "steps": 32,
        "batch_size": 32,
        "retain_batch_size": 32,
    },
)


@dataclass(frozen=True)
class CircuitBreakers(Paired):
    """Circuit breakers: make forget states orthogonal to what they were, keep the others where they are."""

    lr: float = param(1e-4, "Peak learning rate of AdamW (Llama-3-8B, 2406.04313).", gt=0)
    steps: int = param(150, "Updates (2406.04313).", ge=1)
    batch_size: int = param(16, "Forget documents per update (2406.04313).", ge=1)
    retain_batch_size: int = param(16, "Retain documents per update (2406.04313).", ge=1)
    lora_rank: int = param(16, "Rank of the adapters (2406.04313); 0: the weights of linear maps train.", ge=0)
    lora_alpha: int = param(16, "Adapters count alpha / rank (2406.04313); 0: alpha is twice the rank.", ge=0)
    layers: tuple[int, ...] = param((9, 19), "Blocks whose output is rerouted, from 0, or from -1 (Llama-3-8B).")
    alpha: float = param(10.0, "Weight of the forget term at the start (2406.04313).", gt=0)
    fall: float = param(0.5, "Share of it that is gone at the end (2406.04313).", ge=0, le=1)
    retain_end: float = param(0.5, "Weight of the retain term at the end, in alpha; 0 at the start (2406.04313).", ge=0)
    orthogonality: float = param(0.0, "Weight of the cosine between documents of a batch (EleutherAI/unlearn).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "representation"
    citation: ClassVar[str] = "2406.04313"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original", "activations")
    search: ClassVar[tuple[str, ...]] = ("lr", "retain_end")
    published: ClassVar[Mapping[str, Published]] = {"wmdp-bio": BIO}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.orthogonality and self.batch_size < 2:
            raise ValueError("orthogonality compares documents of a batch; set batch_size to 2 or more")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``a(t) * reroute(forget) + b(t) * drift(retain) + orthogonality * overlap(forget)``."""
        layers = blocks(lm.model, self.layers)
        below = range(layers[-1] + 1)
        view = truncated(lm.model, layers[-1])
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed, only=maps_of(lm.model, below)) as params:
            original = frozen(view)
            away, kept = rerouting(view, original, layers), drift(view, original, below)
            set_off(params, self.lr, seed=seed)

            def step_gradient(step: int) -> list[Tensor]:
                forget_weight, retain_weight = self.weights(step)
                pieces = next(data.forget)
                terms = [Term(away, pieces, forget_weight, tokens)]
                if retain_weight:
                    terms.append(Term(kept, next(data.retain), retain_weight, tokens))
                if self.orthogonality:
                    terms.append(Term(overlap(view, pieces, layers), pieces, self.orthogonality, rows))
                return total_gradient(params, *terms)

            follow(params, step_gradient, self)

    def weights(self, step: int) -> tuple[float, float]:
        """Of the forget and of the retain term at a step from 0."""
        done = step / self.steps
        return self.alpha * (1 - self.fall * done), self.alpha * self.retain_end * done


def rerouted(given: Tensor, before: Tensor) -> Tensor:
    """Mean over layers and tokens of ``max(0, cos)`` between states (L, N, D) and the original's (2406.04313)."""
    return functional.cosine_similarity(given, before, dim=-1).relu().mean()


def rerouting(view: nn.Module, original: Frozen, layers: Sequence[int]) -> Callable[[Batch], Tensor]:
    """:func:`rerouted` of a batch."""
    return lambda batch: rerouted(states(view, batch, layers), original(lambda before: states(before, batch, layers)))


def overlapping(own: Tensor, every: Tensor, first: int) -> Tensor:
    """Twice the mean over documents of their mean ``max(0, cos)`` with the others, as a loss of some of them.

    The others are constants here, so that a batch may come in pieces. As every pair is met twice, once from each side,
    the factor 2 makes the gradient that of the mean over pairs.

    Args:
        own: (L, m, D) means over the tokens of the documents ``first`` to ``first + m - 1``.
        every: (L, n, D) means of all documents, without gradient.
        first: Where ``own`` begins in ``every``.
    """
    cosines = functional.cosine_similarity(own[:, :, None], every[:, None], dim=-1).relu()  # (L, m, n)
    itself = torch.zeros_like(cosines)
    itself[:, range(own.shape[1]), range(first, first + own.shape[1])] = 1
    return 2 * (cosines * (1 - itself)).sum(dim=-1).mean() / (every.shape[1] - 1)


def overlap(view: nn.Module, pieces: Sequence[Batch], layers: Sequence[int]) -> Callable[[Batch], Tensor]:
    """:func:`overlapping` of one piece with all documents of the batch, those of other processes included."""
    with torch.no_grad():
        pooled = [pool(states(view, piece, layers), piece) for piece in pieces]
    parts = gathered(torch.cat(pooled, dim=1))
    every = torch.cat(parts, dim=1)
    before = sum(part.shape[1] for part in parts[: position()])
    ends = (before + torch.tensor([part.shape[1] for part in pooled]).cumsum(0)).tolist()
    first = {id(piece): end - len(piece.input_ids) for piece, end in zip(pieces, ends, strict=True)}
    return lambda batch: overlapping(pool(states(view, batch, layers), batch), every, first[id(batch)])


def pool(given: Tensor, batch: Batch) -> Tensor:
    """Mean over the tokens of each document, (L, m, D) of (L, N, D)."""
    lengths = batch.attention_mask.sum(dim=1).tolist()
    return torch.stack([part.mean(dim=1) for part in torch.split(given, lengths, dim=1)], dim=1)


@torch.no_grad()
def set_off(params: Sequence[nn.Parameter], size: float, *, seed: int) -> None:
    """Move every weight by a normal draw times ``size``: away from the point at which there is no gradient."""
    noise = torch.Generator().manual_seed(seed)
    for weight in params:
        weight.add_(torch.randn(weight.shape, generator=noise).to(weight), alpha=size)
