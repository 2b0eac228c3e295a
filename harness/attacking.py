"""The attack stage: bring a model to one point after another, and score it at each; the clock stands while scoring.

What an adaptive attack was told is noted point by point, so that a search that was killed goes on where it stood.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.api import LM, Attack, AttackerData, Benchmark, Engine, Evaluation, NotApplicable, Point, Prompts, Verdict
from harness.cost import Meter, together
from harness.course import follow_points, is_adaptive, of_dev, verdict_of
from harness.errors import Diverged, UserError
from harness.lm import fingerprint
from harness.record import Cost, Measurement
from harness.ruler import Ruler
from harness.unlearned import require_finite

Evaluate = Callable[[Engine, Prompts], Evaluation]


@dataclass(frozen=True)
class Note:
    """One scored point of an adaptive attack, and what the attack had cost when it was reached.

    Attributes:
        start: Fingerprint of the model that was attacked: made anew elsewhere, it may be another one.
    """

    measurement: Measurement
    cost: Cost
    start: str


_NOTE = TypeAdapter(Note)
NOTHING = Verdict(0.0, 0.0, 0.0)
"""What an attack is told of a point at which its weights are not finite."""


@dataclass(frozen=True)
class Seen:
    """What an attack came to: measurements, or why it has no meaning here."""

    measurements: tuple[Measurement, ...]
    not_applicable: str
    cost: Cost


@dataclass(frozen=True)
class Scorer:
    """Scores points on the benchmark and refuses numbers that are none.

    Attributes:
        evaluate: Scores the model that the engine serves.
        attack: The attack's name, for messages.
        notes: File of what an adaptive attack was told; gone when the attack has ended.
        ruler: K and u on dev items; asked for if the attack is adaptive.
    """

    evaluate: Evaluate
    engine: Engine
    attack: str
    notes: Path
    ruler: Callable[[], Ruler]

    def measure(self, lm: LM, point: Point) -> Measurement:
        """Score the model at a point.

        Raises:
            Diverged: A score, or the soft prompt, is not finite.
        """
        if lm.soft_prompt is not None and not getattr(self.engine, "serves_soft_prompts", False):
            raise NotApplicable("this engine puts no soft prompt before a text; --engine transformers does")
        if lm.soft_prompt is not None and not bool(lm.soft_prompt.isfinite().all()):
            raise Diverged("The soft prompt is not finite.")
        served = self.engine.load(lm)
        evaluation = self.evaluate(self.engine, point.prompts)
        for name, score in evaluation.scores.items():
            if not all(math.isfinite(number) for number in (score.value, score.stderr, *score.items)):
                raise Diverged(f"The score '{name}' is not finite: {score.value}.")
        remarks = (*evaluation.remarks, *getattr(self.engine, "remarks", ()), *point.remarks)
        self.engine.rest()
        return Measurement(point, served, dict(evaluation.scores), dict(evaluation.not_applicable), remarks)


def scoring(benchmark: Benchmark, attack: Attack) -> Evaluate:
    """How points are scored: in full before attack, after one as the benchmark has it."""
    whole: Evaluate = benchmark.evaluate
    attacked: Evaluate = getattr(benchmark, "evaluate_attacked", whole)
    return whole if attack.family == "none" else attacked


def attacked(lm: LM, attack: Attack, data: AttackerData, scorer: Scorer, *, seed: int) -> Seen:
    """Run an attack and score the model at every point it yields.

    Args:
        lm: The unlearned model; edited in place.
        attack: What is done to it.
        data: What the attacker sees.
        scorer: Scores points.
        seed: Of the attack.

    Raises:
        UserError: The attack broke the contract, or a number is not finite.
    """
    try:
        course = _Course(lm, scorer, scorer.ruler() if is_adaptive(attack) else None)
    except UserError as error:
        return Seen((), f"the attack searches on dev items: {error}", Cost())
    reason = ""
    with Meter(lm.model) as meter:
        try:
            known = dataclasses.replace(data, known=len(course.noted))
            follow_points(attack, lm, known, seed=seed, judge=lambda point: course.judge(point, meter))
        except NotApplicable as error:
            reason = str(error) or "not applicable"
    found = course.measurements
    if found and not any(measurement.scores for measurement in found):
        raise Diverged(found[0].remarks[-1])
    if found and reason:
        raise UserError(f"Attack '{scorer.attack}' yielded points and then said: {reason}. It must say so first.")
    if not found and not reason:
        raise UserError(f"Attack '{scorer.attack}' yielded no point. It must yield at least one, or say why not.")
    scorer.notes.unlink(missing_ok=True)
    return Seen(tuple(found), reason, course.cost(meter))


class _Course:
    """One attack under way."""

    def __init__(self, lm: LM, scorer: Scorer, ruler: Ruler | None) -> None:
        self._lm, self._scorer, self._ruler = lm, scorer, ruler
        self._start = fingerprint(lm.model) if ruler else ""
        self.noted = _read(scorer.notes, self._start) if ruler else []
        self.measurements: list[Measurement] = []

    def judge(self, point: Point, meter: Meter) -> Verdict | None:
        """Score a point, or take its scores from the notes; an adaptive attacker is told."""
        with meter.paused():
            public = self._public(point)
            number = len(self.measurements)
            known = self.noted[number].measurement if number < len(self.noted) else None
            if known and known.point != public:
                self._scorer.notes.unlink(missing_ok=True)
                raise UserError(
                    f"Attack '{self._scorer.attack}' came to {public}, where an interrupted run of it came to "
                    f"{known.point}. What that run had noted is deleted; run the same command again."
                )
            measured = known or replace(self._measured(point), point=public)
            self.measurements.append(measured)
            if self._ruler is None:
                return None
            if not known:
                _append(self._scorer.notes, Note(measured, self.cost(meter), self._start))
            return verdict_of(self._ruler, of_dev(measured.scores)) if measured.scores else NOTHING

    def _public(self, point: Point) -> Point:
        """The point as a record may hold it."""
        if not isinstance(point, Point) or point.budget < 0:
            raise UserError(
                f"Attack '{self._scorer.attack}' yielded {point!r}. Yield a Point whose budget is 0 or more tokens."
            )
        readings = {name: value for name, value in point.readings.items() if math.isfinite(value)}
        return replace(point, prompts=point.prompts.published(), readings=readings, remarks=())

    def _measured(self, point: Point) -> Measurement:
        """The scores of a point; none, with a remark, if the attack diverged on its way there: others count."""
        updates = point.readings.get("updates")
        step = "" if updates is None else f" after {updates:g} updates"
        where = f"Attack '{self._scorer.attack}' at budget {point.budget} {point.series}".rstrip() + step
        try:
            require_finite(self._lm.model, where)
            return self._scorer.measure(self._lm, point)
        except Diverged as error:
            said = str(error)
            said = said if said.startswith(where) else f"{where}: {said}"
            return Measurement(point, "", {}, {}, (*point.remarks, said))

    def cost(self, meter: Meter) -> Cost:
        """What the attack cost so far, an interrupted run included."""
        return together(self.noted[-1].cost, meter.cost()) if self.noted else meter.cost()


def _read(notes: Path, start: str) -> list[Note]:
    """What an interrupted run noted of this model; a line that was cut short is worth none, as all behind it."""
    found: list[Note] = []
    for line in notes.read_bytes().splitlines() if notes.exists() else ():
        try:
            note = _NOTE.validate_json(line)
        except ValidationError:
            break
        if note.start != start:
            break
        found.append(note)
    if notes.exists():
        notes.write_bytes(b"".join(_NOTE.dump_json(note) + b"\n" for note in found))
    return found


def _append(notes: Path, note: Note) -> None:
    notes.parent.mkdir(parents=True, exist_ok=True)
    with notes.open("ab") as handle:
        handle.write(_NOTE.dump_json(note) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
