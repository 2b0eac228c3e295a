"""`harness tune`: what is refused beforehand, what a trial measures, and the setting that is written."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import dial
import pytest
import tiny
from optuna.trial import FrozenTrial, TrialState, create_trial
from processes import ended, when

from harness.api import Selection
from harness.cli import main
from harness.errors import Diverged, UserError
from harness.grid import Grid
from harness.lm import load_lm
from harness.ruler import Ruler
from harness.settings import setting_of
from harness.tuning.jobs import jobs_of
from harness.tuning.session import COLUMNS, Job, _nearest, studied
from harness.tuning.study import Discipline
from harness.tuning.trial import Bench

POINTS = {
    "benchmarks": {"dial": "dial:DialBenchmark", "other": "dial:OtherBenchmark", "plain": "tiny:TinyBenchmark"},
    "methods": {"dial": "dial:Dial"},
    "attacks": {"recall": "dial:Recall"},
    "engines": {"dial": "dial:DialEngine"},
}
DISCIPLINE = Discipline(trials=3, least_utility=0.95, seed=0)

JobsOf = Callable[..., list[Job]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models and with plugins that can be put on the path."""
    folder = tmp_path_factory.mktemp("dial")
    tiny.save_models(folder / "models")
    tiny.write_distribution(folder / "site-packages", "dial-plugins", POINTS)
    return folder


@pytest.fixture
def jobs(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobsOf:
    """Makes jobs of the dial method, with settings by hand."""
    monkeypatch.syspath_prepend(place / "site-packages")

    def make(attack: str = "recall", benchmarks: tuple[str, ...] = ("dial",), **settings: object) -> list[Job]:
        seed = settings.pop("seed", 0)
        chosen = {f"benchmark.{name}.model": str(place / "models") for name in benchmarks}
        chosen |= {key.replace("__", "."): value for key, value in settings.items()}  # type: ignore[dict-item]
        grid = Grid(methods=("dial",), attacks=(attack,), benchmarks=benchmarks, engine="dial", overrides=chosen)
        return jobs_of(grid, Discipline(3, 0.95, int(str(seed))), tmp_path)[0]

    return make


def test_a_trial_measures_the_worst_stop_of_the_attack_and_attacks_unlearned_weights_every_time(place: Path) -> None:
    engine = dial.DialEngine()
    world = dial.DialBenchmark(model=str(place / "models"))
    selections = world.selection(0.1)
    load = load_lm(world.target())
    engine.load(load)
    top = dial.reading(engine, None).scores
    bench = Bench(world, engine, selections, [Ruler(top, {}), Ruler(top, {})])
    judged = bench.judge(dial.Dial(left=0.2, kept=0.96), dial.Recall(), seed=0, least_utility=0.95, ceiling=1.0)
    assert (judged.before, judged.utility, judged.worst) == pytest.approx((0.2, 0.96, 0.5))


@pytest.mark.parametrize(("kept", "ceiling"), [(0.94, 1.0), (1.0, 0.2)])
def test_what_cannot_be_chosen_is_not_attacked(place: Path, kept: float, ceiling: float) -> None:
    engine, world = dial.DialEngine(), dial.DialBenchmark(model=str(place / "models"))
    engine.load(load_lm(world.target()))
    rulers = [Ruler(dial.reading(engine, None).scores, {})] * 2
    bench = Bench(world, engine, world.selection(0.1), rulers)
    judged = bench.judge(dial.Dial(left=0.2, kept=kept), dial.Recall(), seed=0, least_utility=0.95, ceiling=ceiling)
    assert judged.worst is None


def test_a_score_that_is_not_finite_is_a_trial_that_diverged(place: Path) -> None:
    engine, world = dial.DialEngine(), dial.DialBenchmark(model=str(place / "models"))
    engine.load(load_lm(world.target()))
    good = dial.reading(engine, None)
    bad = replace(good, scores={**good.scores, "utility": replace(good.scores["utility"], value=float("nan"))})
    selections = [Selection(one.attacker, lambda engine, prompts: bad) for one in world.selection(0.1)]
    bench = Bench(world, engine, selections, [Ruler(good.scores, {})] * 2)
    with pytest.raises(Diverged, match="utility = nan"):
        bench.judge(dial.Dial(), dial.Recall(), seed=0, least_utility=0.95, ceiling=1.0)


def test_the_setting_that_is_written_is_the_one_that_a_run_takes(jobs: JobsOf, tmp_path: Path) -> None:
    (job,) = jobs()
    row = dict(zip(COLUMNS, studied(job).row, strict=True))
    written = json.loads((tmp_path / "dial" / "dial.json").read_text())
    trials = written["study"]["trials"]
    best = min(trials, key=lambda trial: trial.get("worst") or 9)
    assert row["K* start"] == "0.50"
    assert row["K* tuned"] == f"{best['worst']:.2f}"
    assert written["fields"]["left"] == best["set"]["left"]
    found = setting_of("method", "dial", benchmark="dial", tuned=tmp_path)
    assert (found.name, found.fields) == ("tuned", written["fields"])


def test_a_budget_that_nobody_keeps_names_the_closest_trial_and_writes_nothing(jobs: JobsOf, tmp_path: Path) -> None:
    (job,) = jobs(method__dial__kept=0.5)
    ended = studied(job)
    assert "no trial kept a utility of 0.95; trial 1 came closest: left = 0.2, mood = calm kept 0.50" in ended.problem
    assert not (tmp_path / "dial").exists()


def test_a_setting_that_another_study_found_is_not_written_over(jobs: JobsOf, tmp_path: Path) -> None:
    studied(jobs()[0])
    assert jobs() == jobs()
    with pytest.raises(UserError, match=r"dial\.json was found by another study of dial"):
        jobs(seed=1)
    with pytest.raises(UserError, match="found by another study"):
        jobs(engine__dial__grain=2)
    (tmp_path / "dial" / "dial.json").write_text("{")
    with pytest.raises(UserError, match="found by another study"):
        jobs()


def test_two_benchmarks_with_the_same_presets_are_not_tuned_into_one_file(jobs: JobsOf) -> None:
    with pytest.raises(UserError, match="would both write"):
        jobs(benchmarks=("dial", "other"))
    assert len(jobs(benchmarks=("dial", "other"), benchmark__other__shared="elsewhere")) == 2


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("method__npo__lr", "method 'npo' is not in this grid"),
        ("attack__recall__gian", "has no field 'gian'. Did you mean 'gain'"),
        ("engine__dial__gain", "has no field 'gain'"),
        ("method__dial__left", "must be greater than 0"),
    ],
)
def test_a_setting_that_does_nothing_or_cannot_be_is_refused_beforehand(jobs: JobsOf, key: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        jobs(**{key: 0})


def test_settings_of_an_attack_apply_in_whichever_setting_it_is_named(jobs: JobsOf, tmp_path: Path) -> None:
    studied(jobs(attack="recall@default", attack__recall__gain=0.1)[0])
    study = json.loads((tmp_path / "dial" / "dial.json").read_text())["study"]
    assert study["about"]["attack"]["params"] == {"gain": 0.1}
    assert study["trials"][0]["worst"] == pytest.approx(0.3)


def test_a_benchmark_without_facts_for_choosing_is_refused(jobs: JobsOf) -> None:
    with pytest.raises(UserError, match="Tune on one that does"):
        jobs(benchmarks=("plain",))


def test_the_command_tunes_in_workers_and_prints_what_it_found(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(place / "site-packages")
    grid = ("--methods", "dial", "--benchmarks", "dial", "--attack", "recall", "--engine", "dial", "--trials", "2")
    places = ("--set", f"benchmark.dial.model={place / 'models'}", "--out", str(tmp_path))
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as end:
        main(["tune", *grid, *places])
    assert not end.value.code, out.getvalue()
    assert str(tmp_path / "dial" / "dial.json") in out.getvalue()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_the_command_and_the_study_goes_on(place: Path, tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "harness", "tune", "--methods", "dial", "--benchmarks", "dial"]
    command += ["--attack", "recall", "--engine", "dial", "--out", str(tmp_path)]
    command += ["--set", f"benchmark.dial.model={place / 'models'}", "--set", "method.dial.pause_s=0.5"]
    path = os.pathsep.join((str(place / "site-packages"), str(Path(__file__).parent)))
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL)
    journal = tmp_path / "studies" / "dial" / "dial.journal"
    try:
        assert when(journal.exists, within_s=60)
        assert ended(process, how)
    finally:
        process.kill()
    size = journal.stat().st_size
    time.sleep(1)
    assert journal.stat().st_size == size


def trial(number: int, state: TrialState, **seen: object) -> FrozenTrial:
    made = create_trial(state=state, value=0.5 if state == TrialState.COMPLETE else None, user_attrs=dict(seen))
    made.number = number
    return made


def test_trials_are_counted_without_those_that_a_killed_process_left() -> None:
    trials = [trial(0, TrialState.FAIL, reason="lr is odd"), trial(4, TrialState.COMPLETE, utility=0.4)]
    assert _nearest(trials).startswith("trial 2 came closest")


def test_of_trials_that_all_failed_the_first_reason_is_told() -> None:
    assert _nearest([trial(0, TrialState.FAIL, reason="no room")]) == "every trial failed, the first with: no room"
