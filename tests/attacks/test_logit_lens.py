"""The logit lens equals the naive reading of hidden states."""

from __future__ import annotations

import torch

from attacks.logit_lens import LogitLens
from harness.api import LM, AttackerData


def test_each_point_is_the_hidden_state_behind_its_block_through_norm_and_head(
    tied_lm: LM, attacker_data: AttackerData
) -> None:
    ids = torch.tensor([[6, 7, 8, 9]])
    with torch.no_grad():
        hidden = tied_lm.model(ids, output_hidden_states=True).hidden_states
        expected = tied_lm.model.lm_head(tied_lm.model.model.norm(hidden[1]))
        points = LogitLens().attack(tied_lm, attacker_data, seed=0)
        found = {point.series: tied_lm.model(ids).logits for point in points}
    assert list(found) == ["block 0"]
    torch.testing.assert_close(found["block 0"], expected)


def test_the_weights_come_back(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = [weight.detach().clone() for weight in tiny_lm.model.parameters()]
    list(LogitLens().attack(tiny_lm, attacker_data, seed=0))
    assert all(torch.equal(a, b) for a, b in zip(tiny_lm.model.parameters(), start, strict=True))
