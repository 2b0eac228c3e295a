"""The searched worst case: what it tries, what it is told, that every trial starts afresh and a cut search goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from attacks.relearn_swept import PENALTY, RelearnSwept
from harness.api import LM, AttackerData, NotApplicable, Point, Verdict
from harness.course import follow_points

SMALL = RelearnSwept(trials=6, most_steps=8, batch_size=4, repair_steps=3)


def weights(lm: LM) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in lm.model.parameters()])


def searched(
    lm: LM, data: AttackerData, attack: RelearnSwept = SMALL, *, seed: int = 0, given: float = 1.0
) -> list[tuple[Point, torch.Tensor]]:
    """Every point with the weights there; the attacker hears that rate alone helps, and that nothing costs utility."""
    seen: list[tuple[Point, torch.Tensor]] = []

    def judge(point: Point) -> Verdict:
        seen.append((point, weights(lm)))
        rate = float(point.series.split("rate x")[1].split(",")[0]) if "rate x" in point.series else 0.0
        return Verdict(rate / 10, given, given)

    follow_points(attack, lm, data, seed=seed, judge=judge)
    return seen


def series(seen: list[tuple[Point, torch.Tensor]]) -> list[str]:
    return list(dict.fromkeys(point.series for point, _ in seen))


def test_the_first_half_is_the_same_for_every_model_and_the_second_follows_what_it_was_told(
    make: Callable[[], LM], attacker_data: AttackerData
) -> None:
    told = series(searched(make(), attacker_data))
    other: list[str] = []

    def contrary(point: Point) -> Verdict:
        other.append(point.series)
        scale = float(point.series.split("rate x")[1].split(",")[0]) if "x" in point.series else 10.0
        return Verdict(1 - scale / 10, 1.0, 1.0)

    follow_points(SMALL, make(), attacker_data, seed=0, judge=contrary)
    others = list(dict.fromkeys(other))
    assert told[:4] == others[:4]
    assert told[4:] != others[4:]


@pytest.fixture
def make(tiny_lm: LM) -> Callable[[], LM]:
    start = {name: value.clone() for name, value in tiny_lm.model.state_dict().items()}

    def fresh() -> LM:
        tiny_lm.model.load_state_dict(start)
        return tiny_lm

    return fresh


def test_every_trial_starts_from_the_given_weights_and_leaves_them(
    make: Callable[[], LM], attacker_data: AttackerData
) -> None:
    lm = make()
    start = weights(lm)
    seen = searched(lm, attacker_data)
    assert torch.equal(weights(lm), start)
    assert torch.equal(seen[0][1], start)
    assert all(not torch.equal(there, start) for _, there in seen[1:])


def test_a_search_is_repeatable(make: Callable[[], LM], attacker_data: AttackerData) -> None:
    one, other = searched(make(), attacker_data), searched(make(), attacker_data)
    assert [point for point, _ in one] == [point for point, _ in other]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


def test_what_an_interrupted_search_knows_is_not_trained_again(
    make: Callable[[], LM], attacker_data: AttackerData
) -> None:
    whole = searched(make(), attacker_data)
    lm = make()
    start = weights(lm)
    again = searched(lm, dataclasses.replace(attacker_data, known=len(whole) - 1))
    assert [point for point, _ in again] == [point for point, _ in whole]
    last = again[-1][0].series
    assert all(torch.equal(there, start) for point, there in again if point.series != last)
    assert torch.equal(again[-1][1], whole[-1][1])


def test_a_broken_model_may_be_mended_first(make: Callable[[], LM], attacker_data: AttackerData) -> None:
    assert not any("repaired" in name for name in series(searched(make(), attacker_data)))
    assert any("repaired" in name for name in series(searched(make(), attacker_data, given=0.3)))


@pytest.mark.parametrize(
    ("knowledge", "before", "after", "worth"),
    [(0.6, 1.0, 0.95, 0.6), (0.6, 1.0, 0.8, 0.6 - PENALTY * 0.1), (0.6, 0.5, 0.4, 0.6 - PENALTY * 0.1)],
)
def test_what_a_point_is_worth_by_hand(knowledge: float, before: float, after: float, worth: float) -> None:
    found = SMALL._worth(Verdict(knowledge, 0.0, after), Verdict(0.0, 0.0, before))
    assert found == pytest.approx(worth)


def test_without_forget_documents_it_has_no_meaning(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable):
        next(SMALL.attack(tiny_lm, dataclasses.replace(attacker_data, forget=[]), seed=0))
