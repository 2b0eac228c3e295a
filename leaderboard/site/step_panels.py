"""Geometry of an experiment's figure: one panel per method, utility and knowledge left against the step.

A line joins neighbouring steps that were both measured; where one is missing it breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.experiments import Course, Experiment
from leaderboard.sampling import Estimate
from leaderboard.site.figures import Axis
from leaderboard.site.panels import PANEL_HEIGHT, PANEL_WIDTH
from leaderboard.site.spelling import percent


@dataclass(frozen=True)
class Trace:
    """One measure over the steps: SVG path data (empty without neighbours) and a dot for every value."""

    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class StepPanel:
    """One method: its utility and its knowledge left before attack."""

    name: str
    utility: Trace
    knowledge: Trace
    words: str


@dataclass(frozen=True)
class StepPanels:
    """All methods of an experiment on the same axes; ghosts are the utilities of all of them."""

    x: Axis
    y: Axis
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    ghosts: tuple[str, ...]
    panels: tuple[StepPanel, ...]


def step_panels(experiment: Experiment) -> StepPanels | None:
    """The figure of an experiment, None where no method has a value of u or K to draw."""
    courses = [c for c in experiment.courses if c.role == "method" and _known([*c.utility, *c.k_before])]
    if not courses:
        return None
    values = _known([e for c in courses for e in (*c.utility, *c.k_before)])
    x = Axis(1, max(experiment.steps), 36, PANEL_WIDTH - 14)
    y = Axis(max(min(0.0, *values), -0.4) - 0.1, min(max(1.0, *values), 1.5) + 0.1, PANEL_HEIGHT - 26, 8)
    return StepPanels(
        x=x,
        y=y,
        x_ticks=tuple((x.place(step), str(step)) for step in experiment.steps),
        y_ticks=tuple((y.place(v), f"{100 * v:g}") for v in (0.0, 0.5, 1.0)),
        ghosts=tuple(path for c in courses if (path := _trace(c.utility, x, y).path)),
        panels=tuple(_panel(c, x, y) for c in courses),
    )


def _panel(course: Course, x: Axis, y: Axis) -> StepPanel:
    return StepPanel(
        name=course.label.text,
        utility=_trace(course.utility, x, y),
        knowledge=_trace(course.k_before, x, y),
        words=f"utility {_listed(course.utility)}; knowledge left {_listed(course.k_before)}",
    )


def _trace(estimates: Sequence[Estimate], x: Axis, y: Axis) -> Trace:
    path, dots = "", []
    joined = False
    for step, estimate in enumerate(estimates, start=1):
        if estimate.value is not None:
            at = (x.place(step), y.place(estimate.value))
            dots.append(at)
            path += f"{'L' if joined else 'M'}{at[0]} {at[1]}"
        joined = estimate.value is not None
    return Trace(path if "L" in path else "", tuple(dots))


def _listed(estimates: Sequence[Estimate]) -> str:
    return ", ".join("not measured" if e.value is None else percent(e.value) for e in estimates)


def _known(estimates: Sequence[Estimate]) -> list[float]:
    return [e.value for e in estimates if e.value is not None]
