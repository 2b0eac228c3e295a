"""Ranks under every gate, tiers, and the chance to stand on the frontier, against hand-worked draws."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import controls, record, stop

from leaderboard.derive import boards_of
from leaderboard.standings import GATES, RowDraws, difference, frontier, tiers
from leaderboard.table import Table, tabulate


def table(**methods: tuple[float, float]) -> Table:
    made = [*controls(), *(record(name, [stop(k, u)]) for name, (k, u) in methods.items())]
    return tabulate(boards_of(made)[0], draws=400)


def standing(found: Table, name: str, gate: float) -> tuple[str, int | None]:
    (line,) = (line for line in found.lines if line.row.label.text == name)
    at = line.standings[GATES.index(gate)]
    return at.section, at.rank.low if at.rank else None


@pytest.mark.parametrize(
    ("gate", "expected"),
    [(0.0, ("ranked", 1)), (0.80, ("ranked", 1)), (0.90, ("below_utility", None)), (0.95, ("below_utility", None))],
)
def test_a_row_is_ranked_under_the_gates_that_it_passes(gate: float, expected: tuple[str, int | None]) -> None:
    found = table(cheap=(0.01, 0.85), good=(0.20, 0.97))
    assert standing(found, "cheap", gate) == expected


@pytest.mark.parametrize("gate", GATES)
def test_who_forgot_nothing_is_ranked_under_no_gate(gate: float) -> None:
    assert standing(table(idle=(1.0, 1.0)), "idle", gate) == ("not_unlearned", None)


def test_ranks_are_counted_among_those_who_pass_the_gate() -> None:
    found = table(cheap=(0.01, 0.85), good=(0.20, 0.97))
    assert (standing(found, "good", 0.80)[1], standing(found, "good", 0.90)[1]) == (2, 1)


def test_a_tier_is_opened_by_who_is_separable_from_its_predecessors_first() -> None:
    noise = np.linspace(-1.0, 1.0, 200)
    stars = [0.0 + 0 * noise, 0.6 + 0.7 * noise, 1.2 + noise * 0.1, 1.25 + noise, 3.0 + 0 * noise]
    assert tiers(stars) == [1, 1, 2, 2, 3]


def rows(**points: tuple[list[float], list[float]]) -> dict[str, RowDraws]:
    return {name: RowDraws(k_star=np.array(k), utility=np.array(u)) for name, (k, u) in points.items()}


def test_the_share_of_draws_on_the_frontier_is_counted() -> None:
    draws = rows(a=([0.1, 0.1], [0.9, 0.9]), b=([0.2, 0.05], [0.9, 0.9]), c=([0.3, 0.3], [1.0, 0.8]))
    assert frontier(draws, list(draws)) == {"a": 0.5, "b": 0.5, "c": 0.5}


def test_rows_that_are_equal_in_both_stand_on_the_frontier_together() -> None:
    draws = rows(a=([0.1], [0.9]), b=([0.1], [0.9]), c=([0.1], [0.8]))
    assert frontier(draws, list(draws)) == {"a": 1.0, "b": 1.0, "c": 0.0}


def test_the_frontier_of_many_random_rows_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    k, u = rng.integers(0, 6, (2, 30, 50)) / 5
    found = frontier({str(i): RowDraws(k[i], u[i]) for i in range(30)}, [str(i) for i in range(30)])
    better = (u[:, None] >= u) & (k[:, None] <= k) & ((u[:, None] > u) | (k[:, None] < k))
    assert list(found.values()) == pytest.approx(list((~better.any(axis=0)).mean(axis=1)))


def test_a_row_that_may_not_lead_neither_stands_on_the_frontier_nor_hides_others() -> None:
    draws = rows(a=([0.1], [0.9]), broken=([0.0], [1.0]))
    assert frontier(draws, ["a"]) == {"a": 1.0}


def test_a_difference_is_paired() -> None:
    noise = np.linspace(-1.0, 1.0, 101)
    one, other = RowDraws(noise + 0.5, noise), RowDraws(noise, noise)
    found = difference(one, other, (0.5, 0.0))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
