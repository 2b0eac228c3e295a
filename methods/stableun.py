"""StableUN (2509.20230), our reconstruction: the paper's algorithm listing and its constants are not public.

Known from reviews: a temporary forgetting step; feedback of both losses there, the forget loss at perturbed weights;
two branches that each carry half of the nominal gradient (eq. 11); the forget branch is projected against the retain
branch (eq. 12); the branches are added (eq. 13). Ours: the formulas of the perturbations, first-order gradients, the
guard of eq. 12's denominator, and every constant (spec: methods 1.3-1.5). ``split="clean"`` keeps the forget gradient
out of the retain branch, so that a conflict cannot bring it back in with another weight. In adapters lengths and angles
depend on how a product is split into factors, unless ``metric`` says otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Forget,
    Move,
    Paired,
    Term,
    Vector,
    approach,
    ascent,
    descent,
    displaced,
    forget_loss,
    pad_id,
    products,
    retain_loss,
    root_mean_squares,
    sides,
    standard_normal,
    stretched,
    tensor_scales,
    total,
    total_gradient,
    trained,
    wide_copy,
)

_log = logging.getLogger(__name__)
BASES: Mapping[str, Forget] = {"npo": "preference", "simnpo": "simple", "ga": "ascent"}
GUARD = 1e-6
"""Share of the forget branch in the projection's denominator: matters only if the retain branch is 1000x smaller."""
FAINT = "the retain branch has %.1e of the length of the forget branch: its direction is mostly noise"
"""What is logged, as a warning, at every step where that share is below 1e-2 (spec: methods 1.4b)."""

Gradient = Callable[[float], list[Tensor]]
"""A factor times the gradient of a loss at the weights as they stand; the tensors are the caller's to change."""


@dataclass(frozen=True)
class Gradients:
    """What a step may ask, on its own batches.

    Attributes:
        nominal: Of the forget loss, for the temporary step.
        feedback: Of the forget loss on the batch of the feedback, the same one or a fresh one.
        retain: Of the retain loss.
    """

    nominal: Gradient
    feedback: Gradient
    retain: Gradient


@dataclass
class Average:
    """Running average of the weights, started after a warm-up."""

    warmup: int
    decay: float
    weights: list[Tensor] | None = None

    def update(self, params: Vector, updates: int) -> None:
        """Take in the weights after this many updates."""
        if updates < self.warmup:
            return
        if self.weights is None:
            self.weights = wide_copy(params)
        else:
            approach(self.weights, params, share=1 - self.decay)


@dataclass(frozen=True)
class Memory:
    """What a run carries from step to step: hws's average and the source of gpn's draws."""

    average: Average
    noise: torch.Generator


def harmonised(
    forget: Vector,
    retain: Vector,
    *,
    project: Literal["off", "conflict", "always"],
    scope: Literal["global", "module"] = "global",
    scales: Tensor | None = None,
) -> list[Tensor]:
    """Eqs. 12 and 13: take the retain direction out of the forget branch where they conflict, then add both.

    Args:
        forget: Forget branch.
        retain: Retain branch.
        project: When to take it out: never, on a negative inner product (2407.10494), or always (2509.23362).
        scope: Where branches are compared: as one vector, or in every weight tensor by itself as public PRISM code does
            (Tsuzukii/PRISM@ea89bc6 MUSE/baselines/baselines/sam_iterative.py).
        scales: Length units of the tensors, see :mod:`harness.train.vectors`.
    """
    if project == "off":
        return list(torch._foreach_add(list(forget), list(retain)))
    pairs = ((forget, retain), (retain, retain), (forget, forget))
    each = torch.stack([products(left, right, scales) for left, right in pairs])  # (3, tensors)
    whole = each.sum(dim=1, keepdim=True)
    _note_faint(whole[1], whole[2])
    overlap, kept, pushed = each if scope == "module" else whole.expand_as(each)
    share = overlap / (kept + GUARD * pushed + 1e-12)
    found = stretched(retain, 1 - (share if project == "always" else torch.where(overlap < 0, share, 0.0)))
    torch._foreach_add_(found, list(forget))
    return found


def _note_faint(kept: Tensor, pushed: Tensor) -> None:
    """Log how short the retain branch is where that matters; both are squares."""
    ratio = float((kept / (pushed + 1e-38)).sqrt())
    if ratio < 1e-2:
        _log.warning(FAINT, ratio)


def branches(
    nominal: Vector, forget: list[Tensor], retain: list[Tensor], *, split: Literal["paper", "clean"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Eq. 11: the forget and the retain branch, in the tensors of the feedbacks, which come weighted."""
    torch._foreach_add_(forget, list(nominal), alpha=1.0 if split == "clean" else 0.5)
    if split == "paper":
        torch._foreach_add_(retain, list(nominal), alpha=0.5)
    return forget, retain


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "rho": 0.1,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Carried over from the pocket, not tuned on small models; documents are cut to 512 tokens (docs/pocket_tuning.md)."""

MUSE: Mapping[str, object] = {"lr": 1e-5, "warmup": 0, "beta": 0.1, "reduce": "sum", "max_tokens": 2048}
"""Of its nearest neighbour, SAM on NPO (npo_sam), and not tuned: nothing is published (spec: methods 1.5)."""


@dataclass(frozen=True)
class StableUN(Paired):
    """Feedback-guided multi-point unlearning: forgets at perturbed weights too (reconstruction)."""

    lr: float = param(5e-6, "Peak learning rate (7B; nearest neighbour, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    warmup: int = param(12, "Updates of linear warm-up; also before the weight average starts.", ge=0)
    base: Literal["npo", "simnpo", "ga"] = param("npo", "Forget loss.", choices=("npo", "simnpo", "ga"))
    families: tuple[Literal["sap", "gpn", "gap", "hws"], ...] = param(
        ("sap",), "Perturbations whose feedback is averaged.", choices=("sap", "gpn", "gap", "hws")
    )
    draws: int = param(1, "Random draws of gpn per update.", ge=1)
    rho: float = param(0.01, "Radius of sap and cap of gap, L2 over all weights (2502.05374).", ge=0)
    rho_rel: float = param(3e-4, "Size of gpn's noise relative to each tensor's norm.", ge=0)
    gap_step: float = param(0.01, "Gap's step in units of the gradient (mu).", ge=0)
    average_share: float = param(0.5, "Hws: how far towards the running average of the weights.", ge=0, le=1)
    average_decay: float = param(0.95, "Hws: decay of that average per update.", ge=0, le=1)
    inner: Literal["sgd", "unit"] = param(
        "unit", "Temporary step along the gradient, or of length alpha.", choices=("sgd", "unit")
    )
    alpha: float | None = param(None, "Size of the temporary step; none means rho.", ge=0)
    forget_feedback: float = param(1.0, "Weight of the forget gradient at perturbed weights (lambda_f).", ge=0)
    retain_feedback: float = param(2.25, "Weight of the retain gradient (lambda_r; 2502.05374's retain weight).", ge=0)
    query_batch: Literal["same", "fresh"] = param(
        "same", "Forget batch of the feedback: the temporary step's or its own (2407.10494).", choices=("same", "fresh")
    )
    split: Literal["paper", "clean"] = param("paper", "Where the nominal gradient goes.", choices=("paper", "clean"))
    project: Literal["off", "conflict", "always"] = param(
        "conflict", "When branches are harmonised.", choices=("off", "conflict", "always")
    )
    scope: Literal["global", "module"] = param(
        "global", "Branches are compared as one vector, or tensor by tensor (2509.23362).", choices=("global", "module")
    )
    metric: Literal["euclid", "lora_invariant"] = param(
        "euclid", "Unit of length: 1, or each tensor's norm (for adapters).", choices=("euclid", "lora_invariant")
    )
    beta: float = param(0.015, "Inverse temperature of npo and simnpo, for means over tokens (2502.05374).", gt=0)
    reduce: Literal["sum", "mean"] = param(
        "mean", "Npo: likelihood of a document or per token.", choices=("sum", "mean")
    )
    forget_weight: float = param(1.0, "Weight of the forget loss wherever it is evaluated.", gt=0)
    retain: Literal["gd", "kl"] = param("gd", "Retain term: NLL, or KL from the original model.", choices=("gd", "kl"))

    version: ClassVar[int] = 2
    family: ClassVar[str] = "weight-space"
    core: ClassVar[bool] = True
    citation: ClassVar[str] = "2509.20230"
    fidelity: ClassVar[Fidelity] = "approximate"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "rho")
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
        "muse-news": {**MUSE, "steps": 10 * 102, "retain_feedback": 1.0},
        "muse-books": {**MUSE, "steps": 139, "retain_feedback": 2.5},
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if not self.families:
            raise ValueError("families is empty; name at least one of sap, gpn, gap, hws")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Follow :meth:`step_gradient` for ``steps`` updates."""
        data = sides(lm, corpora, self, seed=seed)
        memory = Memory(Average(self.warmup, self.average_decay), torch.Generator(lm.model.device).manual_seed(seed))
        with trained(lm, self, seed=seed) as params:
            mean, rows = self.reduce == "mean", data.forget_rows
            disliked, unit = forget_loss(
                lm.model, BASES[self.base], rows, pad_id=pad_id(lm), beta=self.beta, per_token=mean
            )
            kept = retain_loss(lm.model, self.retain)

            def direction(step: int) -> list[Tensor]:
                x_f, x_r = next(data.forget), next(data.retain)
                x_q = next(data.forget) if self.query_batch == "fresh" else x_f
                ask = Gradients(
                    lambda factor: total_gradient(params, Term(disliked, x_f, factor * self.forget_weight, unit)),
                    lambda factor: total_gradient(params, Term(disliked, x_q, factor * self.forget_weight, unit)),
                    lambda factor: total_gradient(params, Term(kept, x_r, factor)),
                )
                return self.step_gradient(params, ask, memory)

            for updates in descent(params, direction, steps=self.steps, lr=self.lr, warmup=self.warmup):
                if "hws" in self.families:
                    memory.average.update(params, updates)

    def step_gradient(self, params: Vector, ask: Gradients, memory: Memory) -> list[Tensor]:
        """One update's gradient: nominal at the weights, feedbacks at the temporary point, harmonised.

        Args:
            params: The weights, displaced inside and put back bit for bit.
            ask: Gradients at the weights as they stand.
            memory: Of the steps before.
        """
        scales = tensor_scales(params, self.metric)
        nominal = ask.nominal(1.0)
        size = self.rho if self.alpha is None else self.alpha
        factor, down = ascent(nominal, radius=size, scales=scales)
        inner = [(-(factor if self.inner == "unit" else size), down)] if size else []
        with displaced(params) as place:
            place(*inner)
            kept = ask.retain(self.retain_feedback)
            pushed = total(self._feedbacks(params, ask.feedback, lambda *moves: place(*inner, *moves), scales, memory))
        forget, retain = branches(nominal, pushed, kept, split=self.split)
        return harmonised(forget, retain, project=self.project, scope=self.scope, scales=scales)

    def _feedbacks(
        self,
        params: Vector,
        forget: Gradient,
        place: Callable[..., None],
        scales: Tensor | None,
        memory: Memory,
    ) -> Iterator[list[Tensor]]:
        """Each point's share of the forget feedback; ``place`` starts from the temporary point, where weights stand."""
        draws = {family: self.draws if family == "gpn" else 1 for family in self.families}
        for number, family in enumerate(name for name in self.families for _ in range(draws[name])):
            if number:
                place()
            place(self._move(params, forget, family, scales, memory))
            yield forget(self.forget_feedback / (len(self.families) * draws[family]))

    def _move(self, params: Vector, forget: Gradient, family: str, scales: Tensor | None, memory: Memory) -> Move:
        """From the temporary point to the one whose feedback is asked; the loss falls by forgetting, so up is back."""
        if family == "gpn":
            return self.rho_rel, stretched(standard_normal(params, memory.noise), root_mean_squares(params))
        if family == "hws":
            ends = params if memory.average.weights is None else memory.average.weights
            here = [weight.detach() for weight in params]
            return self.average_share, torch._foreach_sub([end.detach() for end in ends], here)
        factor, up = ascent(forget(1.0), radius=self.rho, scales=scales)
        return (factor if family == "sap" else min(self.gap_step, factor)), up
