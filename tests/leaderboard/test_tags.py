"""Names beside a figure: near their marks, apart from each other, no leader across another."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from leaderboard.site.tags import LABEL_HEIGHT, Tag, apart, at_marks, in_margin, shorten


def test_names_that_crowd_are_moved_up_as_well_as_down() -> None:
    assert apart([100.0, 100.0, 100.0], 0, 400) == [100 - LABEL_HEIGHT, 100, 100 + LABEL_HEIGHT]


def test_a_name_with_room_stands_at_its_mark() -> None:
    assert apart([50.0, 100.0, 101.0], 0, 400) == [50, 93, 108]


@pytest.mark.parametrize(("heights", "placed"), [([2.0, 3.0], [10, 25]), ([98.0, 99.0], [85, 100])])
def test_no_name_leaves_the_figure(heights: list[float], placed: list[float]) -> None:
    assert apart(heights, 10, 100) == placed


def crossing(one: Tag, other: Tag) -> bool:
    """Whether the height of one leader less that of the other changes sign where both run."""
    start = max(one.to_x, other.to_x)
    at = [
        tag.to_y + (x - tag.to_x) / (tag.x - 4 - tag.to_x) * (tag.y - 4 - tag.to_y)
        for tag in (one, other)
        for x in (start, tag.x - 4)
    ]
    return (at[0] - at[2]) * (at[1] - at[3]) < -1e-9


@pytest.mark.parametrize("seed", range(5))
def test_no_leader_crosses_another_and_every_mark_keeps_its_name(seed: int) -> None:
    chance = random.Random(seed)
    marks = [(f"m{i}", chance.uniform(80, 600), chance.uniform(20, 120)) for i in range(12)]
    tags = in_margin(marks, 690, 20, 350)
    assert {(tag.text, tag.to_x, tag.to_y) for tag in tags} == set(marks)
    assert all(below.y - above.y >= LABEL_HEIGHT - 0.2 for above, below in pairwise(tags))
    assert not any(crossing(*pair) for pair in combinations(tags, 2))


def test_names_beside_marks_of_one_edge_do_not_overlap() -> None:
    tags = at_marks([("a", 70, 100), ("b", 70, 104)], 20, 350)
    assert (tags[1].y - tags[0].y, {tag.led for tag in tags}) == (LABEL_HEIGHT, {False})


def test_a_long_name_is_cut_visibly() -> None:
    assert shorten("x" * 40) == "x" * 25 + "\N{HORIZONTAL ELLIPSIS}"
