"""A board's JSON is what its schema says: on every kind of board, and nothing else passes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from sites import data, site
from synthetic import controls, demo, record, stop

from harness.record import Measurement, Role, Score
from leaderboard.collection import Submission
from leaderboard.downloads.tables import SCHEMA

ATTACKED: tuple[tuple[str, Role], ...] = (("steady", "method"), ("never", "reference"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(demo(2), tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def schema(out: Path) -> Draft202012Validator:
    content = json.loads((out / "data" / "schema" / "board.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def with_score(measurement: Measurement, score: Score) -> Measurement:
    return replace(measurement, scores={**measurement.scores, "auc": score})


def test_a_board_in_every_section_conforms(schema: Draft202012Validator, out: Path) -> None:
    schema.validate(data(out))


def test_a_board_of_gaps_conforms(schema: Draft202012Validator, tmp_path: Path) -> None:
    bare = [record("alpha", [stop(0.1)]), record("never", [stop(0.0)], role="reference")]
    schema.validate(data(site(bare, tmp_path / "bare")))
    failed = [*controls(), record("alpha"), record("beta", [stop(0.1)], attack="ask", family="prompt")]
    schema.validate(data(site(failed, tmp_path / "failed")))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("k_star", "low"),
        ("section", "winner"),
        ("entry", "../../x"),
        ("colour", "red"),
        ("rank_low", 1.5),
        ("status", "trusted"),
        ("status", None),
        ("date", "yesterday"),
        ("privleak_auc", "none"),
    ],
)
def test_anything_else_does_not(schema: Draft202012Validator, out: Path, key: str, value: object) -> None:
    content: Any = data(out)
    content["rows"][0][key] = value
    with pytest.raises(ValidationError):
        schema.validate(content)


def test_a_board_with_privleak_and_a_best_known_attack_conforms(schema: Draft202012Validator, tmp_path: Path) -> None:
    leaking = Score(0.6, 0.01, 100, "zero", "privacy", chance=0.5)
    own = [replace(r, measurements=tuple(with_score(m, leaking) for m in r.measurements)) for r in demo()]
    sly = [record(name, [stop(0.99)], attack="sly", family="prompt", role=role) for name, role in ATTACKED]
    handed = Submission("sly", "Sly", (), {}, "CC-BY-4.0", "2026-03-04", "", tuple(sly))
    content = data(site(own, tmp_path / "leaks", submissions=(handed,)))
    schema.validate(content)
    (row,) = [row for row in content["rows"] if row["method"] == "steady"]
    assert (row["best_known"], row["privleak_auc"]) == (pytest.approx(0.99), pytest.approx(0.0))


@pytest.mark.parametrize("column", ["utility", "status", "submitted_by", "best_known", "suite"])
def test_a_column_that_is_missing_is_noticed(schema: Draft202012Validator, out: Path, column: str) -> None:
    content: Any = data(out)
    del content["rows"][0][column]
    with pytest.raises(ValidationError, match=f"'{column}' is a required property"):
        schema.validate(content)


def test_the_version_is_that_of_the_file(schema: Draft202012Validator) -> None:
    assert schema.schema["properties"]["schema"] == {"const": SCHEMA}
