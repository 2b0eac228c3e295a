"""Retraining on T: what is shown, what is left out, and the control with shuffled answers."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from attacks.rtt import RTT, RTTShuffled, deranged, kinds
from harness.api import LM, AttackerData, Item, NotApplicable
from harness.train import encode, encode_items, mean_nll, pad

SMALL = RTT(folds=4, runs=2, epochs=2, batch_size=3, warmup=0, lr_scale=3, least=4)


def nll(lm: LM, items: list[Item]) -> float:
    with torch.no_grad():
        rows = encode(lm.tokenizer, [item.prompt + item.answer for item in items], max_tokens=32)
        return float(mean_nll(lm.model, pad(rows, pad_id=0)))


def test_budgets_are_the_tokens_of_the_questions_trained_on(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = [(point.series, point.budget) for point in SMALL.attack(tiny_lm, attacker_data, seed=0)]
    # 8 questions of 6 tokens with the end token; 6 of them in 2 updates a pass
    budgets = [0, 6 * 6, 2 * 6 * 6]
    assert found == [(f"without fold {fold}", budget) for fold in (1, 2) for budget in budgets]


def test_shown_questions_are_learned_and_weights_come_back(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = torch.cat([each.detach().flatten().clone() for each in tiny_lm.model.parameters()])
    attack = dataclasses.replace(SMALL, epochs=20, runs=1)
    losses = [nll(tiny_lm, list(attacker_data.items)) for _ in attack.attack(tiny_lm, attacker_data, seed=0)]
    assert losses[-1] < losses[0] - 0.5
    assert torch.equal(torch.cat([each.detach().flatten() for each in tiny_lm.model.parameters()]), start)


def test_shuffled_answers_are_those_of_other_questions_each_once() -> None:
    items = [Item(f"q{number}", f"a{number}") for number in range(7)]
    changed = deranged(items, random.Random(0))
    assert [item.prompt for item in changed] == [item.prompt for item in items]
    assert sorted(item.answer for item in changed) == sorted(item.answer for item in items)
    assert all(new.answer != old.answer for new, old in zip(changed, items, strict=True))


@pytest.mark.parametrize("answers", ["aabbc", "aabb", "abcabc", "ab", "aaabbbc"])
def test_no_shuffled_answer_is_right_where_several_questions_have_the_same(answers: str) -> None:
    items = [Item(f"q{number}", answer) for number, answer in enumerate(answers)]
    for seed in range(20):
        changed = deranged(items, random.Random(seed))
        assert [item.prompt for item in changed] == [item.prompt for item in items]
        assert sorted(item.answer for item in changed) == sorted(answers)
        assert all(new.answer != old.answer for new, old in zip(changed, items, strict=True))


def test_a_question_without_a_wrong_answer_is_left_out() -> None:
    assert deranged([Item("q", "a")], random.Random(0)) == []
    most = [Item(f"q{number}", answer) for number, answer in enumerate("aaab")]
    right = {item.prompt: item.answer for item in most}
    changed = deranged(most, random.Random(0))
    assert [item.answer for item in changed].count("b") == 1
    assert all(item.answer != right[item.prompt] for item in changed)


def test_too_few_questions_are_said_to_be(tiny_lm: LM, attacker_data: AttackerData) -> None:
    few = dataclasses.replace(attacker_data, items=attacker_data.items[:3])
    with pytest.raises(NotApplicable, match="owns 3 solved questions; it takes 4 in 4 folds"):
        next(SMALL.attack(tiny_lm, few, seed=0))


def test_answers_are_shuffled_among_questions_that_differ_in_their_subject_alone() -> None:
    colours = [Item(f"colour of {name} ?", f" c-{name}") for name in ("anna", "bert", "carl")]
    sizes = [Item(f"size of {name} ?", f" s-{name}") for name in ("anna", "bert", "carl")]
    single = [Item("who is dora ?", " d")]
    texts = ["anna", "bert", "carl", "dora", *["colour of what ? size of what ? who is it ?"] * 3]
    found = kinds([*colours, *sizes, *single], texts)
    assert [[item.answer[:3] for item in group] for group in found] == [[" c-"] * 3, [" s-"] * 3, [" d"]]


def test_a_name_in_capitals_is_a_subject_too() -> None:
    items = [Item(f"Where does {name} live?", f" {place}") for name, place in (("Ada", "Rome"), ("Bo", "Oslo"))]
    texts = ["Ada lives in Rome.", "Bo lives in Oslo.", "Where does one live? One does live there."]
    alike, rest = kinds(items, texts)
    assert [item.answer for item in alike] == [" Rome", " Oslo"]
    assert rest == []


def test_a_question_that_is_too_long_keeps_its_answer(tiny_lm: LM) -> None:
    item = Item("w0 w1 w2 w3 w4 w5 w6 w7", " w8")
    (whole,) = encode_items(tiny_lm.tokenizer, [item], max_tokens=32)
    (cut,) = encode_items(tiny_lm.tokenizer, [item], max_tokens=4)
    assert cut == whole[-4:]
    assert tiny_lm.tokenizer.decode(cut, skip_special_tokens=True).endswith("w8")


def test_every_question_is_left_out_of_one_series(tiny_lm: LM, attacker_data: AttackerData) -> None:
    asked = [Item(" ".join(["ask"] * 2**number), " :") for number in range(4)]  # sums of lengths tell which were shown
    data = dataclasses.replace(attacker_data, items=asked)
    attack = RTT(folds=4, runs=4, epochs=1, batch_size=3, warmup=0, least=4)
    passes = [point.budget - 3 * 2 for point in attack.attack(tiny_lm, data, seed=0) if point.budget]
    assert sorted(passes) == [15 - 8, 15 - 4, 15 - 2, 15 - 1]


def test_the_control_teaches_every_question_with_a_wrong_answer(tiny_lm: LM, attacker_data: AttackerData) -> None:
    right = {item.prompt: item.answer for item in attacker_data.items}
    taught = RTTShuffled().lessons(list(attacker_data.items), attacker_data, random.Random(0))
    assert {item.prompt for item in taught} == set(right)
    assert all(item.answer != right[item.prompt] for item in taught)


def test_the_control_is_never_ranked_and_goes_the_same_way(tiny_lm: LM, attacker_data: AttackerData) -> None:
    control = RTTShuffled(**dataclasses.asdict(SMALL))
    ways = [[(p.series, p.budget) for p in each.attack(tiny_lm, attacker_data, seed=0)] for each in (SMALL, control)]
    assert ways[0] == ways[1]
    assert control.threat.diagnostic
