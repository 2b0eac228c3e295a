"""Cells and a task without torch, so that worker processes start at once: the attack's name says what happens."""

from __future__ import annotations

import os
import signal
import sys
import time

from harness.api import BenchmarkCard, Point, Score, Threat
from harness.cell import Cell, Spec
from harness.plan import Plan, Planned
from harness.record import SCHEMA, AttackCard, Cost, Measurement, MethodCard, Provenance, Record


def cell(attack: str, seed: int = 0) -> Cell:
    return Cell(Spec("bench", 1), Spec("npo", 1, {"beta": 0.1}), Spec(attack, 1), Spec("engine", 1), seed)


def planned(attack: str, seed: int = 0) -> Planned:
    return Planned(cell(attack, seed), {})


def plan(*attacks: str) -> Plan:
    return Plan(tuple(planned(attack, seed) for seed, attack in enumerate(attacks)), (), ())


def record(attack: str = "none", seed: int = 0) -> Record:
    measured = cell(attack, seed)
    score = Score.mean_of([0.0, 1.0, 1.0], axis="forget", better="lower")
    return Record(
        schema=SCHEMA,
        id=measured.id,
        cell=measured,
        benchmark=BenchmarkCard("Bench", "pocket", "a model", "pocket"),
        method=MethodCard("Forgets.", "method", "ascent", ""),
        attack=AttackCard("Attacks.", "none", Threat("none", "none"), ""),
        measurements=(Measurement(Point(0), "ab" * 32, {"mcq": score}),),
        not_applicable="",
        reference_lr=1e-4,
        unlearn_cost=Cost(),
        attack_cost=Cost(),
        provenance=Provenance("0", "", False, "3", {}, {}, "cpu", "float32", os.getpid(), ""),
    )


def act(planned: Planned) -> Record:
    how = planned.cell.attack.name
    sys.stdout.write(f"about to {how}\n")
    sys.stdout.flush()
    if how == "abort":
        os.abort()
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "endless":
        time.sleep(3600)
    if how == "pause":
        time.sleep(0.5)
    if how == "raise":
        raise RuntimeError("no gradient today")
    return record(how, planned.cell.seed)
