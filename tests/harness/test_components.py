from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from harness.api import param
from harness.components import attack_card, build, field_docs, method_card, rebuild, runtime_of, spec_of
from harness.errors import UserError

Install = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("fake_world")


def test_defaults_give_way_to_the_preset_and_the_preset_to_overrides() -> None:
    assert build("method", "nudge").steps == 1
    assert build("method", "nudge", benchmark="fake-bench").steps == 7
    assert build("method", "nudge", benchmark="fake-bench", overrides={"steps": 9}).steps == 9


@pytest.mark.parametrize(
    ("field_name", "typed", "value"),
    [
        ("scale", "0.5", 0.5),
        ("scale", 1, 1.0),
        ("steps", "3", 3),
        ("layers", "2,4", (2, 4)),
        ("layers", [2, 4], (2, 4)),
        ("layers", "5", (5,)),
        ("stop", "none", None),
        ("stop", "4", 4),
        ("mode", "fancy", "fancy"),
    ],
)
def test_what_a_human_types_becomes_the_type_of_the_field(field_name: str, typed: object, value: object) -> None:
    built = getattr(build("method", "nudge", overrides={field_name: typed}), field_name)
    assert built == value
    assert type(built) is type(value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"scale": "abc"}, r"method\.nudge\.scale = 'abc' is not float: .* Its default is 0\.01"),
        ({"scale": "nan"}, r"finite number"),
        ({"scale": -1}, r"scale = -1 is not allowed: it must be greater than 0"),
        ({"scale": 2}, r"must be at most 1"),
        ({"steps": 1.5}, r"steps = 1\.5 is not int"),
        ({"steps": 0}, r"must be at least 1"),
        ({"layers": "1,-2"}, r"layers = '1,-2' is not allowed: it must be at least 0"),
        ({"scale": True}, r"method\.nudge\.scale = True is not float: it is true or false"),
        ({"steps": True}, r"steps = True is not int"),
        ({"stop": False}, r"stop = False is not int"),
        ({"layers": [1, True]}, r"layers = \[1, True\] is not tuple"),
        ({"mode": "odd"}, r"mode = 'odd' is not allowed: it must be one of plain, fancy"),
        ({"scal": 1}, r"method\.nudge has no field 'scal'\. Did you mean 'scale'\? It has: scale, steps"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("method", "nudge", overrides=overrides)


def test_a_runtime_field_is_no_part_of_the_identity() -> None:
    quick, patient = (build("method", "nudge", overrides={"pause_s": pause}) for pause in (0, 1))
    assert spec_of("nudge", quick) == spec_of("nudge", patient)
    assert runtime_of(patient) == {"pause_s": 1.0}


def test_a_component_is_rebuilt_from_its_spec_and_its_runtime_fields() -> None:
    built = build("method", "nudge", overrides={"layers": "1,2", "pause_s": 2})
    assert rebuild("method", spec_of("nudge", built), runtime_of(built)) == built


def test_private_state_is_neither_identity_nor_documented() -> None:
    @dataclass(frozen=True)
    class Stateful:
        version: ClassVar[int] = 1
        size: int = param(1, "Its size.")
        _cache: dict[str, int] = field(default_factory=dict, init=False)

    assert spec_of("stateful", Stateful()).params == {"size": 1}
    assert [doc.name for doc in field_docs(Stateful)] == ["size"]


def test_a_value_that_json_cannot_hold_is_no_identity() -> None:
    @dataclass(frozen=True)
    class Odd:
        version: ClassVar[int] = 1
        what: object = param(print, "Anything.")

    with pytest.raises(UserError, match="cannot be part of an identity"):
        spec_of("odd", Odd())


def test_the_documentation_of_a_field_says_type_default_limits_and_role() -> None:
    docs = {doc.name: doc for doc in field_docs(type(build("method", "nudge")))}
    assert (docs["scale"].type, docs["scale"].default, docs["scale"].limits) == (
        "float",
        0.01,
        "greater than 0, at most 1",
    )
    assert docs["mode"].limits == "one of plain, fancy"
    assert docs["layers"].type == "tuple[int, ...]"
    assert docs["pause_s"].runtime


def test_cards_carry_the_first_docstring_line() -> None:
    assert method_card(build("method", "nudge"), "tuned").summary == "Adds noise to every weight."
    assert attack_card(build("attack", "drift")).family == "edit"


def test_a_plugin_that_is_no_frozen_dataclass_is_refused(distribution: Install) -> None:
    distribution(
        "loose-dist", {"harness.methods": {"loose": "loose_plugin:M"}}, files={"loose_plugin.py": "class M: ...\n"}
    )
    with pytest.raises(UserError, match=r"loose-dist 1\.0 .*is not a frozen dataclass"):
        build("method", "loose")
