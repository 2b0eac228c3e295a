from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_world import Nudge

from harness.cell import RANGE_TEST_VERSION
from harness.errors import UserError
from harness.grid import Grid
from harness.plan import Plan, lacking, make_plan
from harness.preview import preview
from harness.store import Store

Install = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("fake_world")


@pytest.fixture
def settings(tiny_models: Path) -> dict[str, object]:
    return {"benchmark.fake-bench.folder": str(tiny_models)}


def planned(settings: dict[str, object], **chosen: object) -> Plan:
    small = {"methods": ("nudge",), "attacks": ("drift",), "benchmarks": ("fake-bench",)}
    return make_plan(Grid(**{**small, **chosen}, overrides=settings))


def names(plan: Plan, kind: str) -> set[str]:
    return {getattr(item.cell, kind).name for item in plan.cells}


def test_controls_and_the_empty_attack_are_added_and_said_to_be(settings: dict[str, object]) -> None:
    plan = planned(settings)
    assert names(plan, "method") == {"none", "reference", "nudge"}
    assert names(plan, "attack") == {"none", "drift"}
    assert plan.added == ("method none", "method reference", "attack none")


def test_all_means_everything_that_is_installed_and_works(settings: dict[str, object], distribution: Install) -> None:
    points = {"harness.methods": {"brk": "brk_plugin:M"}}
    distribution("broken-dist", points, files={"brk_plugin.py": "raise ImportError('no')\n"})
    assert {"nudge", "misbehave", "none"} <= names(planned(settings, methods=("all",)), "method")
    assert "brk" not in names(planned(settings, methods=("all",)), "method")


def test_a_broken_plugin_that_is_asked_for_by_name_stops_the_plan(
    settings: dict[str, object], distribution: Install
) -> None:
    points = {"harness.methods": {"brk": "brk_plugin:M"}}
    distribution("broken-dist", points, files={"brk_plugin.py": "raise ImportError('no')\n"})
    with pytest.raises(UserError, match=r"broken-dist 1\.0"):
        planned(settings, methods=("brk",))


def test_every_row_starts_before_any_row_goes_on(settings: dict[str, object]) -> None:
    rows = [item.cell.unlearn_id for item in planned(settings, seeds=(0, 1)).cells]
    count = len(set(rows))
    assert len(set(rows[:count])) == count


def test_benchmarks_take_turns_so_that_workers_start_on_different_ones(
    settings: dict[str, object], tiny_models: Path, distribution: Install
) -> None:
    distribution("second-world", {"harness.benchmarks": {"second-bench": "fake_world:Bench"}})
    both = {**settings, "benchmark.second-bench.folder": str(tiny_models)}
    plan = planned(both, benchmarks=("fake-bench", "second-bench"))
    assert [item.cell.benchmark.name for item in plan.cells[:4]] == ["fake-bench", "second-bench"] * 2


def test_a_name_typed_twice_is_one_row(settings: dict[str, object]) -> None:
    twice, once = planned(settings, methods=("nudge", "nudge")), planned(settings)
    assert [item.id for item in twice.cells] == [item.id for item in once.cells]


def test_a_plan_travels_to_workers(settings: dict[str, object]) -> None:
    plan = planned(settings)
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_presets_of_the_benchmark_are_part_of_the_cell(settings: dict[str, object]) -> None:
    cell = next(item.cell for item in planned(settings).cells if item.cell.method.name == "nudge")
    assert cell.method.params["steps"] == 7


def test_the_rule_of_the_range_test_is_part_of_the_cell(settings: dict[str, object]) -> None:
    assert {item.cell.benchmark.content["range_test"] for item in planned(settings).cells} == {str(RANGE_TEST_VERSION)}


def test_a_runtime_setting_is_kept_but_changes_no_id(settings: dict[str, object]) -> None:
    plain, patient = planned(settings), planned({**settings, "method.nudge.pause_s": 3})
    assert [item.id for item in plain.cells] == [item.id for item in patient.cells]
    assert {"pause_s": 3.0} in [item.runtime["method"] for item in patient.cells]


def test_a_setting_that_changes_numbers_changes_the_id_of_its_rows_only(settings: dict[str, object]) -> None:
    plain, other = planned(settings), planned({**settings, "method.nudge.scale": 0.5})
    before = {item.id for item in plain.cells}
    moved = {item.cell.method.name for item in other.cells if item.id not in before}
    assert moved == {"nudge"}


def test_a_benchmark_without_a_reference_has_no_such_row_and_says_so(settings: dict[str, object]) -> None:
    plan = planned({**settings, "benchmark.fake-bench.references": False})
    assert "reference" not in names(plan, "method")
    assert plan.omitted == ("fake-bench · reference: the benchmark has no never-learned model.",)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"methods": ("nudgee",)}, r"No method named 'nudgee' .* Did you mean 'nudge'\?"),
        ({"benchmarks": ("fake-bnch",)}, r"Did you mean 'fake-bench'\?"),
        ({"engine": "transformer"}, r"No engine named 'transformer' .* Did you mean 'transformers'\?"),
        ({"methods": ()}, r"The grid is empty: it has no methods"),
        ({"seeds": (), "attacks": ()}, r"no attacks and no seeds"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(settings: dict[str, object], chosen: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        planned(settings, **chosen)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"method.nudge.scale": "abc"}, r"method\.nudge\.scale = 'abc' is not float"),
        ({"method.nudge.scale": -1}, r"must be greater than 0"),
        ({"method.nudge.scal": 1}, r"Did you mean 'scale'"),
        ({"method.misbehave.how": "nan"}, r"'misbehave' is not in this grid"),
        ({"method.nuge.scale": 1}, r"Did you mean 'nudge'"),
        (
            {"benchmark.fake-bench.folder": "/nowhere"},
            r"target model at /nowhere/target, where there is no config\.json",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    settings: dict[str, object], setting: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        planned({**settings, **setting})


def test_attacks_have_a_core_too() -> None:
    plan = make_plan(Grid(methods=("none",), attacks=("core",), benchmarks=("pocket-wmdp",)))
    assert {"relearn", "rtt", "none"} <= names(plan, "attack")
    assert "relearn_swept" not in names(plan, "attack")
    assert any("Only the core attacks run; not " in line and "relearn_swept" in line for line in plan.omitted)


def test_the_core_is_what_methods_say_themselves_and_the_rest_is_named() -> None:
    plan = make_plan(Grid(methods=("core",), attacks=("none",), benchmarks=("pocket-wmdp",)))
    assert {planned.cell.method.name for planned in plan.cells} == {
        "none", "reference", "ga", "graddiff", "npo", "npo_sam", "rmu", "stableun",
    }  # fmt: skip
    assert any("Only the core methods run; not " in line and "simnpo" in line for line in plan.omitted)


def test_a_method_without_what_it_needs_is_left_out_with_the_reason() -> None:
    assert lacking(type("M", (), {"needs": ("pairs",)}), ("auxiliary",)) == "solved questions that are never scored"
    assert lacking(type("M", (), {"needs": ("pairs",)}), ("pairs",)) == ""


def test_methods_are_matched_and_controls_are_not(settings: dict[str, object]) -> None:
    cells = [item.cell for item in planned(settings, match=("off", "forget", "utility=0.9")).cells]
    places = {(cell.method.name, cell.match.words if cell.match else "off") for cell in cells}
    assert places == {
        ("none", "off"),
        ("reference", "off"),
        ("nudge", "off"),
        ("nudge", "K(0) = 0.25"),
        ("nudge", "u = 0.9"),
    }
    assert len({cell.unlearn_id for cell in cells if cell.method.name == "nudge"}) == 1


def test_no_line_leads_to_a_model_of_another_class(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nudge, "replaces", True, raising=False)
    plan = planned(settings, match=("off", "forget"))
    assert all(item.cell.match is None for item in plan.cells)
    assert any("fake-bench · nudge, matched: its model is of a class of its own" in line for line in plan.omitted)


def test_an_engine_with_a_list_of_its_own_serves_no_replaced_model(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nudge, "replaces", True, raising=False)
    plan = planned(settings, engine="vllm")
    assert names(plan, "method") == {"none", "reference"}
    assert any("fake-bench · nudge: the engine vllm serves no model of a class" in line for line in plan.omitted)
    assert "nudge" in names(planned(settings, engine="transformers"), "method")


def test_a_preview_tells_settings_and_matched_models_apart(store: Store) -> None:
    typed = {"methods": ("npo", "npo@published"), "attacks": ("none",), "match": ("off", "forget")}
    rows = preview(make_plan(Grid(benchmarks=("pocket-wmdp",), **typed)), store, workers=1).rows
    seen = {row[1:3] for row in rows}
    assert seen >= {("npo", "default"), ("npo at K(0) = 0.25", "default")}
    assert len(set(rows)) == len(rows)


def test_a_folder_of_tuned_settings_that_holds_none_is_refused(settings: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--tuned .* holds no tuned setting"):
        planned(settings, tuned=str(tmp_path / "mistyped"))
