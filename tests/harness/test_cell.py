"""Identity: what changes a number changes the id, nothing else does."""

from dataclasses import replace

import pytest

from harness.cell import Cell, Spec, digest

SPEC = Spec("npo", 1, {"beta": 0.5, "layers": (1, 2), "retain": "kl"}, {"data": "aa"})
CELL = Cell(benchmark=SPEC, method=SPEC, attack=SPEC, engine=SPEC, seed=0)


def test_an_id_is_stable_across_processes_and_releases() -> None:
    assert CELL.id == "8f21bb8def73da0ed0e7", "published records carry these ids: bump IDENTITY_VERSION knowingly"


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, name="npo2"),
        replace(SPEC, version=2),
        replace(SPEC, params={**SPEC.params, "beta": 0.25}),
        replace(SPEC, params={**SPEC.params, "extra": None}),
        replace(SPEC, content={"data": "bb"}),
    ],
)
def test_any_change_of_a_specification_changes_the_id(spec: Spec) -> None:
    assert (
        len({CELL.id, *(replace(CELL, **{role: spec}).id for role in ("benchmark", "method", "attack", "engine"))}) == 5
    )


def test_one_and_one_point_zero_are_one_cell() -> None:
    assert digest({"x": 1, "y": (2.0,)}) == digest({"y": [2], "x": 1.0})


def test_half_and_five_are_two_cells() -> None:
    assert digest({"x": (0.5,)}) != digest({"x": (0, 5)})


def test_true_and_one_are_two_cells() -> None:
    assert digest({"x": True}) != digest({"x": 1})


def test_attack_and_engine_do_not_decide_the_unlearned_weights() -> None:
    other = replace(CELL, attack=replace(SPEC, name="x"), engine=replace(SPEC, name="y"))
    assert CELL.unlearn_id == other.unlearn_id != replace(CELL, seed=1).unlearn_id


def test_a_value_that_is_not_finite_has_no_identity() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        digest({"x": float("nan")})
