"""A board's JSON is what its schema says: on every kind of board, and nothing else passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from sites import data, site
from synthetic import controls, demo, record, stop

from leaderboard.downloads.tables import SCHEMA


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(demo(2), tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def schema(out: Path) -> Draft202012Validator:
    content = json.loads((out / "data" / "schema" / "board.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def test_a_board_in_every_section_conforms(schema: Draft202012Validator, out: Path) -> None:
    schema.validate(data(out))


def test_a_board_of_gaps_conforms(schema: Draft202012Validator, tmp_path: Path) -> None:
    bare = [record("alpha", [stop(0.1)]), record("never", [stop(0.0)], role="reference")]
    schema.validate(data(site(bare, tmp_path / "bare")))
    failed = [*controls(), record("alpha"), record("beta", [stop(0.1)], attack="ask", family="prompt")]
    schema.validate(data(site(failed, tmp_path / "failed")))


@pytest.mark.parametrize(
    ("key", "value"),
    [("k_star", "low"), ("section", "winner"), ("entry", "../../x"), ("colour", "red"), ("rank_low", 1.5)],
)
def test_anything_else_does_not(schema: Draft202012Validator, out: Path, key: str, value: object) -> None:
    content: Any = data(out)
    content["rows"][0][key] = value
    with pytest.raises(ValidationError):
        schema.validate(content)


def test_a_column_that_is_missing_is_noticed(schema: Draft202012Validator, out: Path) -> None:
    content: Any = data(out)
    del content["rows"][0]["utility"]
    with pytest.raises(ValidationError, match="'utility' is a required property"):
        schema.validate(content)


def test_the_version_is_that_of_the_file(schema: Draft202012Validator) -> None:
    assert schema.schema["properties"]["schema"] == {"const": SCHEMA}
