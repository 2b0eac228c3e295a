"""StableUN (2509.20230), our reconstruction: the paper's algorithm listing and its constants are not public.

Known from reviews: a temporary forgetting step; feedback of both losses there, the forget loss at perturbed weights;
two branches that each carry half of the nominal gradient (eq. 11); the forget branch is projected against the retain
branch (eq. 12); the branches are added (eq. 13). Ours: the formulas of the perturbations, first-order gradients, the
guard of eq. 12's denominator, and every constant (spec: methods 1.3-1.5). ``split="clean"`` keeps the forget gradient
out of the retain branch, so that a conflict cannot bring it back in with another weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.api import LM, Corpora, Fidelity, param
from harness.train import (
    Paired,
    combined,
    descent,
    dot,
    forget_preference,
    gradient,
    norm,
    pad_id,
    perturbed,
    retain_loss,
    rows,
    scaled,
    sides,
    trained,
)

GUARD = 1e-6
"""Share of the forget branch in the projection's denominator: matters only if the retain branch is 1000x smaller."""

Vector = Sequence[Tensor]
Gradient = Callable[[], Vector]


def harmonised(forget: Vector, retain: Vector, *, project: Literal["off", "conflict", "always"]) -> list[Tensor]:
    """Eqs. 12 and 13: take the retain direction out of the forget branch where they conflict, then add both.

    Args:
        forget: Forget branch.
        retain: Retain branch.
        project: When to take it out: never, on a negative inner product (2407.10494), or always (2509.23362).
    """
    overlap = dot(forget, retain)
    if project == "off" or (project == "conflict" and overlap >= 0):
        return combined((1.0, forget), (1.0, retain))
    share = overlap / (dot(retain, retain) + GUARD * dot(forget, forget) + 1e-12)
    return combined((1.0, forget), (1.0 - share, retain))


def branches(
    nominal: Vector, forget: Vector, retain: Vector, *, split: Literal["paper", "clean"]
) -> tuple[Vector, Vector]:
    """Eq. 11: the forget and the retain branch; feedbacks come weighted."""
    if split == "clean":
        return combined((1.0, nominal), (1.0, forget)), retain
    return combined((0.5, nominal), (1.0, forget)), combined((0.5, nominal), (1.0, retain))


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
            self.weights = [weight.detach().clone() for weight in params]
        else:
            torch._foreach_lerp_(self.weights, [weight.detach() for weight in params], 1 - self.decay)


POCKET: Mapping[str, object] = {
    "lr": 6e-4,
    "steps": 60,
    "warmup": 10,
    "rho": 0.1,
    "beta": 0.1,
    "forget_weight": 0.3,
    "retain": "kl",
    "batch_size": 8,
    "retain_batch_size": 16,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Chosen on dev items: docs/pocket_tuning.md."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4, "retain_batch_size": 4}
"""For models below 1e9 parameters on real records: carried over from pocket-muse and not tuned on them; documents are
cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""


@dataclass(frozen=True)
class StableUN(Paired):
    """Feedback-guided multi-point unlearning: NPO that also forgets at perturbed weights (reconstruction)."""

    lr: float = param(5e-6, "Peak learning rate (7B; nearest neighbour, 2502.05374).", gt=0)
    steps: int = param(125, "Updates (2502.05374).", ge=1)
    warmup: int = param(12, "Updates of linear warm-up; also before the weight average starts.", ge=0)
    families: tuple[Literal["sap", "gpn", "gap", "hws"], ...] = param(
        ("sap",), "Perturbations whose feedback is averaged.", choices=("sap", "gpn", "gap", "hws")
    )
    draws: int = param(1, "Random draws of gpn per update.", ge=1)
    rho: float = param(0.01, "Radius of sap and cap of gap, L2 over all weights (2502.05374).", ge=0)
    rho_rel: float = param(3e-4, "Size of gpn's noise relative to each tensor's norm.", ge=0)
    gap_step: float = param(0.01, "Gap's step in units of the gradient (mu).", ge=0)
    average_share: float = param(0.5, "Hws: how far towards the running average of the weights.", ge=0, le=1)
    average_decay: float = param(0.95, "Hws: decay of that average per update.", ge=0, le=1)
    inner: Literal["sgd", "unit"] = param("unit", "Temporary step along the gradient, or of length alpha.")
    alpha: float | None = param(None, "Size of the temporary step; none means rho.", ge=0)
    forget_feedback: float = param(1.0, "Weight of the forget gradient at perturbed weights (lambda_f).", ge=0)
    retain_feedback: float = param(2.25, "Weight of the retain gradient (lambda_r; 2502.05374's retain weight).", ge=0)
    split: Literal["paper", "clean"] = param("paper", "Where the nominal gradient goes.", choices=("paper", "clean"))
    project: Literal["off", "conflict", "always"] = param("conflict", "When branches are harmonised.")
    beta: float = param(0.015, "NPO's inverse temperature for means over tokens (2502.05374).", gt=0)
    reduce: Literal["sum", "mean"] = param("mean", "Likelihood of a document or per token.", choices=("sum", "mean"))
    forget_weight: float = param(1.0, "Weight of NPO wherever it is evaluated.", gt=0)
    retain: Literal["gd", "kl"] = param("gd", "Retain term: NLL, or KL from the original model.", choices=("gd", "kl"))

    version: ClassVar[int] = 2
    family: ClassVar[str] = "weight-space"
    citation: ClassVar[str] = "2509.20230"
    fidelity: ClassVar[Fidelity] = "approximate"
    search: ClassVar[tuple[str, ...]] = ("lr", "forget_weight", "rho")
    published: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if not self.families:
            raise ValueError("families is empty; name at least one of sap, gpn, gap, hws")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Follow :meth:`step_gradient` for ``steps`` updates."""
        data = sides(lm, corpora, self, seed=seed)
        average = Average(self.warmup, self.average_decay)
        noise = torch.Generator().manual_seed(seed)
        with trained(lm, self, seed=seed) as params:
            disliked = forget_preference(
                lm.model, data.forget_rows, pad_id=pad_id(lm), beta=self.beta, per_token=self.reduce == "mean"
            )
            kept = retain_loss(lm.model, self.retain)

            def direction(step: int) -> list[Tensor]:
                x_f, x_r = next(data.forget), next(data.retain)
                return self.step_gradient(
                    params,
                    lambda: scaled(gradient(params, disliked, x_f, weight=rows), self.forget_weight),
                    lambda: gradient(params, kept, x_r),
                    average=average,
                    noise=noise,
                )

            for updates in descent(params, direction, steps=self.steps, lr=self.lr, warmup=self.warmup):
                if "hws" in self.families:
                    average.update(params, updates)

    def step_gradient(
        self, params: Vector, forget: Gradient, retain: Gradient, *, average: Average, noise: torch.Generator
    ) -> list[Tensor]:
        """One update's gradient: nominal at the weights, feedbacks at the temporary point, harmonised.

        Args:
            params: The weights, displaced inside and put back bit for bit.
            forget: Gradient of the forget loss at the weights as they stand, on this step's batch.
            retain: Likewise of the retain loss.
            average: Running average of the weights, for hws.
            noise: Source of gpn's draws.
        """
        nominal = forget()
        length = self.rho if self.alpha is None else self.alpha
        factor = length / (norm(nominal) + 1e-12) if self.inner == "unit" else length
        with perturbed(params, scaled(nominal, -factor)):
            kept = scaled(retain(), self.retain_feedback)
            feedback = [_mean(self._at_points(params, forget, family, average, noise)) for family in self.families]
        pushed = scaled(_mean(feedback), self.forget_feedback)
        return harmonised(*branches(nominal, pushed, kept, split=self.split), project=self.project)

    def _at_points(
        self, params: Vector, forget: Gradient, family: str, average: Average, noise: torch.Generator
    ) -> Iterator[Vector]:
        for _ in range(self.draws if family == "gpn" else 1):
            with perturbed(params, self._displacement(params, forget, family, average, noise)):
                yield forget()

    def _displacement(
        self, params: Vector, forget: Gradient, family: str, average: Average, noise: torch.Generator
    ) -> list[Tensor]:
        """From the temporary point to the one whose feedback is asked; the loss falls by forgetting, so up is back."""
        if family == "gpn":
            return [_relative_noise(weight.detach(), self.rho_rel, noise) for weight in params]
        if family == "hws":
            ends = params if average.weights is None else average.weights
            apart = torch._foreach_sub([end.detach() for end in ends], [weight.detach() for weight in params])
            return scaled(apart, self.average_share)
        uphill = forget()
        longest = self.rho / (norm(uphill) + 1e-12)
        return scaled(uphill, longest if family == "sap" else min(self.gap_step, longest))


def _relative_noise(weight: Tensor, size: float, noise: torch.Generator) -> Tensor:
    drawn: Tensor = torch.randn(weight.shape, generator=noise).to(weight)
    return drawn.mul_(size * weight.norm() / weight.numel() ** 0.5)


def _mean(vectors: Iterator[Vector] | Sequence[Vector]) -> list[Tensor]:
    given = list(vectors)
    return combined(*((1 / len(given), vector) for vector in given))
