"""Linear probes: the regression, that subjects are kept apart, and that what is written into a state is found."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from attacks.linear_probe import LinearProbe, bags, learnable, ridge
from harness.api import LM, AttackerData, Item, NotApplicable

SMALL = LinearProbe(folds=4, least=8)


def questions() -> list[Item]:
    """Two questions about each of eight subjects; every answer is one of two words."""
    return [Item(f"ask {kind} w{at} :", f" w{40 + at % 2}") for at in range(8) for kind in ("forget", "utility")]


@pytest.fixture
def data(attacker_data: AttackerData) -> AttackerData:
    return dataclasses.replace(attacker_data, items=questions(), forget=[f"w{at} w50 w51" for at in range(8)])


def test_the_regression_equals_the_naive_one() -> None:
    chance = torch.Generator().manual_seed(0)
    features, asked = (torch.randn(rows, 5, generator=chance, dtype=torch.float64) for rows in (9, 3))
    targets = torch.nn.functional.one_hot(torch.arange(9) % 2, 2)
    mean, spread = features.mean(0), features.std(0)
    known, level = (features - mean) / spread, targets.double().mean(0)
    weights = torch.linalg.inv(known.T @ known + 0.3 * torch.eye(5)) @ known.T @ (targets - level)
    torch.testing.assert_close(ridge(features, targets, asked, 0.3), (asked - mean) / spread @ weights + level)


def test_questions_about_one_subject_are_in_one_fold() -> None:
    folds = SMALL._folds([2, 3, 1, 2, 4], seed=0).split([2, 3, 1, 2, 4])
    assert all(len(set(fold.tolist())) == 1 for fold in folds)
    assert {int(fold[0]) for fold in folds} == {0, 1, 2, 3}


def test_states_are_those_of_the_last_token_whatever_the_padding(tiny_lm: LM) -> None:
    items = [Item("ask forget w1 :", ""), Item("ask w2 w3 w4 w5 forget w1 :", "")]
    together = SMALL._last_states(tiny_lm, items)
    for at, item in enumerate(items):
        with torch.no_grad():
            hidden = tiny_lm.model(**tiny_lm.tokenizer(item.prompt, return_tensors="pt"), output_hidden_states=True)
        torch.testing.assert_close(together[0, at].float(), hidden.hidden_states[1][0, -1])
        alone = SMALL._last_states(tiny_lm, [item])
        torch.testing.assert_close(together[:, at], alone[:, 0])


def test_what_is_written_into_a_state_is_read_and_the_text_alone_does_not_tell_it(
    tiny_lm: LM, data: AttackerData, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = torch.randn(2, 16, 3, generator=torch.Generator().manual_seed(0))
    noise[1, :, 0] += torch.tensor([30.0 * (at // 2 % 2) for at in range(16)])
    monkeypatch.setattr(LinearProbe, "_last_states", lambda self, lm, items: noise)
    (point,) = SMALL.attack(tiny_lm, data, seed=0)
    assert point.readings["block 1"] == 1.0
    assert point.readings["block 0"] < 0.9
    assert point.readings["text alone"] <= 0.5


def test_a_bag_holds_each_word_of_a_question_once() -> None:
    assert bags([Item("a b b", ""), Item("B c", "")]).tolist() == [[1, 1, 0], [0, 1, 1]]


def test_too_few_questions_are_said_to_be(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="Of 8 solved questions that the attacker owns, 0 have"):
        next(LinearProbe().attack(tiny_lm, attacker_data, seed=0))


def test_questions_whose_answer_holds_for_nobody_else_are_left_out() -> None:
    asked = [[Item("a", " red"), Item("b", " one")], [Item("c", " red"), Item("d", " two"), Item("e", " two")]]
    assert [[item.prompt for item in kept] for kept in learnable(asked)] == [["a"], ["c"]]
