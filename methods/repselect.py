"""RepSelect, single shot (2606.17168): one ascent direction, rid of its strongest components, until a budget is spent.

An adapter first calls the knowledge up; the gradient of the MLP matrices is taken with it active, and what many
documents share is damped by a singular value decomposition. Then the weights walk along that direction as long as the
divergence on retain documents stays within the budget; the step that would exceed it is taken back. Unlike public code
(filyp/open-unlearning@5955f30) the gradient is a mean over all target tokens instead of a sum of means over batches, so
``lr`` does not depend on the number of documents, and the decomposition is exact. M x K is the shape of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    Batch,
    Frozen,
    adapted,
    batches,
    encode,
    factors,
    frozen,
    gradient,
    kl_to,
    linear_maps,
    mean_nll,
    micro_batches,
    pad_id,
    scaled,
    stream,
    target_tokens,
    trainable,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POCKET: Mapping[str, object] = {
    "lr": 10.0,
    "steps": 60,
    "elicitation_lr": 1.0,
    "components": 16,
    "budget": 0.5,
    "batch_size": 8,
    "retain_batch_size": 64,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4, "retain_batch_size": 32}
"""Starting point of the search on dev items, carried over from the pocket world; documents are cut to 512 tokens."""

WMDP = Published(
    "the defaults: 512 components, damped, texts of 128 tokens and 0.01 nats on WikiText; both rates are searched for "
    "every model (2606.17168; filyp/open-unlearning@5955f30)"
)


@dataclass(frozen=True)
class RepSelect:
    """One filtered gradient of the MLP matrices, followed until the retained behaviour has moved by a budget."""

    lr: float = param(0.05, "Step along the filtered gradient; published ones are for a sum over batches.", gt=0)
    steps: int = param(100, "Largest number of steps.", ge=1)
    elicitation_rank: int = param(8, "Rank of the adapters that call the knowledge up (peft's default).", ge=1)
    elicitation_lr: float = param(
        0.05, "Their rate of SGD (searched from 0.005 to 0.5 at half our scale, 2606.17168).", ge=0
    )
    components: int = param(512, "Strongest singular directions of each gradient that are damped (2606.17168).", ge=1)
    collapse: Literal["soft", "hard"] = param(
        "soft", "Damp them to the weakest of them, or remove them.", choices=("soft", "hard")
    )
    budget: float = param(0.01, "Largest divergence from the original on retain documents, nats (2606.17168).", gt=0)
    batch_size: int = param(4, "Forget documents per step of SGD.", ge=1)
    retain_batch_size: int = param(32, "Retain documents on which the divergence is measured.", ge=1)
    max_tokens: int = param(128, "Documents are cut to this many tokens (2606.17168).", ge=2)
    accumulation: int = param(1, "Micro-batches per batch.", ge=1, runtime=True)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "representation"
    citation: ClassVar[str] = "2606.17168"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "budget", "elicitation_lr")
    published: ClassVar[Mapping[str, Published]] = {"wmdp-bio": WMDP, "wmdp-cyber": WMDP}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Follow the filtered gradient for at most ``steps`` steps."""
        trainable(lm.model)  # no dropout
        names = [name for name in linear_maps(lm.model) if ".mlp." in name]
        if not names:
            raise ValueError(f"{type(lm.model).__name__} has no linear map inside a module called mlp.")
        weights = [lm.model.get_submodule(name).weight for name in names]
        raw = self.elicited_gradient(lm, corpora, names, weights, seed=seed)
        filtered = [collapsed(part, self.components, hard=self.collapse == "hard") for part in raw]
        rows = encode(lm.tokenizer, corpora.retain, max_tokens=self.max_tokens)
        kept = next(batches(rows, size=self.retain_batch_size, pad_id=pad_id(lm), seed=2 * seed + 1))
        walk(lm.model, weights, filtered, micro_batches(kept.to(lm.model.device), self.accumulation), how=self)

    def elicited_gradient(
        self, lm: LM, corpora: Corpora, names: Sequence[str], weights: Sequence[nn.Parameter], *, seed: int
    ) -> list[Tensor]:
        """Gradient of minus the forget NLL by the MLP matrices, with adapters active that lowered it for one epoch."""
        rows = encode(lm.tokenizer, corpora.forget, max_tokens=self.max_tokens)
        steps = -(-len(rows) // self.batch_size)
        with adapted(lm.model, rank=self.elicitation_rank, seed=seed, only=names) as adapters:
            source = stream(lm, rows, size=self.batch_size, parts=self.accumulation, seed=2 * seed)
            learn(lm.model, factors(adapters), islice(source, steps), lr=self.elicitation_lr)
            (whole,) = islice(stream(lm, rows, size=len(rows), parts=steps * self.accumulation, seed=2 * seed), 1)
            return scaled(gradient(weights, lambda batch: mean_nll(lm.model, batch), whole), -1)


def learn(model: PreTrainedModel, params: Sequence[nn.Parameter], source: Iterator[list[Batch]], *, lr: float) -> None:
    """Plain gradient descent on the NLL, one step per batch."""
    for pieces in source:
        found = gradient(params, lambda batch: mean_nll(model, batch), pieces)
        torch._foreach_add_([param.detach() for param in params], found, alpha=-lr)


def collapsed(matrix: Tensor, components: int, *, hard: bool) -> Tensor:
    """A matrix (M, K) with its strongest singular directions damped on both sides.

    Softly, a coordinate along the i-th of them is divided by ``S_i / S_n`` on the left and again on the right, which
    leaves ``S_n^2 / S_i`` of the singular value; hard, nothing is left. The weaker directions stay.

    Args:
        matrix: A gradient.
        components: How many are damped (n), at most as many as the matrix has ranks: to the size of a rounding error
            the others would be damped away.
        hard: Remove instead of damp.
    """
    left, sizes, right = torch.linalg.svd(matrix.float() if matrix.dtype.itemsize < 4 else matrix, full_matrices=False)
    rank = int((sizes > max(matrix.shape) * torch.finfo(sizes.dtype).eps * sizes[0]).sum())
    top = sizes[: min(components, rank)]
    damped = torch.zeros_like(top) if hard else top[-1:].square() / top
    kept: Tensor = (left * torch.cat([damped, sizes[len(top) :]])) @ right
    return kept.to(matrix.dtype)


def walk(
    model: PreTrainedModel,
    weights: Sequence[nn.Parameter],
    filtered: Sequence[Tensor],
    kept: Sequence[Batch],
    *,
    how: RepSelect,
) -> None:
    """Step along the filtered gradient while the divergence on these batches is within the budget.

    Raises:
        ValueError: Already the first step exceeds it.
    """
    original = frozen(model)
    optimizer = torch.optim.SGD(weights, lr=how.lr)
    for step in range(how.steps):
        before = [weight.detach().clone() for weight in weights]
        for weight, part in zip(weights, filtered, strict=True):
            weight.grad = part.clone()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        moved = mean_divergence(model, original, kept)
        if not moved <= how.budget:  # not a number is over it too
            torch._foreach_copy_([weight.detach() for weight in weights], before)
            if not step:
                raise ValueError(f"The first step moves retain text by {moved:.3g} nats of {how.budget:.3g}; lower lr.")
            return


@torch.no_grad()
def mean_divergence(model: PreTrainedModel, original: Frozen, pieces: Sequence[Batch]) -> float:
    """KL from the original per target token of a batch that comes in pieces, nats."""
    total = sum(float(kl_to(model, original, batch)) * target_tokens(batch) for batch in pieces)
    return total / sum(target_tokens(batch) for batch in pieces)
