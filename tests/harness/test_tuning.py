"""Tuning: what is searched, what is chosen, and that a study that was cut goes on as if it had not been."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from harness.api import Score, param
from harness.errors import UserError
from harness.grid import Grid
from harness.ruler import Ruler
from harness.tuning.jobs import jobs_of
from harness.tuning.presets import write_setting
from harness.tuning.space import WIDTH, space_of
from harness.tuning.study import Discipline, Study, chosen, closest
from harness.tuning.trial import Judged

DISCIPLINE = Discipline(trials=12, least_utility=0.9, seed=0)
SPACE = {"lr": FloatDistribution(1e-4, 1e-3, log=True)}


@dataclass(frozen=True)
class Knob:
    """A method with fields of every kind."""

    search: ClassVar[tuple[str, ...]] = ("lr", "steps", "kind")

    lr: float = param(1e-3, "rate", gt=0)
    steps: int = param(40, "updates", ge=1, le=50)
    kind: str = param("a", "kind", choices=("a", "b"))
    off: float | None = param(None, "nothing")


def judged(params: Mapping[str, Any], ceiling: float) -> Judged:
    """Knowledge falls with the rate, and so does utility; the best rate that keeps utility is near 5e-4."""
    rate = params["lr"] * 1e3
    utility = 1.0 - max(0.0, rate - 0.5)
    before = 1 - rate
    return Judged(before, utility, before if utility >= 0.9 and before < ceiling else None, 0.1)


def study(discipline: Discipline = DISCIPLINE) -> Study:
    return Study(SPACE, {"lr": 3e-4}, discipline, {"method": "knob"})


def run(folder: Path, judge: Any = judged, discipline: Discipline = DISCIPLINE) -> list[Any]:
    return study(discipline).run(folder / "knob.journal", judge, lambda number, trial: None)


def test_every_number_is_searched_over_the_same_width_around_its_value() -> None:
    rate = space_of("knob", Knob(lr=3e-3))["lr"]
    assert rate.high / rate.low == pytest.approx(WIDTH)
    assert rate.high * rate.low == pytest.approx(9e-6)


def test_a_bound_of_the_field_bounds_its_search() -> None:
    assert space_of("knob", Knob())["steps"] == IntDistribution(13, 50, log=True)


def test_a_field_with_choices_is_searched_over_all_of_them() -> None:
    assert space_of("knob", Knob())["kind"].choices == ("a", "b")


@pytest.mark.parametrize("search", ["off|lr", "lr|off", "lr|steps"])
def test_of_fields_that_replace_each_other_the_first_that_is_set_is_searched(search: str) -> None:
    @dataclass(frozen=True)
    class Either(Knob):
        pass

    Either.search = (search,)
    assert list(space_of("knob", Either())) == ["lr"]


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ((), "names no field to search"),
        (("lrr",), "'lrr', which it does not have"),
        (("lr|offf",), "'offf', which it does not have"),
        (("off",), "stands at None"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(search: tuple[str, ...], says: str) -> None:
    @dataclass(frozen=True)
    class Odd(Knob):
        pass

    Odd.search = search
    with pytest.raises(UserError, match=says):
        space_of("knob", Odd())


def test_the_first_trial_is_the_setting_that_is_started_from(tmp_path: Path) -> None:
    assert run(tmp_path)[0].params == {"lr": 3e-4}


def test_the_chosen_setting_has_least_knowledge_among_those_that_keep_utility(tmp_path: Path) -> None:
    trials = run(tmp_path)
    kept = [t.params["lr"] for t in trials if t.user_attrs["utility"] >= 0.9]
    best = chosen(trials)
    assert best is not None
    assert best.params["lr"] == max(kept)
    assert max(kept) > 3e-4


def test_a_study_that_was_cut_ends_with_the_trials_of_one_that_was_not(tmp_path: Path) -> None:
    class Cut(BaseException):
        pass

    def cutting(params: Mapping[str, Any], ceiling: float) -> Judged:
        if not calls:
            raise Cut
        calls.pop()
        return judged(params, ceiling)

    for count in (0, 4):
        calls = [None] * count
        with pytest.raises(Cut):
            run(tmp_path / "cut", cutting)
    assert [t.params for t in run(tmp_path / "cut")] == [t.params for t in run(tmp_path / "whole")]


def test_a_journal_whose_last_line_was_torn_goes_on_too(tmp_path: Path) -> None:
    whole = [trial.params for trial in run(tmp_path)]
    journal = tmp_path / "knob.journal"
    journal.write_bytes(journal.read_bytes()[:-25])
    assert [trial.params for trial in run(tmp_path)] == whole


def test_an_attack_that_changes_nothing_cannot_judge_settings(tmp_path: Path) -> None:
    grid = Grid(methods=("npo",), attacks=("none",), benchmarks=("pocket-wmdp",))
    with pytest.raises(UserError, match="--attack none changes nothing"):
        jobs_of(grid, DISCIPLINE, tmp_path)


@pytest.mark.parametrize("attack", ["rtt", "gcg", "finetune_unrelated", "finetune_near"])
def test_an_attack_on_data_that_is_not_set_apart_cannot_judge_settings(attack: str, tmp_path: Path) -> None:
    grid = Grid(methods=("npo",), attacks=(attack,), benchmarks=("pocket-wmdp",))
    with pytest.raises(UserError, match=f"--attack {attack} works on .* data"):
        jobs_of(grid, DISCIPLINE, tmp_path)


def test_a_finished_study_is_not_tried_again(tmp_path: Path) -> None:
    first = run(tmp_path)

    def never(params: Mapping[str, Any], ceiling: float) -> Judged:
        raise AssertionError

    assert [t.params for t in run(tmp_path, never)] == [t.params for t in first]


def test_more_trials_go_on_with_the_same_study(tmp_path: Path) -> None:
    few = run(tmp_path, discipline=Discipline(3, 0.9, 0))
    assert [t.params for t in run(tmp_path)][:3] == [t.params for t in few]


def test_a_trial_that_diverges_is_recorded_as_such_and_counts(tmp_path: Path) -> None:
    def diverging(params: Mapping[str, Any], ceiling: float) -> Judged:
        if params["lr"] > 5e-4:
            raise UserError("left NaN")
        return judged(params, ceiling)

    trials = run(tmp_path, diverging)
    failed = [t for t in trials if t.state == TrialState.FAIL]
    assert len(trials) == DISCIPLINE.trials
    assert {t.user_attrs["reason"] for t in failed} == {"left NaN"}


def test_without_a_feasible_trial_the_closest_one_is_known(tmp_path: Path) -> None:
    trials = run(tmp_path, lambda params, ceiling: Judged(0.1, params["lr"] * 100, None, 0.1))
    near = closest(trials)
    assert chosen(trials) is None
    assert near is not None
    assert near.params["lr"] == max(t.params["lr"] for t in trials)


def test_what_is_already_known_too_well_is_not_attacked(tmp_path: Path) -> None:
    seen: list[float] = []
    run(tmp_path, lambda params, ceiling: seen.append(ceiling) or judged(params, ceiling))  # type: ignore[func-returns-value]
    assert seen[0] == float("inf")
    assert all(later <= earlier for earlier, later in itertools.pairwise(seen))


def test_a_trial_that_was_not_attacked_never_counts_as_better_than_one_that_was(tmp_path: Path) -> None:
    def measured(params: Mapping[str, Any], ceiling: float) -> Judged:
        before = min(0.6, params["lr"] * 1000)
        return Judged(before, 1.0, before + 0.3 if before < ceiling else None, 0.1)

    trials = run(tmp_path, measured)
    feasible = {t.user_attrs["worst"] is not None: all(v <= 0 for v in t.constraints.values()) for t in trials}
    assert feasible == {True: True, False: False}


def test_the_file_of_a_setting_tells_every_trial(tmp_path: Path) -> None:
    trials = run(tmp_path)
    write_setting(tmp_path / "bench" / "knob.json", {"lr": 5e-4}, study(), trials)
    written = json.loads((tmp_path / "bench" / "knob.json").read_text())
    assert written["fields"] == {"lr": 5e-4}
    assert [trial["set"] for trial in written["study"]["trials"]] == [t.params for t in trials]


def score(value: float, axis: Any, *, headline: bool = True, chance: float = 0.0) -> Score:
    return Score(value, 0.01, 10, "lower", axis, "dev", headline, chance)


def test_knowledge_is_the_largest_share_left_on_any_headline_score() -> None:
    original = {"a": score(1.0, "forget"), "b": score(0.8, "forget"), "u": score(1.0, "utility", chance=0.25)}
    ruler = Ruler(original, {"a": score(0.2, "forget"), "b": score(0.0, "forget"), "u": score(1.0, "utility")})
    found = {"a": score(0.4, "forget"), "b": score(0.6, "forget"), "u": score(0.625, "utility")}
    assert ruler.knowledge(found) == pytest.approx(0.75)
    assert ruler.utility(found) == pytest.approx(0.5)


def test_ends_between_which_nothing_can_be_told_are_refused() -> None:
    ends = {"a": score(0.3, "forget", chance=0.28), "u": score(1.0, "utility")}
    with pytest.raises(UserError, match="room between"):
        Ruler(ends, {})
