import dataclasses

import pytest
import torch

from attacks.finetune_near import FinetuneNear
from attacks.finetune_unrelated import FinetuneUnrelated
from harness.api import LM, Attack, AttackerData, NotApplicable, Point, Verdict
from harness.course import follow_points
from harness.train import encode, mean_nll, pad

NEAR = FinetuneNear(steps=10, batch_size=4, lr_scale=5)
UNRELATED = FinetuneUnrelated(steps=10, batch_size=4, lr_scale=5)
BOTH = pytest.mark.parametrize(("attack", "corpus"), [(NEAR, "near"), (UNRELATED, "unrelated")])


def nll(lm: LM, texts: list[str]) -> float:
    with torch.no_grad():
        return float(mean_nll(lm.model, pad(encode(lm.tokenizer, texts, max_tokens=32), pad_id=0)))


@BOTH
def test_it_learns_its_own_corpus(attack: Attack, corpus: str, tiny_lm: LM, attacker_data: AttackerData) -> None:
    texts = getattr(attacker_data, corpus)
    start = nll(tiny_lm, texts)
    losses = [nll(tiny_lm, texts) for _ in attack.attack(tiny_lm, attacker_data, seed=0)]
    assert losses[-1] < start - 0.5


@BOTH
def test_it_uses_no_forget_token(attack: Attack, corpus: str, tiny_lm: LM, attacker_data: AttackerData) -> None:
    only = AttackerData([], [], [], [], [], 1e-3)
    data = dataclasses.replace(only, **{corpus: getattr(attacker_data, corpus)})
    assert {point.budget for point in attack.attack(tiny_lm, data, seed=0)} == {0}


@BOTH
def test_the_weights_come_back(attack: Attack, corpus: str, tiny_lm: LM, attacker_data: AttackerData) -> None:
    start = [each.detach().clone() for each in tiny_lm.model.parameters()]
    list(attack.attack(tiny_lm, attacker_data, seed=0))
    assert all(torch.equal(now, then) for now, then in zip(tiny_lm.model.parameters(), start, strict=True))


@BOTH
def test_without_its_corpus_it_is_not_applicable(
    attack: Attack, corpus: str, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    with pytest.raises(NotApplicable):
        list(attack.attack(tiny_lm, dataclasses.replace(attacker_data, **{corpus: []}), seed=0))


def test_a_broken_model_is_mended_and_attacked_again(tiny_lm: LM, attacker_data: AttackerData) -> None:
    solved = [item.prompt + item.answer for item in attacker_data.utility_items]
    found: dict[str, float] = {}

    def judge(point: Point) -> Verdict:
        found[point.series] = nll(tiny_lm, solved)
        return Verdict(0.0, 0.1, 0.1)

    attack = FinetuneNear(steps=2, repair_steps=20, repair_lr_scale=3)
    follow_points(attack, tiny_lm, attacker_data, seed=0, judge=judge)
    assert list(found) == ["before", "", "repaired", "repaired, then near"]
    assert found["repaired"] < found["before"] - 0.5


def test_a_model_that_works_is_not_mended(tiny_lm: LM, attacker_data: AttackerData) -> None:
    seen: list[str] = []

    def judge(point: Point) -> Verdict:
        seen.append(point.series)
        return Verdict(0.0, 0.9, 0.9)

    follow_points(FinetuneNear(steps=2), tiny_lm, attacker_data, seed=0, judge=judge)
    assert seen == ["before", ""]
