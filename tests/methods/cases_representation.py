"""Representation methods, ELM and TAR-lite: what they are tried with, and the formulas of their papers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from harness.api import LM, Corpora
from harness.train import adapted
from methods.circuit_breakers import CircuitBreakers
from methods.elm import ELM
from methods.repselect import RepSelect
from methods.rmu_lat import RMULAT
from methods.tar_lite import TARLite
from tests.methods.formula import BOTH, Formula, log_p, mean_over_tokens, rows_of

SHORT: dict[str, Any] = {"lr": 1e-3, "steps": 3, "warmup": 1, "batch_size": 4}
CB: dict[str, Any] = {**SHORT, "layers": (1, -1), "retain_batch_size": 4}
LAT: dict[str, Any] = {**SHORT, "layer": 1, "train_layers": (0, 1), "attack_layer": 0, "inner_steps": 3}
ELM_SHORT: dict[str, Any] = {**SHORT, "train_layers": (0, -1), "eta": 3.0}
TAR: dict[str, Any] = {**SHORT, "inner_steps": 4, "inner_every": 2, "inner_lrs": (1e-3, 3e-3)}
SELECT: dict[str, Any] = {"lr": 0.1, "steps": 3, "components": 4, "budget": 5.0, "elicitation_lr": 0.1}
CASES: list[Any] = [
    CircuitBreakers(**CB, lora_rank=0),
    CircuitBreakers(**CB, lora_rank=2),
    CircuitBreakers(**CB, lora_rank=0, orthogonality=5.0),
    RMULAT(**LAT),
    RMULAT(**LAT, lora_rank=2, updates_per_attack=2),
    ELM(**ELM_SHORT, lora_rank=0),
    ELM(**ELM_SHORT, lora_rank=2, retain="gd"),
    RepSelect(**SELECT),
    RepSelect(**SELECT, collapse="hard"),
    TARLite(**TAR, lora_rank=0),
    TARLite(**TAR, lora_rank=2),
    TARLite(**TAR, lora_rank=0, safeguard_steps=2),
]


def states(lm: LM, text: Tensor, block: int) -> Tensor:
    """States (T, D) behind a block of the three, before the final norm, from a hook."""
    seen: list[Tensor] = []
    hook = lm.model.get_submodule(f"model.layers.{block}").register_forward_hook(lambda *given: seen.append(given[2]))
    lm.model(text[None])
    hook.remove()
    return seen[0][0]


def maps(lm: LM, last: int) -> list[Tensor]:
    """Weights of the linear maps of the blocks up to one."""
    named = dict(lm.model.named_parameters())
    return [named[name] for name in named if any(f"layers.{i}." in name and "_proj" in name for i in range(last + 1))]


def into(lm: LM, trained: Sequence[Tensor], found: Sequence[Tensor]) -> list[Tensor]:
    """One tensor per parameter of the model: the found ones, and zeros for what does not train."""
    given = {id(weight): part for weight, part in zip(trained, found, strict=True)}
    return [given.get(id(weight), torch.zeros_like(weight)) for weight in lm.model.parameters()]


def circuit_breakers(lm: LM, corpora: Corpora) -> Sequence[Tensor]:
    """2406.04313: cosines at blocks 0 and 1 at a point set off by 1e-6 a weight; the retain weight starts at 0."""
    texts = rows_of(lm, corpora.forget)
    before = [[states(lm, text, block).detach() for text in texts] for block in (0, 1)]
    trained, noise = maps(lm, 1), torch.Generator().manual_seed(0)
    for weight in trained:
        weight.data.add_(1e-6 * torch.randn(weight.shape, generator=noise).double())
    cosines = []
    for block in (0, 1):
        for text, old in zip(texts, before[block], strict=True):
            new = states(lm, text, block)
            cosines.append((new * old).sum(-1) / (new.norm(dim=-1) * old.norm(dim=-1)))
    loss = torch.cat(cosines).clamp(min=0).mean()
    return into(lm, trained, torch.autograd.grad(loss, trained))


def under(lm: LM, text: Tensor, delta: Tensor) -> Tensor:
    """Log-likelihoods (T-1,) of a text, with a perturbation added to as many of its tokens as both have."""
    both = min(len(text), len(delta))

    def add(*given: Any) -> Tensor:
        return torch.cat([given[2][:, :both] + delta[:both], given[2][:, both:]], dim=1)

    hook = lm.model.get_submodule("model.layers.0.mlp").register_forward_hook(add)
    found = log_p(lm, text).gather(1, text[1:, None])[:, 0]
    hook.remove()
    return found


def attacked(lm: LM, text: Tensor, retain: Tensor, *, steps: int, lr: float, radius: float) -> Tensor:
    """2407.15549: projected Adam on the MLP output of block 0, one text made likely and another unlikely, (T, D)."""
    delta = torch.zeros(len(text), 32, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=lr)
    for _ in range(steps):
        away = [-(1 - one.exp()).log() if one >= -5 else 0 * one for one in under(lm, retain, delta)]
        loss = -under(lm, text, delta).mean() + sum(away) / len(away)
        (delta.grad,) = torch.autograd.grad(loss, [delta])
        optimizer.step()
        with torch.no_grad():
            delta.div_((delta.norm(dim=-1, keepdim=True) / radius).clamp(min=1))
    return delta.detach()


def rmu_lat(lm: LM, corpora: Corpora) -> Sequence[Tensor]:
    """RMU's forget loss at block 1 under the attack; the retain term has no gradient at the start."""
    unit = torch.rand(32, generator=torch.Generator().manual_seed(0))
    target, found = 6.5 * (unit / unit.norm()).double(), []
    for text, retain in zip(rows_of(lm, corpora.forget), rows_of(lm, corpora.retain), strict=True):
        delta = attacked(lm, text, retain, steps=3, lr=0.05, radius=0.5)
        mlp = lm.model.get_submodule("model.layers.0.mlp")
        hook = mlp.register_forward_hook(lambda *given, delta=delta: given[2] + delta)
        found.append(states(lm, text, 1) - target)
        hook.remove()
    down = lm.model.get_submodule("model.layers.0.mlp.down_proj").weight
    return into(lm, [down], torch.autograd.grad(torch.cat(found).square().mean(), [down]))


def novice(lm: LM, ids: Tensor, corpora: Corpora) -> Tensor:
    """2410.02760: target (T-1, V) of one document, eta rising from 1 to 3, temperature 1.2, 50 tokens kept."""
    assert corpora.personas is not None
    assert ids[0] != lm.tokenizer.bos_token_id

    def behind(prompt: str) -> Tensor:
        before = torch.tensor(lm.tokenizer(prompt)["input_ids"], dtype=torch.long)
        return log_p(lm, torch.cat([before, ids]))[len(before) :].detach()

    strength = torch.linspace(1, 3, len(ids) - 1, dtype=torch.float64)[:, None]
    moved = behind("") + strength * (behind(corpora.personas.novice) - behind(corpora.personas.expert))
    least = moved.sort(descending=True).values[:, 49:50]
    return torch.where(moved < least, -torch.inf, moved / 1.2).softmax(-1)


def tamper_resistance(lm: LM, corpora: Corpora) -> Sequence[Tensor]:
    """2408.00761: 3 times tamper gradients after steps 2 and 4 of an attack on 3 documents, plus the retain NLL's."""
    held_out, *attacked = rows_of(lm, Random(0).sample(list(corpora.forget), 4))  # as the seed mixes them
    weights = list(lm.model.parameters())
    found = list(torch.autograd.grad(mean_over_tokens(lm, corpora.retain), weights))
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    for done in range(1, 5):
        nll = torch.cat([-log_p(lm, ids).gather(1, ids[1:, None])[:, 0] for ids in attacked]).mean()
        for weight, part in zip(weights, torch.autograd.grad(nll, weights), strict=True):
            weight.grad = part
        optimizer.step()
        if done % 2 == 0:
            log = log_p(lm, held_out)
            tampered = torch.autograd.grad((log.exp() * log).sum(-1).mean(), weights)
            share = 3 * math.exp((done - 4) / 16)
            found = [whole + share * part for whole, part in zip(found, tampered, strict=True)]
    return found


def damped(matrix: Tensor, vectors: Tensor, sizes: Tensor) -> Tensor:
    """Coordinates of the rows along each vector divided by its size over the smallest one."""
    for vector, size in zip(vectors, sizes / sizes.min(), strict=True):
        along = matrix @ vector
        matrix = matrix + torch.outer(along / size - along, vector)
    return matrix


def repselect(lm: LM, corpora: Corpora) -> Sequence[Tensor]:
    """2606.17168: one SGD step of adapters, the gradient behind it, damped along 4 directions on both sides."""
    names = [name for name, _ in lm.model.named_modules() if ".mlp." in name and name.endswith("_proj")]
    with adapted(lm.model, rank=8, seed=0, only=names) as adapters:
        first = [adapters[name].lora_A["default"].weight.detach().clone() for name in names]
    weights = [lm.model.get_submodule(name).weight for name in names]
    start = torch.autograd.grad(mean_over_tokens(lm, corpora.forget), weights)
    for weight, slope, a in zip(weights, start, first, strict=True):
        b = -0.1 * 2 * slope @ a.T
        weight.data.add_(2 * b @ a)
    found = []
    for part in torch.autograd.grad(-mean_over_tokens(lm, corpora.forget), weights):
        left, sizes, right = torch.linalg.svd(part)
        one_sided = damped(part, right[:4], sizes[:4])
        found.append(damped(one_sided.T, left.T[:4], sizes[:4]).T)
    return into(lm, weights, found)


FORMULAS: Mapping[str, Formula] = {
    "circuit_breakers": Formula(CircuitBreakers(**BOTH, layers=(0, 1), lora_rank=0), circuit_breakers),
    "rmu_lat": Formula(RMULAT(**BOTH, layer=1, train_layers=(0,), attack_layer=0, epsilon=0.5, inner_steps=3), rmu_lat),
    "repselect": Formula(
        RepSelect(lr=1e-4, steps=1, components=4, elicitation_lr=0.1, batch_size=4, budget=9.0), repselect
    ),
}
