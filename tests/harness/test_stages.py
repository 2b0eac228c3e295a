"""One cell at a time, in this process, with everything that can go wrong in foreign code."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_world import Bench, fixed_rate

from harness.api import Engine, Evaluation, Prompts
from harness.errors import UserError
from harness.plan import Plan, Planned
from harness.record import Record, measured
from harness.stages import Stages

PlanOf = Callable[..., Plan]


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "scratch", "first run", fixed_rate)


def attacked(plan: Plan) -> Planned:
    return plan.cells[-1]


def test_every_point_is_scored_on_the_weights_of_that_point(plan_of: PlanOf, stages: Stages) -> None:
    seen = stages(attacked(plan_of())).measurements
    assert [one.point.budget for one in seen] == [0, 1, 2]
    assert len({one.fingerprint for one in seen}) == 3


def test_the_first_point_is_the_unlearned_model(plan_of: PlanOf, stages: Stages) -> None:
    untouched, drifting = (stages(planned).measurements[0] for planned in plan_of().cells)
    assert untouched.scores == drifting.scores


def test_a_benchmark_may_score_less_after_an_attack(
    plan_of: PlanOf, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def less(self: Bench, engine: Engine, prompts: Prompts) -> Evaluation:
        return Evaluation(self.evaluate(engine, prompts).scores, {"dear": "not asked after an attack"})

    monkeypatch.setattr(Bench, "evaluate_attacked", less, raising=False)
    untouched, drifting = (stages(planned).measurements for planned in plan_of().cells)
    assert [dict(one.not_applicable) for one in untouched] == [{}]
    assert {tuple(one.not_applicable) for one in drifting} == {("dear",)}


def test_a_cell_gives_the_same_numbers_again_whatever_ran_before_it(plan_of: PlanOf, stages: Stages) -> None:
    first = stages(attacked(plan_of()))
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    shutil.rmtree(stages.scratch)
    assert measured(stages(attacked(plan_of()))) == measured(first)


def test_the_unlearned_weights_are_made_once_for_all_attacks(plan_of: PlanOf, stages: Stages) -> None:
    stages(plan_of().cells[0])
    made = next((stages.scratch / "unlearned").glob("*/model.safetensors"))
    when = made.stat().st_mtime_ns
    stages(plan_of().cells[1])
    assert made.stat().st_mtime_ns == when


def test_a_record_says_what_unlearning_cost_even_if_another_cell_paid(plan_of: PlanOf, stages: Stages) -> None:
    costs = {stages(planned).unlearn_cost for planned in plan_of().cells}
    assert len(costs) == 1


def test_the_reference_row_starts_from_the_never_learned_model(
    plan_of: PlanOf, stages: Stages, tiny_models: Path
) -> None:
    original, never = (stages(plan_of(control).cells[0]).measurements[0] for control in ("none", "reference"))
    assert original.fingerprint != never.fingerprint


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "RuntimeError: no gradient today"),
        ("exit", "SystemExit: enough"),
        ("nan", r"Method 'misbehave' left NaN or infinite values in 1 weight tensors"),
    ],
)
def test_a_method_that_fails_is_named_with_the_reason(plan_of: PlanOf, stages: Stages, how: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        stages(attacked(plan_of("misbehave", how=how)))
    assert not list((stages.scratch / "unlearned").glob("*/model.safetensors"))


def test_a_method_that_changes_the_architecture_is_found_out_on_reloading(plan_of: PlanOf, stages: Stages) -> None:
    with pytest.raises(UserError, match=r"gave lm\.model another architecture"):
        stages(attacked(plan_of("misbehave", how="rename")))


def test_what_failed_to_unlearn_is_not_tried_again_for_every_attack_of_one_run(plan_of: PlanOf, stages: Stages) -> None:
    first, second = plan_of("misbehave").cells
    with pytest.raises(UserError):
        stages(first)
    with pytest.raises(UserError, match="Its unlearning failed earlier in this run: RuntimeError"):
        stages(second)


def test_what_failed_to_unlearn_is_tried_again_by_the_next_run(plan_of: PlanOf, stages: Stages) -> None:
    first = plan_of("misbehave").cells[0]
    with pytest.raises(UserError):
        stages(first)
    with pytest.raises(UserError, match=r"^RuntimeError"):
        Stages(stages.scratch, "second run", fixed_rate)(first)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("silent", "Attack 'odd' yielded no point"),
        ("late", "yielded points and then said: on second thought"),
        ("diverge", r"Attack 'odd' at budget 0 left NaN or infinite values"),
        ("bare", r"Attack 'odd' yielded 3\. Yield a Point"),
    ],
)
def test_an_attack_that_misbehaves_is_named_with_the_reason(
    plan_of: PlanOf, stages: Stages, how: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        stages(attacked(plan_of(attack="odd", odd=how)))


def test_an_attack_without_meaning_here_is_a_record_with_its_reason(plan_of: PlanOf, stages: Stages) -> None:
    record = stages(attacked(plan_of(attack="odd", odd="unfit")))
    assert (record.measurements, record.not_applicable) == ((), "there are no questions here")


def swap_weights(folder: Path, other: Path) -> None:
    shutil.copy(other / "model.safetensors", folder)


def cut_weights(folder: Path, other: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])


def cut_facts(folder: Path, other: Path) -> None:
    (folder / "unlearned.json").write_text('{"fing')


def lose_config(folder: Path, other: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize("damage", [swap_weights, cut_weights, cut_facts, lose_config])
def test_a_damaged_checkpoint_is_made_again(
    plan_of: PlanOf, stages: Stages, tiny_models: Path, damage: Callable[[Path, Path], None]
) -> None:
    sound = measured(stages(attacked(plan_of())))
    damage(next((stages.scratch / "unlearned").glob("*/model.safetensors")).parent, tiny_models / "reference")
    assert measured(stages(attacked(plan_of()))) == sound


def test_a_checkpoint_that_cannot_be_read_when_new_is_not_made_again_in_this_run(
    plan_of: PlanOf, stages: Stages
) -> None:
    first, second = plan_of("misbehave", how="rename").cells
    with pytest.raises(UserError, match=r"another architecture"):
        stages(first)
    with pytest.raises(UserError, match="Its unlearning failed earlier in this run: The weights of"):
        stages(second)


def counted(rates: list[float]) -> Callable[..., float]:
    def rate(lm: object, *, unrelated: object, utility: object, seed: int) -> float:
        rates.append(0.5)
        return 0.5

    return rate


def test_the_range_test_runs_once_per_original_model_and_its_rate_is_recorded(plan_of: PlanOf, tmp_path: Path) -> None:
    calls: list[float] = []
    records: list[Record] = [Stages(tmp_path, "run", counted(calls))(planned) for planned in plan_of().cells]
    assert [record.reference_lr for record in records] == [0.5, 0.5]
    assert len(calls) == 1


def test_provenance_names_the_distribution_of_every_component(plan_of: PlanOf, stages: Stages) -> None:
    stamp = stages(attacked(plan_of())).provenance
    assert stamp.distributions["fake-world"] == "1.0"
    assert (stamp.device.split()[0], stamp.dtype) == ("cpu", "float32")
