"""The precision that a method trains in: what is rounded, what the passes see, and that the model ends as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.api import LM, Corpora
from harness.train import Batch, Training, encode, linear_maps, mean_nll, pad, pad_id, trainable, trained
from methods.npo_sam import NPOSAM
from methods.task_vector import TaskVector

TEXTS = ["the fox sleeps in the den", "a crow sits on the roof"]


@pytest.fixture
def batch(tiny_lm: LM) -> Batch:
    rows = encode(tiny_lm.tokenizer, TEXTS, max_tokens=16)
    return pad(rows, pad_id=pad_id(tiny_lm))


@pytest.fixture
def corpora() -> Corpora:
    return Corpora(forget=TEXTS, retain=["the river runs to the sea", "a crow sits on the den"])


def snapshot(lm: LM) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainable(lm.model)])


@pytest.mark.parametrize(
    ("precision", "weights", "passes"),
    [
        ("fp32", torch.float32, torch.float32),
        ("mixed", torch.float32, torch.bfloat16),
        ("bf16", torch.bfloat16, torch.bfloat16),
    ],
)
def test_weights_and_passes_have_the_precision_that_was_asked_for(
    precision: str, weights: torch.dtype, passes: torch.dtype, tiny_lm: LM, batch: Batch
) -> None:
    how = replace(Training(), precision=precision)  # type: ignore[arg-type]
    with trained(tiny_lm, how, seed=0) as params:
        assert {weight.dtype for weight in params} == {weights}
        assert tiny_lm.model(input_ids=batch.input_ids).logits.dtype == passes
    assert {weight.dtype for weight in tiny_lm.model.parameters()} == {torch.float32}


def test_weights_of_16_bits_end_rounded_and_adapters_are_not(tiny_lm: LM) -> None:
    before = snapshot(tiny_lm)
    with trained(tiny_lm, Training(precision="bf16", lora_rank=2), seed=0) as params:
        assert {weight.dtype for weight in params} == {torch.float32}
    assert torch.equal(snapshot(tiny_lm), before.bfloat16().float())


def test_a_pass_in_mixed_precision_sees_weights_that_were_displaced_in_between(tiny_lm: LM, batch: Batch) -> None:
    with trained(tiny_lm, Training(precision="mixed"), seed=0):
        first = mean_nll(tiny_lm.model, batch)
        with torch.no_grad():
            for linear in linear_maps(tiny_lm.model).values():
                linear.weight.mul_(1.5)
        assert mean_nll(tiny_lm.model, batch).item() != first.item()


@pytest.mark.parametrize("precision", ["mixed", "bf16"])
def test_a_large_perturbation_counts_in_every_precision(precision: str, tiny_lm: LM, corpora: Corpora) -> None:
    found = []
    start = [weight.detach().clone() for weight in trainable(tiny_lm.model)]
    for rho in (0.0, 3.0):
        with torch.no_grad():
            for weight, before in zip(trainable(tiny_lm.model), start, strict=True):
                weight.copy_(before)
        NPOSAM(lr=1e-2, steps=2, batch_size=2, rho=rho, precision=precision).unlearn(tiny_lm, corpora, seed=0)  # type: ignore[arg-type]
        found.append(snapshot(tiny_lm))
    assert not torch.equal(*found)


def test_rounding_is_no_part_of_a_task_vector(tiny_lm: LM, corpora: Corpora) -> None:
    before = snapshot(tiny_lm)
    TaskVector(lr=1e-12, steps=1, batch_size=2, alpha=100.0, precision="bf16").unlearn(tiny_lm, corpora, seed=0)
    torch.testing.assert_close(snapshot(tiny_lm), before, rtol=0, atol=1e-8)  # a bf16 step moves what stands at 0
