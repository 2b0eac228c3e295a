"""Counts against loops that can be counted by hand, on a Llama of two layers."""

from __future__ import annotations

import copy
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from harness.api import LM
from harness.cost import Meter, decoder_layers
from harness.train import displaced, perturbed

IDS = torch.arange(12).reshape(2, 6)  # (B,T)


def backward(model: nn.Module) -> None:
    model(input_ids=IDS, labels=IDS).loss.backward()


def test_a_training_step_is_one_forward_one_backward_and_one_step(tiny_lm: LM) -> None:
    optimizer = torch.optim.AdamW(tiny_lm.model.parameters(), lr=1e-3)
    with Meter(tiny_lm.model) as meter:
        for _ in range(3):
            backward(tiny_lm.model)
            optimizer.step()
    cost = meter.cost()
    assert (cost.forwards, cost.backwards, cost.steps, cost.tokens) == (3, 3, 3, 36)


def test_the_optimisers_share_is_what_adamw_keeps(tiny_lm: LM) -> None:
    weights = list(tiny_lm.model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    with Meter(tiny_lm.model) as meter:
        backward(tiny_lm.model)
        optimizer.step()
    cost, numbers = meter.cost(), sum(weight.numel() for weight in weights)
    assert cost.trained_parameters == numbers
    assert cost.optimizer_bytes == 8 * numbers + 4 * len(weights)  # two moments in fp32, and a count per tensor


def test_the_time_of_a_step_leaves_out_the_first_ones(tiny_lm: LM) -> None:
    optimizer = torch.optim.SGD(tiny_lm.model.parameters(), lr=0.0)
    with Meter(tiny_lm.model) as meter:
        for pause in (0.2, 0.2, 0.2, 0.2, 0.01, 0.01, 0.01):
            time.sleep(pause)
            optimizer.step()
    assert 0.01 <= meter.cost().step_seconds < 0.1


def test_passes_of_all_processes_count_and_their_time_does_not_add_up(
    tiny_lm: LM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cost.summed", lambda value, device: 2 * value)
    optimizer = torch.optim.SGD(tiny_lm.model.parameters(), lr=0.0)
    with Meter(tiny_lm.model) as meter:
        backward(tiny_lm.model)
        optimizer.step()
    cost = meter.cost()
    assert (cost.forwards, cost.backwards, cost.tokens, cost.token_forwards, cost.steps) == (2, 2, 24, 24, 1)


def test_what_happens_in_a_pause_belongs_to_no_step(tiny_lm: LM) -> None:
    optimizer = torch.optim.SGD(tiny_lm.model.parameters(), lr=0.0)
    with Meter(tiny_lm.model) as meter:
        for _ in range(12):
            optimizer.step()
            optimizer.step()
            with meter.paused():
                time.sleep(0.05)
    assert meter.cost().step_seconds < 0.05


@pytest.mark.parametrize(("size", "share"), [(1e-9, 0.0), (1.0, 1.0)])
def test_a_perturbation_of_16_bit_weights_tells_how_many_it_moved(tiny_lm: LM, size: float, share: float) -> None:
    weight = torch.ones(8, dtype=torch.bfloat16)
    with Meter(tiny_lm.model) as meter, perturbed([weight], [torch.full_like(weight, size)]):
        pass
    assert meter.cost().visible_share == share


def test_weights_that_are_put_back_are_no_perturbation(tiny_lm: LM) -> None:
    weight = torch.ones(8, dtype=torch.bfloat16)
    with Meter(tiny_lm.model) as meter, displaced([weight]) as place:
        place()
    assert meter.cost().visible_share is None


def test_a_forward_without_gradients_has_no_backward(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter, torch.no_grad():
        tiny_lm.model(input_ids=IDS)
    assert (meter.cost().forwards, meter.cost().backwards) == (1, 0)


def test_gradients_taken_without_backward_count_too(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter:
        torch.autograd.grad(tiny_lm.model(input_ids=IDS, labels=IDS).loss, list(tiny_lm.model.parameters()))
    assert meter.cost().backwards == 1


class Enough(Exception):
    """Ends a forward pass inside the model."""


def stop(*_: object) -> None:
    raise Enough


def test_a_forward_cut_after_one_of_two_layers_counts_one_half(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter:
        handle = decoder_layers(tiny_lm.model)[1].register_forward_pre_hook(stop)
        with pytest.raises(Enough):
            tiny_lm.model(input_ids=IDS)
        handle.remove()
    assert (meter.cost().forwards, meter.cost().tokens) == (0.5, 12)


def test_a_loss_on_the_first_layer_costs_half_a_backward(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter:
        hidden = tiny_lm.model(input_ids=IDS, output_hidden_states=True).hidden_states[1]
        hidden.square().sum().backward()
    assert meter.cost().backwards == 0.5


def test_a_frozen_copy_made_inside_counts_too(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter, torch.no_grad():
        copy.deepcopy(tiny_lm.model)(input_ids=IDS)
    assert meter.cost().forwards == 1


class Wrapped(nn.Module):
    """As an adapter library wraps a model."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, **inputs: torch.Tensor) -> object:
        return self.inner(**inputs)


def test_a_model_that_is_wrapped_inside_is_still_counted(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter:
        backward_wrapped = Wrapped(tiny_lm.model)
        backward_wrapped(input_ids=IDS, labels=IDS)
    assert meter.cost().forwards == 1


def test_nothing_counts_while_paused_or_after_the_end(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter:
        with meter.paused():
            backward(tiny_lm.model)
            time.sleep(0.2)
        backward(tiny_lm.model)
    backward(tiny_lm.model)
    assert (meter.cost().forwards, meter.cost().backwards) == (1, 1)


def test_the_clock_stands_still_while_paused(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model) as meter, meter.paused():
        time.sleep(0.3)
    assert meter.cost().seconds < 0.2


def peaks_can_be_reset() -> bool:
    """Whether this kernel forgets a peak of resident memory when asked; some sandboxes do not."""
    probe = """
from pathlib import Path
def peak(): return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
bytes(b"1" * 200_000_000)
before = peak()
Path("/proc/self/clear_refs").write_text("5")
assert peak() < before - 100_000
"""
    return subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0


def test_the_peak_of_memory_is_that_of_the_stage_not_of_what_ran_before(tiny_lm: LM) -> None:
    if not peaks_can_be_reset():
        pytest.skip("this kernel cannot reset a process's peak of memory, so a stage's own peak cannot be read")
    before = torch.zeros(50_000_000)
    del before
    with Meter(tiny_lm.model) as small:
        pass
    with Meter(tiny_lm.model) as large:
        torch.zeros(50_000_000).add_(1)
    assert large.cost().peak_memory_bytes - small.cost().peak_memory_bytes > 150_000_000


def test_no_hook_is_left_behind(tiny_lm: LM) -> None:
    with Meter(tiny_lm.model):
        pass
    assert not any(layer._forward_hooks for layer in decoder_layers(tiny_lm.model))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_tokens_forward_and_backward_do_not_depend_on_micro_batches(tiny_lm: LM, parts: int) -> None:
    ids = torch.arange(32).reshape(4, 8)
    with Meter(tiny_lm.model) as meter:
        for piece in ids.chunk(parts):
            tiny_lm.model(input_ids=piece).logits.sum().backward()
    assert (meter.cost().token_forwards, meter.cost().token_backwards) == (32, 32)
