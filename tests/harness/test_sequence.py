"""Requests that follow each other: where each one starts, what it shares, and what is deleted when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_world import fixed_rate, nudge

from harness.api import LM
from harness.executors.in_process import InProcess
from harness.grid import Grid
from harness.lm import fingerprint
from harness.plan import Plan, make_plan
from harness.run import run
from harness.session import Sweep
from harness.stages import Stages
from harness.store import Store

PlanOf = Callable[..., Plan]


@pytest.fixture
def requests_of(distribution: Callable[..., Path], fake_world: None, tiny_models: Path) -> Callable[..., Plan]:
    """Makes a plan of one method, without an attack, for one request."""
    distribution("fake-requests", {"harness.benchmarks": {"fake-sequence": "fake_requests:SequenceBench"}})

    def plan(requests: int, method: str = "nudge") -> Plan:
        place = "benchmark.fake-sequence"
        settings = {f"{place}.folder": str(tiny_models), f"{place}.requests": requests}
        grid = Grid(methods=(method,), attacks=("none",), benchmarks=("fake-sequence",), overrides=settings)
        return Plan(tuple(one for one in make_plan(grid).cells if one.cell.method.name == method), (), ())

    return plan


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "scratch", "run", fixed_rate)


def weights_after(stages: Stages, plan: Plan) -> str:
    return stages(plan.cells[0]).measurements[0].fingerprint


def test_a_request_starts_from_what_the_request_before_left(requests_of: PlanOf, stages: Stages, tiny_lm: LM) -> None:
    for _ in range(3):
        nudge(tiny_lm, scale=0.01, seed=0)
    assert weights_after(stages, requests_of(3)) == fingerprint(tiny_lm.model)


@pytest.mark.parametrize("control", ["none", "reference"])
def test_a_control_is_the_same_model_at_every_request(requests_of: PlanOf, stages: Stages, control: str) -> None:
    first, third = (weights_after(stages, requests_of(number, control)) for number in (1, 3))
    assert first == third


def test_the_model_of_an_earlier_request_is_that_requests_own_checkpoint(requests_of: PlanOf, stages: Stages) -> None:
    stages(requests_of(2).cells[0])
    first = stages.scratch / "unlearned" / requests_of(1).cells[0].cell.unlearn_id / "model.safetensors"
    when = first.stat().st_mtime_ns
    stages(requests_of(1).cells[0])
    assert first.stat().st_mtime_ns == when


def test_the_cost_of_a_request_is_its_own(requests_of: PlanOf, stages: Stages) -> None:
    costs = [stages(requests_of(number).cells[0]).unlearn_cost.steps for number in (1, 3)]
    assert costs[0] == costs[1]


def test_a_plan_names_the_weights_that_its_cells_build_on(requests_of: PlanOf) -> None:
    before = [requests_of(number).cells[0].cell.unlearn_id for number in (2, 1)]
    assert list(requests_of(3).cells[0].builds_on) == before


def test_the_never_learned_model_builds_on_nothing(requests_of: PlanOf) -> None:
    assert requests_of(3, "reference").cells[0].builds_on == ()


def test_no_weights_are_left_when_all_requests_have_records(requests_of: PlanOf, store: Store) -> None:
    cells = (*requests_of(1).cells, *requests_of(3).cells)
    sweep = Sweep(store.scratch / "unlearned", cells)
    run(Plan(cells, (), ()), store, InProcess(Stages(store.scratch, "run", fixed_rate), store.logs), sweep)
    assert not list((store.scratch / "unlearned").glob("[!.]*"))


def test_weights_that_a_later_request_needs_outlive_their_own_row(requests_of: PlanOf, store: Store) -> None:
    first, third = requests_of(1), requests_of(3)
    sweep = Sweep(store.scratch / "unlearned", (*first.cells, *third.cells))
    run(first, store, InProcess(Stages(store.scratch, "run", fixed_rate), store.logs), sweep)
    assert (store.scratch / "unlearned" / first.cells[0].cell.unlearn_id).is_dir()


def test_methods_get_the_preset_that_the_benchmark_names(requests_of: PlanOf) -> None:
    assert requests_of(1).cells[0].cell.method.params["steps"] == 7
