"""One study: a fixed number of trials of one method on one benchmark, resumable, and the setting it chooses.

Invariant: a study that was killed and taken up again ends with the trials of one that was not. For that every trial has
a sampler of its own, seeded by its number, and reads nothing but the finished trials before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from harness.cell import digest
from harness.faults import Fault, attempt
from harness.tuning.trial import Judged

RANDOM_TRIALS = 8
"""Trials before the model of TPE chooses: the setting that is started from, then random ones."""

UNMEASURED = 1e-6
"""Least violation of a trial that was not attacked, since another one stayed below its K(0)."""

Judge = Callable[[Mapping[str, Any], float], Judged]
"""Measures a setting given by field; the number is the K that it has to stay below to be worth an attack."""
Report = Callable[[int, FrozenTrial], None]


@dataclass(frozen=True)
class Discipline:
    """What is the same for every method.

    Attributes:
        trials: How many settings are tried, those that diverge included.
        least_utility: u that a setting must keep to be chosen.
        seed: Of the sampler, of unlearning and of the attack.
    """

    trials: int
    least_utility: float
    seed: int


@dataclass(frozen=True)
class Study:
    """A search and where it is kept.

    Attributes:
        space: Field -> where it is searched.
        start: The same fields at the setting that is started from.
        about: What the trials' numbers depend on beside their fields; a change begins another study.
    """

    space: Mapping[str, BaseDistribution]
    start: Mapping[str, Any]
    discipline: Discipline
    about: Mapping[str, Any]

    def run(self, journal: Path, judge: Judge, report: Report) -> list[FrozenTrial]:
        """Try settings until there are as many trials as the discipline says; those that the journal has count.

        Args:
            journal: File that keeps every finished trial.
            judge: Measures a setting.
            report: Called after each trial.

        Returns:
            All trials in order.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal.parent.mkdir(parents=True, exist_ok=True)
        _mend(journal)
        storage = JournalStorage(JournalFileBackend(str(journal)))
        study = optuna.create_study(storage=storage, study_name=self.name, direction="minimize", load_if_exists=True)
        done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished() and not _cut(trial)]
        for number in range(len(done), self.discipline.trials):
            report(number + 1, self._try(study, number, judge))
        return [trial for trial in study.get_trials() if trial.state.is_finished() and not _cut(trial)]

    def _try(self, study: optuna.Study, number: int, judge: Judge) -> FrozenTrial:
        _close(study)
        study.sampler = TPESampler(seed=(self.discipline.seed * 1_000 + number) % 2**32, n_startup_trials=RANDOM_TRIALS)
        if number == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(dict(self.start))
        trial = study.ask(dict(self.space))
        best = chosen(study.get_trials(deepcopy=False))
        ceiling = math.inf if best is None else float(best.user_attrs["worst"])
        judged = attempt(lambda: judge(trial.params, ceiling))
        if isinstance(judged, Fault):
            trial.set_user_attr("reason", judged.reason)
            return study.tell(trial, state=TrialState.FAIL)
        for key, value in asdict(judged).items():
            trial.set_user_attr(key, value)
        lost = self.discipline.least_utility - judged.utility
        trial.set_constraint("utility", lost)
        # Not attacked, it has K(0) alone, which bounds K* from below: that must not compete with what was measured.
        spared = judged.worst is None and lost <= 0
        trial.set_constraint("attacked", max(judged.before - ceiling, UNMEASURED) if spared else 0.0)
        return study.tell(trial, judged.before if judged.worst is None else judged.worst)

    @property
    def name(self) -> str:
        """Digest of everything that a trial's numbers depend on, the number of trials left out."""
        space = {field: distribution_to_json(distribution) for field, distribution in self.space.items()}
        kept = {**asdict(self.discipline), "trials": None}  # more trials go on with the same study
        return digest([space, dict(self.start), kept, dict(self.about)])


def chosen(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The attacked trial with the least knowledge after it; None if none kept enough utility to be attacked."""
    attacked = [trial for trial in trials if trial.user_attrs.get("worst") is not None]
    return min(attacked, key=lambda trial: (float(trial.user_attrs["worst"]), trial.number), default=None)


def closest(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The trial that kept most utility, for the message that no one kept enough."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(finished, key=lambda trial: float(trial.user_attrs["utility"]), default=None)


def _mend(journal: Path) -> None:
    """Drop the end of a last line that a killed process did not finish: what is appended to it could not be read."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with journal.open("r+b") as handle:
            handle.truncate(len(whole))


def _close(study: optuna.Study) -> None:
    """Mark trials that a killed process left running; they count for nothing and are tried again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _cut(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs
