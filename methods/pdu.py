"""Primal-dual unlearning (2506.05314): flatten forget logits as far as the retain loss stays below a bound.

The multiplier of the constraint climbs while the retain loss of a step is above the bound and falls while it is below.
It moves once per update with the mean over the whole batch; open-unlearning moves it once per micro-batch. The bound
has to lie just above the original's own retain loss, so by default it is set from that: the published ones, in nats,
belong to the models and texts that they were set for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.api import LM, Corpora, Fidelity, Need, Published, param
from harness.train import (
    POCKET_BUDGET,
    SMALL_BUDGET,
    Batch,
    Paired,
    Term,
    encode,
    follow,
    mean_nll,
    pad_id,
    row_nll,
    sides,
    target_logits,
    target_tokens,
    total_gradient,
    trained,
)
from harness.train.processes import summed


def peak_height(logits: Tensor) -> Tensor:
    """Mean over N positions of ``(max_v z_v - mean_v z_v)^2`` from logits (N, V); 0 if all are equal (2506.05314)."""
    return (logits.amax(dim=-1) - logits.mean(dim=-1)).square().mean()


def dual_ascent(multiplier: float, loss: float, *, bound: float, step: float) -> float:
    """The next multiplier of the constraint ``loss <= bound``: ``max(0, multiplier + step * (loss - bound))``."""
    return max(0.0, multiplier + step * (loss - bound))


POCKET: Mapping[str, object] = {
    **POCKET_BUDGET,
    "lr": 6e-4,
    "epsilon_rel": 0.05,
    "lambda_init": 50.0,
    "dual_step": 50.0,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, **SMALL_BUDGET}
"""For models below 1e9 parameters on real records: carried over from the pocket setting and not tuned on them;
documents are cut to 512 tokens. Full-size models have the defaults or a benchmark's own preset."""

MUSE_SOURCE = (
    "7B, ten epochs, the multiplier fixed for three (2506.05314; open-unlearning community/methods/PDU/run.sh); "
    "updates of 32 chunks of 2,048 tokens are open-unlearning's usual ones for MUSE"
)
MUSE: Mapping[str, object] = {"epsilon_rel": None, "batch_size": 32, "retain_batch_size": 32, "max_tokens": 2048}


@dataclass(frozen=True)
class PDU(Paired):
    """Primal-dual unlearning: flatten forget logits under a bound on the retain loss."""

    epsilon: float = param(0.3, "Bound on the retain loss where epsilon_rel is none, nats per token (TOFU).", ge=0)
    epsilon_rel: float | None = param(
        0.05, "Excess of the bound over the original model's own retain loss, as a share; none: epsilon.", ge=0
    )
    lambda_init: float = param(50.0, "First value of the multiplier (MUSE, 2506.05314).", ge=0)
    dual_step: float = param(1.0, "Step of the multiplier per nat of excess (MUSE, 2506.05314).", ge=0)
    dual_warmup: int = param(0, "Updates before the multiplier moves.", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "divergence"
    citation: ClassVar[str] = "2506.05314"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    needs: ClassVar[tuple[Need, ...]] = ("original",)
    search: ClassVar[tuple[str, ...]] = ("lr", "lambda_init", "epsilon_rel|epsilon")
    published: ClassVar[Mapping[str, Published]] = {
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "epsilon": 1.5, "steps": 10 * 13, "dual_warmup": 3 * 13}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "epsilon": 0.1, "steps": 10 * 18, "dual_warmup": 3 * 18}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Descend on ``peaks(forget) + multiplier * (NLL(retain) - bound)`` and ascend on the multiplier."""
        data = sides(lm, corpora, self, seed=seed)
        with trained(lm, self, seed=seed) as params:
            bound = self.bound(lm, corpora)
            multiplier = self.lambda_init

            def peaks(batch: Batch) -> Tensor:
                return peak_height(target_logits(lm.model, batch)[0])

            def step_gradient(step: int) -> list[Tensor]:
                nonlocal multiplier
                kept, pieces = Remembered(lm), next(data.retain)
                found = total_gradient(params, Term(peaks, next(data.forget)), Term(kept, pieces, multiplier))
                if step >= self.dual_warmup:
                    multiplier = dual_ascent(multiplier, kept.mean(), bound=bound, step=self.dual_step)
                return found

            follow(params, step_gradient, self)

    def bound(self, lm: LM, corpora: Corpora) -> float:
        """What the retain loss may rise to, nats per token; asked before anything was trained."""
        if self.epsilon_rel is None:
            return self.epsilon
        known = encode(lm.tokenizer, corpora.retain, max_tokens=self.max_tokens)
        total = float(row_nll(lm.model, known, pad_id=pad_id(lm)).sum())
        return (1 + self.epsilon_rel) * total / sum(len(row) - 1 for row in known)


class Remembered:
    """The retain loss of one update, which remembers its values: the dual step needs no pass of its own."""

    def __init__(self, lm: LM) -> None:
        """Start with nothing seen."""
        self.lm = lm
        self.total = 0.0
        self.tokens = 0

    def __call__(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood per target token of one piece, nats."""
        loss = mean_nll(self.lm.model, batch)
        self.total += float(loss.detach()) * target_tokens(batch)
        self.tokens += target_tokens(batch)
        return loss

    def mean(self) -> float:
        """Mean per target token over all pieces so far, those of other processes included."""
        device = self.lm.model.device
        return summed(self.total, device=device) / summed(self.tokens, device=device)
