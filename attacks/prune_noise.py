"""Noise on the linear maps, and weights of them set to 0: a suppression in a narrow place breaks before the rest does.

Nothing trains. Every series starts from the weights that were given, and these come back bit for bit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

import torch
from torch import Tensor

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Threat, param, remarked
from harness.train import (
    Batch,
    encode,
    encode_pairs,
    linear_maps,
    mean_nll,
    pad,
    pad_id,
    pad_pairs,
    perturbed,
    restored,
    tokens,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

T = TypeVar("T")

POCKET: Mapping[str, object] = {
    "radii": (0.03, 0.1),
    "draws": 1,
    "sparsities": (0.1, 0.3),
    "documents": 128,
}
"""Twelve points. On pocket-wmdp (one seed, methods before they were tuned) the set difference alone brings something
back: RMU .33 -> .54 at utility .95, NPO .27 -> .34 at .92. Noise and the loss of small weights change next to nothing,
that of random ones utility."""


@dataclass(frozen=True)
class PruneNoise:
    """Gaussian noise on every linear map, and pruning: the smallest weights, random ones, those only forget text needs.

    The set difference is left out where the benchmark has no forget documents for the attacker, or no text of which
    the utility is to be kept; the other series need no data.
    """

    radii: tuple[float, ...] = param(
        (1e-2, 3e-2, 1e-1), "norm of the noise over the norm of the weights, per matrix (Frobenius)", gt=0
    )
    draws: int = param(3, "independent draws of noise per radius", ge=1)
    sparsities: tuple[float, ...] = param(
        (0.1, 0.2, 0.3), "shares of every matrix that are set to 0: its smallest weights, and random ones", gt=0, le=1
    )
    forget_tops: tuple[float, ...] = param(
        (0.025, 0.05, 0.1),
        "set difference: q, the share of every matrix that matters most to forget text and is set to 0 (three of the "
        "nine values of 2409.18025, .005 to .2)",
        gt=0,
        le=1,
    )
    utility_tops: tuple[float, ...] = param(
        (0.025, 0.05, 0.1),
        "set difference: p, the share that matters most to other text and is spared; every p is combined with every q "
        "up to it (2409.18025)",
        gt=0,
        le=1,
    )
    documents: int = param(512, "set difference: texts of each side, if there are as many (2409.18025)", ge=1)
    max_tokens: int = param(512, "set difference: texts are cut to this many tokens", ge=2)

    version: ClassVar[int] = 1
    threat: ClassVar[Threat] = Threat(access="weights", data="forget")
    family: ClassVar[Family] = "edit"
    citation: ClassVar[str] = "2409.18025"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {**POCKET, "max_tokens": 96},
        "pocket-muse": {**POCKET, "max_tokens": 128},
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": POCKET,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.forget_tops and not self.pairs:
            raise ValueError(
                f"no p of utility_tops {self.utility_tops} is as large as a q of forget_tops {self.forget_tops}; add "
                "one, or leave forget_tops empty to do without the set difference"
            )
        if not (self.radii or self.sparsities or self.pairs):
            raise ValueError("radii, sparsities and forget_tops are all empty: name at least one value")

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(q, p) of the set difference; the cited code leaves out p < q, which usually did worse."""
        return [(q, p) for q in self.forget_tops for p in self.utility_tops if p >= q]

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield one model per setting; a draw of noise keeps its direction over all radii, random pruning its order.

        Changed are the linear maps inside the blocks. Embedding, head, biases and normalisation gains stay: they have
        no counterpart of a matrix norm that would make one radius mean the same in a tied and an untied model.
        """
        both_sides = data.forget and (data.utility_items or data.unrelated)
        if not (self.radii or self.sparsities or both_sides):
            raise NotApplicable("The attacker owns no forget documents here, or no other text.")
        lacking = "The set difference is left out: the attacker owns no forget documents here, or no other text."
        yield from remarked(self._every(lm, data, seed=seed), lacking if self.pairs and not both_sides else "")

    def _every(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        weights = [linear.weight for linear in linear_maps(lm.model).values()]
        if self.radii:
            yield from self._noise(weights, seed=seed)
        for share in self.sparsities:
            with pruned(weights, (lowest(weight.detach().abs(), share) for weight in weights)):
                yield Point(0, f"magnitude s={share:g}")
        for share in self.sparsities:
            with pruned(weights, random_masks(weights, share, seed=seed)):
                yield Point(0, f"random s={share:g}")
        if self.pairs and data.forget and (data.utility_items or data.unrelated):
            yield from self._difference(lm, data, weights, seed=seed)

    def _noise(self, weights: Sequence[Tensor], *, seed: int) -> Iterator[Point]:
        generator = torch.Generator().manual_seed(seed)
        for draw in range(1, self.draws + 1):
            directions = unit_directions(weights, generator)
            for radius in self.radii:
                with perturbed(weights, scaled(directions, weights, radius)):
                    yield Point(0, f"radius={radius:g} draw={draw}")

    def _difference(self, lm: LM, data: AttackerData, weights: Sequence[Tensor], *, seed: int) -> Iterator[Point]:
        """Prune what forget documents need and other text does not; the budget is the tokens of those documents."""
        documents = self._documents(lm, data.forget, seed=seed)
        forget = importance(lm.model, documents, weights)
        utility = importance(lm.model, self._kept(lm, data, seed=seed), weights)
        for q, p in self.pairs:
            sides = zip(weights, forget, utility, strict=True)
            masks = (difference(f.to(weight.device), u.to(weight.device), q=q, p=p) for weight, f, u in sides)
            with pruned(weights, masks):
                yield Point(sum(map(tokens, documents)), f"difference q={q:g} p={p:g}")

    def _kept(self, lm: LM, data: AttackerData, *, seed: int) -> list[Batch]:
        """Solved questions about retained knowledge, with the answers as targets; without any, unrelated documents.

        2409.18025 has questions (MMLU) against DPO and NPO and documents (WikiText) against RMU.
        """
        if not data.utility_items:
            return self._documents(lm, data.unrelated, seed=seed)
        items = _some(data.utility_items, self.documents, seed=seed)
        solved = encode_pairs(lm.tokenizer, items, max_tokens=self.max_tokens)
        return [pad_pairs([pair], pad_id=pad_id(lm)) for pair in solved]

    def _documents(self, lm: LM, texts: Sequence[str], *, seed: int) -> list[Batch]:
        rows = encode(lm.tokenizer, _some(texts, self.documents, seed=seed), max_tokens=self.max_tokens)
        return [pad([row], pad_id=pad_id(lm)) for row in rows]


def unit_directions(weights: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Gaussian matrices of Frobenius norm 1, drawn on the CPU so that a seed means the same on every device."""
    noise = [torch.randn(weight.shape, generator=generator) for weight in weights]
    return [(each / each.norm()).to(weight) for each, weight in zip(noise, weights, strict=True)]


def scaled(directions: Sequence[Tensor], weights: Sequence[Tensor], radius: float) -> list[Tensor]:
    """Directions stretched to ``radius`` times the norm of their weights."""
    return [radius * weight.detach().norm() * direction for direction, weight in zip(directions, weights, strict=True)]


@contextmanager
def pruned(weights: Sequence[Tensor], masks: Iterable[Tensor]) -> Iterator[None]:
    """Inside the block the weights are 0 where their masks say so; a mask is made when its matrix is reached."""
    with restored(weights):
        for weight, mask in zip(weights, masks, strict=True):
            weight.data.masked_fill_(mask, 0)
        yield


def lowest(scores: Tensor, share: float) -> Tensor:
    """Mask of the lowest ``round(share * n)`` of n scores, in their shape; among equal ones the first go first."""
    order = scores.flatten().argsort(stable=True)
    mask = torch.zeros(len(order), dtype=torch.bool, device=scores.device)
    mask[order[: round(share * len(order))]] = True
    return mask.view_as(scores)


def random_masks(weights: Sequence[Tensor], share: float, *, seed: int) -> Iterator[Tensor]:
    """Masks of this share of every matrix, drawn on the CPU; under one seed those of a smaller share lie inside."""
    generator = torch.Generator().manual_seed(seed)
    for weight in weights:
        yield lowest(torch.rand(weight.shape, generator=generator), share).to(weight.device)


def difference(forget: Tensor, utility: Tensor, *, q: float, p: float) -> Tensor:
    """Mask of the top q by the first scores without the top p by the second, within one matrix (2409.18025).

    As in ethz-spylab/unlearning-vs-safety@349b774 src/set_difference_pruning/alignment-attribution-code/lib/prune.py,
    which rounds the two numbers down.
    """
    return lowest(-forget, q) & ~lowest(-utility, p)


def importance(model: PreTrainedModel, texts: Sequence[Batch], weights: Sequence[Tensor]) -> list[Tensor]:
    """How much each weight matters to texts: the mean over them of ``|w * dL/dw|`` (2409.18025), kept on the CPU.

    L is the mean negative log-likelihood over the targets of one text, so gradients of different texts cannot cancel.
    The cited code reads windows of 1,024 tokens whose last 50 are targets, or what the unlearned model itself writes.
    Every gradient is used and freed as soon as backward reaches it: beside the model there is one more copy of the
    weights, not two.

    Args:
        model: Its other parameters are left alone.
        texts: One row each.
        weights: What is scored.
    """
    scores = [torch.zeros_like(weight, requires_grad=False) for weight in weights]
    with _differentiated(weights):
        hooks = [
            weight.register_post_accumulate_grad_hook(partial(_collect, score))  # type: ignore[no-untyped-call]
            for weight, score in zip(weights, scores, strict=True)
        ]
        try:
            for text in texts:
                torch.autograd.backward(mean_nll(model, text.to(model.device)), inputs=list(weights))
        finally:
            for hook in hooks:
                hook.remove()
    return [(score / len(texts)).cpu() for score in scores]


def _collect(score: Tensor, weight: Tensor) -> None:
    if weight.grad is not None:
        score += (weight.detach() * weight.grad).abs()
    weight.grad = None


@contextmanager
def _differentiated(weights: Sequence[Tensor]) -> Iterator[None]:
    """Inside the block gradients by these weights can be had; ``requires_grad`` and ``grad`` end as they were."""
    found = [(weight.requires_grad, weight.grad) for weight in weights]
    for weight in weights:
        weight.requires_grad, weight.grad = True, None
    try:
        yield
    finally:
        for weight, (required, grad) in zip(weights, found, strict=True):
            weight.requires_grad, weight.grad = required, grad


def _some(known: Sequence[T], count: int, *, seed: int) -> list[T]:
    """At most so many, in an order drawn by the seed."""
    return random.Random(seed).sample(list(known), min(count, len(known)))
