"""A tuned setting as a file: the fields, and the study without which nobody could judge them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from harness.faults import Fault, attempt
from harness.provenance import DISTRIBUTION, HOME, checkout, version_of
from harness.tuning.study import Study


def write_setting(path: Path, fields: Mapping[str, Any], study: Study, trials: Sequence[FrozenTrial]) -> None:
    """Write the setting that a study chose, by rename, so that a half-written one is never read.

    Args:
        path: ``<folder>/<benchmark>/<method>.json``.
        fields: Every field that differs from the method's defaults.
        study: What was searched, and under which discipline.
        trials: All of them, in order; the file tells what each came to.
    """
    commit, dirty = checkout(HOME)
    described = {
        "fields": dict(fields),
        "study": {
            "name": study.name,
            "about": dict(study.about),
            "discipline": {
                "trials": study.discipline.trials,
                "least_utility": study.discipline.least_utility,
                "seed": study.discipline.seed,
            },
            "start": dict(study.start),
            "space": {field: str(distribution) for field, distribution in study.space.items()},
            "trials": [described_trial(trial) for trial in trials],
            "harness": {"version": version_of(DISTRIBUTION), "commit": commit, "dirty": dirty},
        },
    }
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(described, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def study_of(path: Path) -> str:
    """Name of the study that found a setting; empty if the file does not say."""
    found = attempt(lambda: str(json.loads(path.read_text(encoding="utf-8"))["study"]["name"]))
    return "" if isinstance(found, Fault) else found


def described_trial(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial set and came to: K before and after the attack and u, or why it has none."""
    known = ("before", "worst", "utility", "seconds", "reason")
    numbers = {key: trial.user_attrs[key] for key in known if key in trial.user_attrs}
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in numbers.items()}
    return {"set": dict(trial.params), **rounded}
