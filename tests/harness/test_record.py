"""A record is text that describes itself; anything else is refused with the reason."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import record as records
from harness.api import BenchmarkCard, Point, Prompts, Score, Threat
from harness.cell import Cell, Spec
from harness.record import AttackCard, Cost, Measurement, MethodCard, Provenance, Record, RecordError

GOLDEN = Path(__file__).parent / "golden" / "record.json"


@pytest.fixture
def record() -> Record:
    spec = Spec("x", 1, {"lr": 1e-3, "layers": (1, 2), "retain": None}, {"data": "00ff"})
    cell = Cell(benchmark=spec, method=spec, attack=spec, engine=spec, seed=3)
    score = Score.mean_of([1.0, 0.0, 1.0], axis="forget", better="lower", headline=True, chance=0.25)
    point = Point(80, "N=20", Prompts(before="Read this. "))
    return Record(
        schema=records.SCHEMA,
        id=cell.id,
        cell=cell,
        benchmark=BenchmarkCard("Pocket", "pocket", "1M parameters", "Never compare.", ("why",)),
        method=MethodCard("One line.", "method", "divergence", "2404.05868"),
        attack=AttackCard("One line.", "relearn", Threat("weights", "forget"), "2502.05374"),
        measurements=(Measurement(point, "ab" * 32, {"cloze": score}, {"gcg": "no gradients"}),),
        not_applicable="",
        reference_lr=1e-3,
        unlearn_cost=Cost(1.5, 60, 120.0, 120.5, 9000, 2**30),
        attack_cost=Cost(),
        provenance=Provenance("0.1.0", "c0ffee", True, "3.11", {"torch": "2"}, {"m": "mine 1.0"}, "cpu", "f32", 1, "t"),
    )


def test_a_record_survives_the_round_trip(record: Record) -> None:
    assert records.loads(records.dumps(record)) == record


def test_the_wire_format_is_the_golden_one(record: Record) -> None:
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(records.dumps(record))
    renew = "RENEW_GOLDEN=1 python -m pytest tests/harness/test_record.py"
    assert GOLDEN.read_text() == records.dumps(record), f"published records change: bump SCHEMA, then {renew}"


def test_a_record_from_before_remarks_is_still_read() -> None:
    data = json.loads(GOLDEN.read_text()) | {"schema": 1}
    for measurement in data["measurements"]:
        del measurement["remarks"]
    assert records.loads(json.dumps(data)).measurements[0].remarks == ()


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(GOLDEN.read_text())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d.pop("attack_cost"), "attack_cost"),
        (lambda d: d["cell"].update(seed=4), "does not match its cell"),
        (lambda d: d.update(schema=99), "schema 99"),
        (lambda d: d["measurements"][0]["scores"]["cloze"].update(value=float("nan")), "value"),
        (lambda d: d["measurements"][0]["scores"]["cloze"].update(n="3"), "integer"),
        (lambda d: d.update(measurements=[]), "either measurements or the reason"),
        (lambda d: d["attack"].update(family="magic"), "family"),
    ],
)
def test_a_text_that_is_not_a_record_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        records.loads(edited(change))


def test_a_truncated_record_is_refused(record: Record) -> None:
    with pytest.raises(RecordError, match="Invalid JSON"):
        records.loads(records.dumps(record)[:-100])


def test_a_record_that_is_not_finite_is_never_written(record: Record) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        records.dumps(replace(record, reference_lr=float("inf")))


def test_cost_and_provenance_are_not_what_was_measured(record: Record) -> None:
    slower = replace(record, unlearn_cost=replace(record.unlearn_cost, seconds=9.0))
    assert records.measured(slower) == records.measured(record) != record


def test_an_attack_that_needs_the_original_is_a_diagnostic() -> None:
    assert not AttackCard("", "edit", Threat("weights", "none", base_model=True), "").ranked


def test_the_mean_of_items_has_the_standard_error_of_a_mean() -> None:
    score = Score.mean_of([1.0, 0.0, 0.0, 1.0], axis="utility", better="higher")
    assert (score.value, score.n) == (0.5, 4)
    assert score.stderr == pytest.approx((1 / 3 / 4) ** 0.5)


def test_a_mean_without_items_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least two items"):
        Score.mean_of([], axis="utility", better="higher")
