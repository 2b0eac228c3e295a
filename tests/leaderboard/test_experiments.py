"""Scalability and sustainability over boards, and the gaps in them."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sites import everything, site
from synthetic import controls, moved, record, stop

from harness.cell import Value
from harness.record import Measurement, Record, Spec
from leaderboard.derive import boards_of
from leaderboard.experiments import Course, Experiment, experiments_of
from leaderboard.site.step_panels import step_panels
from leaderboard.table import tabulate


def found(*records: Record) -> tuple[Experiment, ...]:
    return experiments_of([tabulate(board, draws=200) for board in boards_of(records)])


def request(k: Value, *rows: Record, name: str = "requests", **rest: Value) -> list[Record]:
    return [moved(made, {name: k, **rest}) for made in (*controls(), *rows)]


def alpha(experiment: Experiment) -> Course:
    return next(course for course in experiment.courses if course.label.name == "alpha")


def three_requests() -> list[Record]:
    """Utility falls by a tenth with every request."""
    return [made for k in (1, 2, 3) for made in request(k, record(stops=[stop(0.2 / k, 1 - k / 10)]))]


def test_requests_are_one_experiment_and_utility_is_read_against_them() -> None:
    (experiment,) = found(*three_requests())
    assert experiment.question.title == "Sustainability"
    assert [e.value for e in alpha(experiment).utility] == pytest.approx([0.9, 0.8, 0.7])


def test_knowledge_before_attack_and_raw_utility_stand_beside_u() -> None:
    (experiment,) = found(*three_requests())
    assert [e.value for e in alpha(experiment).k_before] == pytest.approx([0.2, 0.1, 0.065], abs=0.003)
    assert [pair[0] for pair in alpha(experiment).raw["use"] if pair] == pytest.approx([0.9, 0.8, 0.7])


def test_the_order_of_records_does_not_matter() -> None:
    assert found(*three_requests()) == found(*three_requests()[::-1])


def test_a_whole_experiment_has_no_gaps() -> None:
    (experiment,) = found(*three_requests())
    assert experiment.gaps == ()


def test_one_board_is_no_experiment() -> None:
    assert found(*request(1, record(stops=[stop(0.1)]))) == ()


def test_zero_is_the_parameter_switched_off_and_no_step() -> None:
    assert found(*request(0), *request(1)) == ()


def test_a_flag_and_a_fraction_are_no_steps() -> None:
    assert found(*request(True), *request(0.5), *request("2")) == ()


@pytest.mark.parametrize(("name", "steps"), [("scale", (1, 2)), ("folds", ((1,), (1, 2)))])
def test_growing_forget_sets_are_scalability(name: str, steps: tuple[Value, Value]) -> None:
    (experiment,) = found(*request(steps[0], name=name), *request(steps[1], name=name))
    assert (experiment.question.title, experiment.steps) == ("Scalability", (1, 2))


def test_folds_that_do_not_grow_from_the_first_are_no_steps() -> None:
    assert found(*request((1,), name="folds"), *request((2, 3), name="folds")) == ()


def test_a_step_without_a_board_is_a_named_gap() -> None:
    (experiment,) = found(*[r for r in three_requests() if r.cell.benchmark.params["requests"] != 2])
    assert experiment.gaps == ("requests = 2: not run",)
    assert alpha(experiment).utility[1].value is None


def test_a_method_missing_at_one_step_is_a_named_gap() -> None:
    records = [*request(1, record(stops=[stop(0.1)])), *request(2)]
    (experiment,) = found(*records)
    assert experiment.gaps == ("alpha at requests = 2: not run",)


def test_a_seed_missing_at_one_step_is_a_named_gap() -> None:
    seeds = [record(stops=[stop(0.1)], seed=seed) for seed in (0, 1)]
    (experiment,) = found(*request(1, *seeds), *request(2, seeds[0]))
    assert experiment.gaps == ("alpha at requests = 2: seed 1 not run",)


def test_what_is_not_defined_at_a_step_is_a_named_gap() -> None:
    bare = [moved(record(stops=[stop(0.1)]), {"requests": 2}), *request(1)]
    same_model = replace(stop(0.0), fingerprint=stop(1.0).fingerprint)
    flat = [replace(made, measurements=(same_model,)) for made in controls()[:1]]
    (experiment,) = found(*bare, *[moved(made, {"requests": 2}) for made in flat])
    assert "requests = 2: K is not defined" in experiment.gaps


def test_boards_of_another_original_model_are_another_experiment() -> None:
    def of_other_weights(made: Record) -> Record:
        return replace(made, measurements=tuple(replace(m, fingerprint="0" * 64) for m in made.measurements))

    assert found(*request(1), *map(of_other_weights, request(2))) == ()


def test_boards_of_another_engine_or_setting_are_another_experiment() -> None:
    elsewhere = [moved(made, {"requests": 2}, engine=Spec("other", 1)) for made in controls()]
    assert found(*request(1), *elsewhere, *request(2, mode="openunlearning")) == ()


def test_two_experiments_of_one_question_are_told_apart() -> None:
    records = [made for mode in ("paper", "ours") for k in (1, 2) for made in request(k, mode=mode)]
    assert sorted(experiment.variant for experiment in found(*records)) == ["mode=ours", "mode=paper"]


def test_texts_that_change_with_the_step_do_not_part_the_boards() -> None:
    boards = [moved(made, {"scale": k}, content={"texts": str(k)}) for k in (1, 2) for made in controls()]
    assert len(found(*boards)) == 1


def test_where_two_boards_claim_a_step_only_equal_content_goes_together() -> None:
    def with_texts(k: int, texts: str) -> list[Record]:
        return [moved(made, {"scale": k}, content={"texts": texts}) for made in controls()]

    (experiment,) = found(*with_texts(1, "new"), *with_texts(2, "new"), *with_texts(2, "old"))
    assert {t.board.benchmark.content["texts"] for t in experiment.boards if t} == {"new"}


def test_the_line_breaks_at_a_gap_and_its_dots_map_back_to_utility() -> None:
    falling: dict[int, Measurement] = {1: stop(0.1, 0.9), 2: stop(0.1, 0.8), 4: stop(0.1, 0.6)}
    (experiment,) = found(*[made for k, m in falling.items() for made in request(k, record(stops=[m]))])
    figure = step_panels(experiment)
    assert figure is not None
    (panel,) = figure.panels
    assert len(re.findall("M", panel.utility.path)) == 2
    assert [figure.y.datum(y) for _, y in panel.utility.dots] == pytest.approx([0.9, 0.8, 0.6], abs=0.01)


def test_controls_alone_have_no_figure() -> None:
    (experiment,) = found(*request(1), *request(2))
    assert step_panels(experiment) is None


def test_the_page_carries_the_experiment_under_the_notice_of_its_boards(tmp_path: Path) -> None:
    (page,) = (site(three_requests(), tmp_path) / "x").iterdir()
    assert "Sustainability: <bdi>Toy</bdi>" in page.read_text()
    assert "not results on real models. Only a toy." in page.read_text()


def test_the_data_of_an_experiment_hold_gaps_as_empty_cells(tmp_path: Path) -> None:
    site([r for r in three_requests() if r.cell.benchmark.params["requests"] != 2], tmp_path)
    (path,) = (tmp_path / "data").glob("*sustainability*.csv")
    rows = [row for row in csv.DictReader(path.open()) if row["method"] == "alpha"]
    assert [row["utility"] for row in rows] == ["0.9", "", "0.7"]
    assert all("not results on real models" in row["notice"] for row in rows)


def test_hostile_names_are_printed_and_not_obeyed(tmp_path: Path) -> None:
    hostile = "<img src=x>&{{7*7}}"
    card = replace(controls()[0].benchmark, title=hostile, notice=hostile)
    made = [m for k in (1, 3) for m in request(k, record(hostile, [stop(0.1)], seed=k), mode=hostile)]
    text = everything([replace(r, benchmark=card) for r in made], tmp_path)
    assert "<img" not in text
    assert "&lt;img src=x&gt;&amp;{{7*7}} at requests = 1" in text
