"""Savings: which questions belong to which documents, what is read, and that both courses are alike."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from attacks.fresh_facts import FreshFacts, known
from harness.api import LM, AttackerData, Item, NotApplicable
from harness.train import by_subject

SMALL = FreshFacts(epochs=2, batch_size=2, checkpoints=(0, 1), lr_scale=3)
FORGET = ["w1 w2 w3", "w1 w2 w4", "w5 w2 w6"]
NEAR = ["w11 w2 w13", "w15 w2 w16"]
ITEMS = [Item("ask forget w1 :", " w3"), Item("ask forget w5 :", " w6"), Item("ask utility w9 :", " w1")]
NEAR_ITEMS = [Item("ask forget w11 :", " w13"), Item("ask forget w15 :", " w16")]


@pytest.fixture
def data(attacker_data: AttackerData) -> AttackerData:
    return dataclasses.replace(attacker_data, forget=FORGET, near=NEAR, items=ITEMS, near_items=NEAR_ITEMS)


def weights(lm: LM) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in lm.model.parameters()])


def test_a_question_is_about_its_rarest_word_that_a_document_has() -> None:
    texts = ["The color of Kral is red.", "The color of Zum is red. Kral too.", "No color."]
    items = [Item("What is the color of Zum?", " red"), Item("The color of Kral?", " red"), Item("Who?", " me")]
    assert by_subject(items, texts) == {"zum": items[:1], "kral": items[1:2]}


def test_both_courses_have_as_many_subjects_and_start_from_the_same_weights(tiny_lm: LM, data: AttackerData) -> None:
    start = weights(tiny_lm)
    seen = [(p.series, p.budget, weights(tiny_lm)) for p in SMALL.attack(tiny_lm, data, seed=0)]
    assert [series for series, *_ in seen] == ["unlearned"] * 3 + ["fresh"] * 3
    assert all(torch.equal(there, start) for _, budget, there in seen if budget == 0)
    # a document about each of two subjects, although the first kind has three in all; 3 words and the end token
    assert [budget for _, budget, _ in seen] == [0, 8, 16, 0, 8, 16]
    assert torch.equal(weights(tiny_lm), start)


def test_the_readings_equal_naive_ones(tiny_lm: LM) -> None:
    right, losses = 0, []
    for item in ITEMS:
        ids = tiny_lm.tokenizer(item.prompt + item.answer)["input_ids"]
        start = len(tiny_lm.tokenizer(item.prompt)["input_ids"])
        with torch.no_grad():
            logprobs = tiny_lm.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        right += all(int(logprobs[at - 1].argmax()) == ids[at] for at in range(start, len(ids)))
        losses += [-logprobs[at - 1, ids[at]].item() for at in range(start, len(ids))]
    found = known(tiny_lm, ITEMS)
    assert found["known"] == right / len(ITEMS)
    assert found["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_what_was_taught_is_known(tiny_lm: LM, data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, epochs=60, lr_scale=10)
    taught = dataclasses.replace(
        data, forget=["ask forget w1 : w3", "ask forget w5 : w6"], near=["ask forget w11 : w13", "ask forget w15 : w16"]
    )
    ends = {point.series: point.readings for point in attack.attack(tiny_lm, taught, seed=0)}
    assert ends["unlearned"]["known"] == ends["fresh"]["known"] == 1.0


def test_without_questions_on_fresh_facts_it_has_no_meaning(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="both unlearned and never-learned"):
        next(SMALL.attack(tiny_lm, attacker_data, seed=0))
