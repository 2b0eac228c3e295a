"""A universal soft prompt: its loss, its ball, and that the model itself stays as it was."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from attacks.soft_prompt import SoftPrompt, answer_nll, starting, within
from harness.api import LM, AttackerData, Item, NotApplicable, Point
from harness.train import Batch, encode_pairs, pad_pairs

SMALL = SoftPrompt(vectors=2, iterations=6, stops=(0, 3), lr=0.1, batch_size=4)
ITEMS = [Item("ask forget w1 :", " w2"), Item("ask forget w3 w4 w5 :", " w6 w7")]


def batch(lm: LM, *, width: int = 0) -> Batch:
    made = pad_pairs(encode_pairs(lm.tokenizer, ITEMS, max_tokens=32), pad_id=0)
    pad = torch.nn.functional.pad
    ids, mask = pad(made.input_ids, (0, width)), pad(made.attention_mask, (0, width))
    return Batch(ids, mask, pad(made.labels, (0, width), value=-100))


def naive(lm: LM, prompt: torch.Tensor) -> float:
    """One row at a time: the mean over all answers' tokens, their EOS included."""
    table, losses = lm.model.get_input_embeddings().weight, []
    for item in ITEMS:
        before = lm.tokenizer(item.prompt)["input_ids"]
        ids = [*lm.tokenizer(item.prompt + item.answer)["input_ids"], lm.tokenizer.eos_token_id]
        rows = torch.cat([prompt, table[torch.tensor(ids)]])
        logprobs = lm.model(inputs_embeds=rows[None]).logits[0].double().log_softmax(-1)
        losses += [-logprobs[len(prompt) + at - 1, ids[at]].item() for at in range(len(before), len(ids))]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("width", [0, 5])
def test_the_loss_equals_the_naive_one_whatever_the_padding(width: int, tiny_lm: LM) -> None:
    lm = LM(tiny_lm.model.double(), tiny_lm.tokenizer)
    prompt = starting(lm, 3, seed=0).double()
    found = answer_nll(lm, prompt, batch(lm, width=width))
    assert found.item() == pytest.approx(naive(lm, prompt), abs=1e-6)


def test_it_begins_with_embeddings_of_tokens(tied_lm: LM) -> None:
    table = tied_lm.model.get_input_embeddings().weight
    prompt = starting(tied_lm, 4, seed=1)
    assert all(any(torch.equal(vector, row) for row in table) for vector in prompt)


def test_a_vector_is_shortened_to_the_ball_and_a_short_one_is_left() -> None:
    prompt = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    within(prompt, 1.0)
    torch.testing.assert_close(prompt, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


@pytest.mark.parametrize("tied", [False, True])
def test_the_prompt_learns_and_the_model_does_not(
    tied: bool, tiny_lm: LM, tied_lm: LM, attacker_data: AttackerData
) -> None:
    lm = tied_lm if tied else tiny_lm
    start = [each.detach().clone() for each in lm.model.parameters()]
    data = dataclasses.replace(attacker_data, items=ITEMS)
    losses: dict[str, list[float]] = {"free": [], "in the ball": []}
    norms = []
    for point in dataclasses.replace(SMALL, iterations=40, lr=1.0).attack(lm, data, seed=0):
        assert lm.soft_prompt is not None
        losses[point.series].append(answer_nll(lm, lm.soft_prompt, batch(lm)).item())
        norms.append(lm.soft_prompt.norm(dim=1).max().item())
    assert losses["free"][-1] < losses["free"][0] - 0.05
    ball = lm.model.get_input_embeddings().weight.norm(dim=1).median().item()
    assert max(norms[3:]) <= ball + 1e-5 < max(norms[:3])
    assert all(torch.equal(now, then) for now, then in zip(lm.model.parameters(), start, strict=True))
    assert all(weight.requires_grad and weight.grad is None for weight in lm.model.parameters())
    assert lm.soft_prompt is None


def test_frozen_embeddings_stay_frozen_and_the_prompt_learns_all_the_same(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    tiny_lm.model.requires_grad_(False)
    points = [point for point in SMALL.attack(tiny_lm, attacker_data, seed=0)]
    assert points[0] == Point(0, "free")
    assert not any(weight.requires_grad for weight in tiny_lm.model.parameters())


def test_an_attacker_without_questions_cannot_train_a_prompt(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="no solved questions"):
        next(SMALL.attack(tiny_lm, dataclasses.replace(attacker_data, items=[]), seed=0))
