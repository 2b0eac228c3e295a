"""RMU under a latent adversary (2407.15549): activations are misdirected while a perturbation calls the knowledge up.

The adversary adds to the MLP output of one block, within a ball per token, what makes a forget document likely and,
added at the same places of a retain document, that one unlikely; several updates are made against one perturbation, on
one pair of batches (LAT@303ef74 latent_at/lat_methods.py run_rmu). Unlike there, losses are means over each document
instead of all tokens of a batch, and a document is attacked beside a retain document of its own, a new one every time
(there, the one in its place of the retain batch): so no attack depends on how batches are cut. Left out is the weight
decay of the perturbation. Letters: B batch, T tokens, D width, N target tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    BLOCK_MATRICES,
    IGNORED,
    POCKET_BUDGET,
    SMALL_BUDGET,
    Batch,
    Paired,
    Term,
    decoder_blocks,
    direction,
    follow,
    named_maps,
    pad,
    pad_id,
    shifted,
    sides,
    target_logits,
    tokens,
    total_gradient,
    toward,
    trained,
    truncated,
    unmoved,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 2e-3,
    "layer": 1,
    "attack_layer": 0,
    "train_layers": (0, 1),
    "train_matrices": BLOCK_MATRICES,
    "steering_coeff": 24.0,
    "alpha": 20.0,
    "epsilon": 1.0,
    "inner_steps": 8,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""Starting point of the search on dev items, carried over from the pocket world; documents are cut to 512 tokens."""

ZEPHYR = Published("Zephyr-7B: the defaults (2407.15549; LAT@303ef74 notebooks/wmdp_rmu_lat_config.yaml)")
FAINT = -5.0
"""Log-likelihood below which no more is asked of a retain token (LAT@303ef74 latent_at/utils.py)."""


@dataclass(frozen=True)
class RMULAT(Paired):
    """RMU that scrambles forget activations under a perturbation which makes the forget text likely."""

    lr: float = param(5e-5, "Peak learning rate of AdamW (Zephyr-7B, 2407.15549).", gt=0)
    steps: int = param(800, "Updates: 200 batches, 4 on each (2407.15549).", ge=1)
    layer: int = param(8, "Decoder block whose output is steered, from 0 (Zephyr-7B, 2407.15549).", ge=0)
    train_layers: tuple[int, ...] = param((6, 7, 8), "Blocks that train (Zephyr-7B, 2407.15549).", ge=0)
    train_matrices: tuple[str, ...] = param(("mlp.down_proj",), "Matrices that train in them (2403.03218).")
    steering_coeff: float = param(6.5, "Length of the target vector (Zephyr-7B, 2407.15549).", gt=0)
    alpha: float = param(1200.0, "Weight of the retain term (Zephyr-7B, 2407.15549).", ge=0)
    attack_layer: int = param(7, "Block whose MLP output is perturbed (Zephyr-7B, 2407.15549).", ge=0)
    epsilon: float = param(2.0, "Largest length of the perturbation of a token (2407.15549).", ge=0)
    inner_lr: float = param(5e-2, "Learning rate of the perturbation (2407.15549).", gt=0)
    inner_steps: int = param(16, "Steps of the perturbation (2407.15549).", ge=0)
    away_weight: float = param(
        1.0, "Adversary's weight on an unlikely retain document beside a likely forget document (LAT@303ef74).", ge=0
    )
    updates_per_attack: int = param(4, "Updates against one perturbation (2407.15549).", ge=1)

    version: ClassVar[int] = 2
    family: ClassVar[str] = "representation"
    citation: ClassVar[str] = "2407.15549"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original", "activations")
    search: ClassVar[tuple[str, ...]] = ("lr", "alpha", "epsilon")
    published: ClassVar[Mapping[str, Published]] = {
        "wmdp-bio": ZEPHYR,
        "wmdp-cyber": ZEPHYR,
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def __post_init__(self) -> None:
        """Check what bounds on single fields cannot."""
        if self.attack_layer > self.layer:
            raise ValueError(f"attack_layer {self.attack_layer} lies above layer {self.layer}, which would not see it")

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on RMU's loss with forget activations taken under the perturbation."""
        view = truncated(lm.model, self.layer)
        mlp = decoder_blocks(lm.model)[self.attack_layer].get_submodule("mlp")
        data = sides(lm, corpora, self, seed=seed)
        chosen = named_maps(lm.model, self.train_layers, self.train_matrices, last=self.layer)
        with trained(lm, self, seed=seed, only=chosen) as params:
            misdirected, kept = toward(view, self.steering_coeff * direction(lm.model, seed)), unmoved(view)
            terms: list[Term] = []

            def step_gradient(step: int) -> list[Tensor]:
                if step % self.updates_per_attack == 0:
                    pieces, turn = next(data.forget), step // self.updates_per_attack
                    texts = [beside(lm, data.retain_rows, piece, turn) for piece in pieces]
                    deltas = [self.attack(lm.model, piece, text) for piece, text in zip(pieces, texts, strict=True)]
                    under = against(misdirected, mlp, dict(zip(map(id, pieces), deltas, strict=True)))
                    terms[:] = [
                        Term(under, pieces, unit=tokens),
                        Term(kept, next(data.retain), self.alpha, unit=tokens),
                    ]
                return total_gradient(params, *terms)

            follow(params, step_gradient, self)

    def attack(self, model: PreTrainedModel, batch: Batch, retain: Batch) -> Tensor:
        """The perturbation (B, T, D) that makes forget rows likely and retain rows unlikely, row by row.

        Projected AdamW from 0, betas (.9, .999).

        Args:
            model: At the weights that are attacked.
            batch: Forget rows (B, T).
            retain: As many retain rows, of any length; where one is longer, nothing is added.
        """
        mlp = decoder_blocks(model)[self.attack_layer].get_submodule("mlp")
        mask = batch.attention_mask[..., None]
        delta = torch.zeros(*batch.input_ids.shape, model.config.hidden_size, dtype=model.dtype, device=model.device)
        mean, square = torch.zeros_like(delta), torch.zeros_like(delta)
        aims = [aim for aim in ((1.0, batch, unlikely), (self.away_weight, retain, likely)) if aim[0]]
        for step in range(1, self.inner_steps + 1):
            delta.requires_grad_()
            found = torch.zeros_like(delta)
            for weight, text, loss in aims:
                longer = text.input_ids.shape[1] - delta.shape[1]  # below 0 it is shorter
                with shifted(mlp, functional.pad(delta, (0, 0, 0, longer))):
                    total = weight * row_means(loss(*target_logits(model, text)), text)
                found += torch.autograd.grad(total, [delta])[0]
            mean.lerp_(found, 0.1)
            square.lerp_(found.square(), 0.001)
            ahead = (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
            delta = projected((delta.detach() - self.inner_lr * ahead) * mask, self.epsilon)
        return delta


def beside(lm: LM, rows: Sequence[Sequence[int]], batch: Batch, turn: int) -> Batch:
    """For every forget row of a batch a retain row (of ``rows``), the next one at every turn."""
    chosen = [rows[(line + turn) % len(rows)] for line in batch.index.tolist()]
    return pad(chosen, pad_id=pad_id(lm)).to(batch.input_ids.device)


def unlikely(logits: Tensor, targets: Tensor) -> Tensor:
    """``-log p`` (N,) of each target from logits (N, V)."""
    return functional.cross_entropy(logits, targets, reduction="none")


def likely(logits: Tensor, targets: Tensor) -> Tensor:
    """``-log(1 - p)`` (N,) of each target from logits (N, V), 0 where ``log p`` is below :data:`FAINT`."""
    others = logits.scatter(-1, targets[:, None], -torch.inf).logsumexp(dim=-1)
    whole = logits.logsumexp(dim=-1)
    return torch.where(unlikely(logits, targets) > -FAINT, 0.0, whole - others)


def row_means(values: Tensor, batch: Batch) -> Tensor:
    """Sum over the rows of a batch of the mean over each one's targets, from values (N,): rows do not meet."""
    counts = (batch.labels[:, 1:] != IGNORED).sum(dim=1)
    return (values / counts.repeat_interleave(counts)).sum()


def projected(delta: Tensor, radius: float) -> Tensor:
    """Every token's perturbation (..., D) cut to a length of at most ``radius``."""
    length = delta.norm(dim=-1, keepdim=True)
    return delta * (radius / length.clamp(min=radius)) if radius else torch.zeros_like(delta)


def against(
    loss: Callable[[Batch], Tensor], module: nn.Module, deltas: Mapping[int, Tensor]
) -> Callable[[Batch], Tensor]:
    """A loss with the output of a module perturbed by what belongs to the batch, given by the batch's ``id``."""

    def under(batch: Batch) -> Tensor:
        with shifted(module, deltas[id(batch)]):
            return loss(batch)

    return under
