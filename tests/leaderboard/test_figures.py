"""Coordinates map back to data."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from synthetic import controls, demo, many, record, stop

from harness.record import Record
from leaderboard.derive import boards_of
from leaderboard.site.cost_figure import cost_figure
from leaderboard.site.figures import (
    KNOWLEDGE_RANGE,
    MAX_LABELS,
    MOST_DRAWS,
    STRIP_WIDTH,
    Axis,
    scatter,
    strip,
    tint,
)
from leaderboard.site.panels import MOST, small_multiples
from leaderboard.site.words import called
from leaderboard.table import Table, tabulate

RELEARN = {"attack": "relearn", "family": "relearn"}


def table(records: list[Record]) -> Table:
    (board,) = boards_of(records)
    return tabulate(board, draws=200)


def test_an_axis_undoes_itself() -> None:
    axis = Axis(-0.1, 1.1, 7, 143)
    assert axis.datum(axis.place(0.37)) == pytest.approx(0.37, abs=0.5 / 136)


def test_strip_marks_map_back_to_k() -> None:
    axis = Axis(*KNOWLEDGE_RANGE, 7, STRIP_WIDTH - 7)
    for line in table(demo()).lines:
        drawn = strip(line)
        assert drawn.worst is not None
        assert axis.datum(drawn.worst.at) == pytest.approx(line.k_star.value, abs=0.005)


@pytest.mark.parametrize(("k", "beyond"), [(1.0, 0), (-0.3, -1)])
def test_a_value_beyond_the_axis_stands_on_its_edge_as_such(k: float, beyond: int) -> None:
    low = stop(0.0)
    reference = record("never", [stop(0.3)], role="reference")
    lines = table([controls()[0], reference, record(stops=[low if k < 0 else stop(1.0)])]).lines
    drawn = strip(next(line for line in lines if line.row.label.name == "alpha"))
    assert drawn.before is not None
    assert drawn.before.beyond == beyond


def test_scatter_marks_map_back_to_utility_and_knowledge_removed() -> None:
    board = table(demo())
    figure = scatter(board)
    assert figure is not None
    by_name = {shot.name: shot for shot in figure.shots}
    for line in board.lines:
        shot = by_name[called(line.row)]
        assert 1 - figure.y.datum(shot.y1) == pytest.approx(line.k_star.value, abs=0.005)
        assert shot.left_of_axis or figure.x.datum(shot.x) == pytest.approx(line.utility.value, abs=0.005)


def test_a_row_that_is_mostly_on_the_frontier_shows_both_intervals() -> None:
    drawn = table(demo(2))
    found = scatter(drawn)
    assert found is not None
    sure = [n for n in drawn.lines if (n.on_frontier or 0) >= MOST_DRAWS]
    crosses = re.findall(r"M([\d.]+) ([\d.]+)v6m0-3H([\d.]+)m0-3v6M([\d.]+) ([\d.]+)h6m-3 0V([\d.]+)", found.crosses)
    assert len(crosses) == len(sure) > 0
    for line, (left, top, right, begin, low, high) in zip(sure, crosses, strict=True):
        height, at = float(top) + 3, float(begin) + 3
        assert line.k_star.value is not None
        assert found.y.datum(height) == pytest.approx(1 - line.k_star.value, abs=0.002)
        assert float(left) <= at <= float(right)
        assert float(low) <= height <= float(high)


def test_names_beside_the_scatter_do_not_overlap() -> None:
    crowd = [record(f"m{i}", [stop(0.1, 0.95)]) for i in range(8)]
    figure = scatter(table([*controls(), *crowd]))
    assert figure is not None
    heights = sorted(tag.y for tag in figure.tags if tag.led)
    assert all(below - above >= 14.8 for above, below in itertools.pairwise(heights))


def test_the_frontier_is_held_by_rows_that_no_other_beats_on_both_axes() -> None:
    rows = [record("a", [stop(0.2, 1.0)]), record("b", [stop(0.1, 0.92)]), record("c", [stop(0.25, 0.95)])]
    figure = scatter(table([*controls(), *rows]))
    assert figure is not None
    heights = [float(y) for y in re.findall(r"V([\d.]+)", figure.frontier_before)]
    assert [round(figure.y.datum(y), 2) for y in heights] == [0.8, 0.9]


def test_a_broken_model_is_on_no_frontier() -> None:
    figure = scatter(table([*controls(), record(stops=[stop(0.0, 0.2)])]))
    assert figure is not None
    assert figure.frontier_before == ""


def test_without_a_method_there_is_no_scatter() -> None:
    assert scatter(table(controls())) is None


def test_curve_dots_map_back_to_k() -> None:
    board = table(demo())
    (figure,) = small_multiples(board)
    panel = next(p for p in figure.panels if p.name == "steady")
    curve = next(line.row.curves[0] for line in board.lines if line.row.label.name == "steady")
    assert [figure.y.datum(y) for _, y in panel.dots] == pytest.approx(list(curve.ks), abs=0.01)


def test_panels_carry_the_never_learned_control_and_do_not_repeat_it_as_a_panel() -> None:
    (figure,) = small_multiples(table(demo()))
    assert all(panel.control.startswith("M") for panel in figure.panels)
    assert "never" not in {panel.name for panel in figure.panels}


@pytest.mark.parametrize(("k", "step"), [(-0.2, 0), (0.0, 0), (0.5, 3), (0.99, 6), (1.4, 6)])
def test_tint_has_seven_steps(k: float, step: int) -> None:
    assert tint(k) == step


def test_marks_of_the_cost_figure_map_back_to_effort_and_knowledge_left() -> None:
    dear = replace(record("dear", [stop(0.4)]).unlearn_cost, token_forwards=8_000.0, token_backwards=0.0)
    made = [*controls(), record("plain", [stop(0.2)]), record("dear", [stop(0.4)], cost=dear)]
    figure = cost_figure(table(made))
    assert figure is not None
    assert [round(2 ** figure.x.datum(dot.x), 1) for dot in figure.dots] == pytest.approx([1.0, 2.0], abs=0.05)
    assert [figure.y.datum(dot.y) for dot in figure.dots] == pytest.approx([0.2, 0.4], abs=0.005)


def test_one_method_has_no_cost_figure() -> None:
    assert cost_figure(table([*controls(), record("plain", [stop(0.2)])])) is None


def test_a_page_draws_no_more_panels_than_it_can_bear_and_says_how_many_rows_there_are() -> None:
    (board,) = boards_of(many(MOST + 5))
    (panels,) = small_multiples(tabulate(board, draws=50))
    assert (len(panels.panels), len(panels.ghosts), panels.rows) == (MOST, MOST, MOST + 5)


def test_a_row_without_its_attacks_is_not_named_before_one_that_has_them() -> None:
    made = controls({"relearn": ("relearn", [stop(0.0)])})
    for number in range(MAX_LABELS):
        made += [record(f"whole{number}", [stop(0.1)]), record(f"whole{number}", [stop(0.5)], **RELEARN)]
    found = scatter(table([*made, record("bare", [stop(0.0)])]))
    assert found is not None
    assert "bare" not in [tag.text for tag in found.tags]
    assert len(found.tags) == MAX_LABELS


def standing() -> list[Record]:
    """A ranked row, one that forgot nothing and lost little under attack, and one that lost half of its utility."""
    made = controls({"relearn": ("relearn", [stop(0.0)])})
    for name, k, u, after in (("firm", 0.1, 0.95, 0.6), ("idle", 0.3, 0.96, 0.4), ("wreck", 0.0, 0.5, 0.1)):
        made += [record(name, [stop(k, u)]), record(name, [stop(after, u)], **RELEARN)]
    return made


def test_only_ranked_rows_lead() -> None:
    drawn = table(standing())
    found = scatter(drawn)
    assert found is not None
    assert {line.row.label.name for line in drawn.lines if line.on_frontier is not None} == {"firm"}
    heights = [float(y) for y in re.findall(r"V([\d.]+)", found.frontier_after)]
    assert [round(found.y.datum(y), 2) for y in heights] == [0.4]


def test_what_is_not_ranked_is_faint_and_named_after_what_is() -> None:
    found = scatter(table(standing()))
    assert found is not None
    assert {shot.name: shot.weak for shot in found.shots if not shot.control} == {
        "firm": False,
        "idle": True,
        "wreck": True,
    }
    ranked = [
        r for i in range(MAX_LABELS) for r in (record(f"m{i}", [stop(0.2)]), record(f"m{i}", [stop(0.5)], **RELEARN))
    ]
    crowd = scatter(table([*standing(), *ranked]))
    assert crowd is not None
    assert "idle" not in {tag.text for tag in crowd.tags}


def test_a_row_on_the_left_edge_has_its_name_beside_it() -> None:
    found = scatter(table(standing()))
    assert found is not None
    (tag,) = (tag for tag in found.tags if tag.text == "wreck")
    assert (tag.led, tag.x - tag.to_x) == (False, 10)


def test_controls_are_called_what_they_are() -> None:
    found = scatter(table(standing()))
    assert found is not None
    assert {shot.name for shot in found.shots if shot.control} == {"original", "never-learned"}
