"""``harness tune``: one study per method and benchmark, side by side in workers, each of them resumable.

A study runs in one process from its first to its last trial; how many run at a time changes no number.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial
from transformers.utils.logging import disable_progress_bar

from harness.cell import Spec
from harness.components import benchmark_spec, build, component_class, declared, made, preset_of, spec_of
from harness.console import say
from harness.errors import UserError
from harness.executors.worker import obey_parent
from harness.faults import Fault, attempt
from harness.grid import Overrides
from harness.locks import exclusive
from harness.means import on_gpu
from harness.registry import Kind
from harness.settings import setting_of
from harness.tuning.presets import study_of, write_setting
from harness.tuning.space import space_of
from harness.tuning.study import Discipline, Study, chosen, closest
from harness.tuning.trial import Bench, Judged, bench_of


@dataclass(frozen=True)
class Job:
    """One study to be made.

    Attributes:
        benchmark: Installed name.
        method: Installed name.
        attack: Installed name of the validation attack.
        engine: Installed name of what scores.
        overrides: Fields that were set by hand, for any of them.
        folder: Where settings and journals go.
    """

    benchmark: str
    method: str
    attack: str
    engine: str
    overrides: Overrides
    discipline: Discipline
    folder: Path

    @property
    def label(self) -> str:
        """Name for a line of progress."""
        return f"{self.benchmark} · {self.method}"


@dataclass(frozen=True)
class Tuned:
    """What a study ended with: the row of the final table, and whether a setting was written."""

    row: tuple[str, ...]
    problem: str = ""


COLUMNS = ("benchmark", "method", "K(0)", "K* start", "K* tuned", "u", "setting")


def tune(jobs: Sequence[Job], workers: int) -> Iterator[Tuned]:
    """Make all studies, those first that come first, and yield each as it ends.

    However this process ends, its workers end with it.

    Raises:
        ChildProcessError: A worker died; its study goes on where it stood when the command is run again.
    """
    context = get_context("spawn")
    threads = 0 if on_gpu() else 1
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(threads,)) as pool:
        running: dict[Future[Tuned], Job] = {pool.submit(studied, job): job for job in jobs}
        try:
            for future in as_completed(running):
                yield _result(future, running[future])
        except BaseException:  # Ctrl-C above all: the pool would wait for whole studies
            for worker in active_children():
                worker.kill()
            raise


def _result(future: Future[Tuned], job: Job) -> Tuned:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f"A worker died while it tuned {job.label} or another method, perhaps for want of memory. Finished trials "
            "are kept; run the same command again, with fewer --workers if need be."
        ) from error


@dataclass(frozen=True)
class _Built:
    """A job's components, each in its setting, and the study that they make."""

    world: Any
    preset: str
    start: Any
    attack: Any
    engine: Any
    study: Study


def checked(job: Job) -> Path:
    """Where a job will write its setting, if it can be made at all.

    Raises:
        UserError: A component cannot be built, or the setting there was found by another study.
    """
    built = _built(job)
    path = _path(job, built.preset)
    if path.exists() and study_of(path) != built.study.name:
        raise UserError(
            f"{path} was found by another study of {job.method}: with another seed, budget, attack, version or setting "
            "to start from. Give another --out, or delete it."
        )
    return path


def _built(job: Job) -> _Built:
    def of(kind: Kind, spelt: str, preset: str | None = None) -> Any:  # noqa: ANN401 - any plugin
        return build(kind, spelt, benchmark=preset, overrides=job.overrides.get((kind, spelt.partition("@")[0])))

    world = of("benchmark", job.benchmark)
    if not hasattr(world, "selection"):
        raise UserError(
            f"The benchmark '{job.benchmark}' sets no facts apart for choosing settings (it has no `selection`). "
            "Tune on one that does, such as the pocket benchmarks."
        )
    preset = preset_of(job.benchmark, world)
    start, attack, engine = start_of(job, preset), of("attack", job.attack, preset), of("engine", job.engine, preset)
    space = space_of(job.method, start)
    about = {
        "benchmark": asdict(benchmark_spec(job.benchmark, world)),
        "method": asdict(_without(spec_of(job.method, start), space)),
        "attack": asdict(spec_of(job.attack.partition("@")[0], attack)),
        "engine": asdict(spec_of(job.engine, engine)),
    }
    study = Study(space, {field: getattr(start, field) for field in space}, job.discipline, about)
    return _Built(world, preset, start, attack, engine, study)


def _path(job: Job, preset: str) -> Path:
    return job.folder / preset / f"{job.method}.json"


def studied(job: Job) -> Tuned:
    """Make one study and write the setting it chooses, or say why there is none."""
    found = attempt(lambda: _studied(job))
    if isinstance(found, Fault):
        return Tuned((job.benchmark, job.method, "", "", "", "", found.reason), found.reason)
    return found


def _studied(job: Job) -> Tuned:
    built = _built(job)
    bench = _bench(built.world, built.engine)

    def judge(params: Mapping[str, Any], ceiling: float) -> Judged:
        method = dataclasses.replace(built.start, **params)
        discipline = job.discipline
        return bench.judge(
            method, built.attack, seed=discipline.seed, least_utility=discipline.least_utility, ceiling=ceiling
        )

    def report(number: int, trial: FrozenTrial) -> None:
        say(f"{job.label} [{number}/{job.discipline.trials}] {_told(trial)}")

    journal = job.folder / "studies" / job.benchmark / f"{job.method}.journal"
    with exclusive(journal.with_suffix(".lock")):
        trials = built.study.run(journal, judge, report)
    return _concluded(job, built, trials)


def _concluded(job: Job, built: _Built, trials: list[FrozenTrial]) -> Tuned:
    """Write the chosen setting; without one, say which trial came closest."""
    best, first = chosen(trials), trials[0]
    before = "" if first.user_attrs.get("worst") is None else f"{first.user_attrs['worst']:.2f}"
    if best is None:
        problem = f"no trial kept a utility of {job.discipline.least_utility:.2f}; {_nearest(trials)}"
        return Tuned((job.benchmark, job.method, "", before, "", "", problem), problem)
    method = dataclasses.replace(built.start, **best.params)
    defaults = type(method)()
    fields = {
        field.name: getattr(method, field.name)
        for field in declared(type(method))
        if getattr(method, field.name) != getattr(defaults, field.name)
    }
    path = _path(job, built.preset)
    write_setting(path, fields, built.study, trials)
    judged = best.user_attrs
    numbers = (f"{judged['before']:.2f}", before, f"{judged['worst']:.2f}", f"{judged['utility']:.2f}")
    return Tuned((job.benchmark, job.method, *numbers, str(path)))


def _nearest(trials: list[FrozenTrial]) -> str:
    """Which trial came closest to the budget, in words."""
    near = closest(trials)
    if near is None:
        return f"every trial failed, the first with: {trials[0].user_attrs['reason']}"
    fields = ", ".join(
        f"{field} = {f'{value:.4g}' if isinstance(value, float) else value}" for field, value in near.params.items()
    )
    return f"trial {trials.index(near) + 1} came closest: {fields} kept {near.user_attrs['utility']:.2f}"


def start_of(job: Job, preset: str) -> Any:  # noqa: ANN401 - any plugin
    """The method where the search starts: its own preset, else what is published, never a setting that was tuned."""
    wanted = "preset" if preset in getattr(component_class("method", job.method), "presets", {}) else "published"
    setting = setting_of("method", f"{job.method}@{wanted}", benchmark=preset)
    return made("method", job.method, {**setting.fields, **job.overrides.get(("method", job.method), {})})


def _without(spec: Spec, space: Any) -> Spec:  # noqa: ANN401 - the searched fields
    return dataclasses.replace(spec, params={key: value for key, value in spec.params.items() if key not in space})


@lru_cache(maxsize=4)
def _bench(world: Any, engine: Any) -> Bench:  # noqa: ANN401 - any plugins
    return bench_of(world, engine)


def _told(trial: FrozenTrial) -> str:
    """What a trial came to, in words."""
    seen = trial.user_attrs
    if "reason" in seen:
        return f"failed: {seen['reason']}"
    after = "not attacked" if seen["worst"] is None else f"K* {seen['worst']:.2f}"
    return f"K(0) {seen['before']:.2f}, u {seen['utility']:.2f}, {after}, {seen['seconds']:.0f} s"


def _begin(threads: int) -> None:
    obey_parent()
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
    disable_progress_bar()
