"""Builds components from names and values, and reads their declared fields.

A component's fields are its constructor, its documentation and its identity; every value a human typed is coerced and
bounded here, before anything is computed.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from harness import registry
from harness.api import Benchmark
from harness.cell import RANGE_TEST_VERSION, Spec, Value
from harness.errors import UserError
from harness.record import AttackCard, MethodCard
from harness.registry import Kind
from harness.settings import setting_of

BOUNDS = {"gt": "greater than", "ge": "at least", "le": "at most"}


@dataclass(frozen=True)
class FieldDoc:
    """One field as ``harness show`` prints it.

    Attributes:
        name: As in the grid.
        type: Annotation, as text.
        default: Its default; ``None`` also where there is none.
        doc: The author's line.
        limits: Bounds and choices in words; empty if unbounded.
        runtime: True if it cannot change any number and so is no part of the identity.
    """

    name: str
    type: str
    default: Any
    doc: str
    limits: str
    runtime: bool


def build(
    kind: Kind,
    name: str,
    *,
    overrides: Mapping[str, object] | None = None,
    benchmark: str | None = None,
    tuned: Path | None = None,
) -> Any:  # noqa: ANN401 - whatever class the plugin provides
    """Make a component: its defaults, under its setting for the benchmark, under the overrides.

    Args:
        kind: What it is.
        name: Its installed name, with or without ``@setting``, see :func:`harness.settings.setting_of`.
        overrides: Field -> value as typed by a human (text is coerced to the field's type).
        benchmark: Name of the benchmark whose setting applies.
        tuned: Folder of tuned settings that go before those that ship.

    Raises:
        UserError: Unknown or broken component, unknown field, mistyped or out-of-bounds value.
    """
    chosen = setting_of(kind, name, benchmark=benchmark, tuned=tuned)
    return made(kind, name.partition("@")[0], {**chosen.fields, **(overrides or {})})


def made(kind: Kind, name: str, given: Mapping[str, object]) -> Any:  # noqa: ANN401 - as build
    """A component with these fields and defaults for the rest; otherwise as :func:`build`."""
    cls = component_class(kind, name)
    label = f"{kind}.{name}"
    known = {field.name: field for field in declared(cls)}
    for key in given:
        if key not in known:
            raise UserError(_unknown_field(label, key, list(known)))
    hints = get_type_hints(cls)
    values = {key: _checked(f"{label}.{key}", known[key], hints[key], value) for key, value in given.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{label} cannot be built from {values}: {error}. See `harness show {kind} {name}`.") from error


def rebuild(kind: Kind, spec: Spec, runtime: Mapping[str, object]) -> Any:  # noqa: ANN401 - as build
    """The component of a spec, as a worker needs it; ``runtime`` holds the fields that the spec leaves out."""
    component = made(kind, spec.name, {**spec.params, **runtime})
    if component.version != spec.version:
        raise UserError(
            f"{kind}.{spec.name} is planned at version {spec.version}, but version {component.version} is installed "
            "here. Install one version everywhere, then run again."
        )
    return component


def component_class(kind: Kind, name: str) -> type:
    """The class of an installed component, which the registry has held to the contract."""
    return registry.load(kind, name)


def spec_of(name: str, component: Any, content: Mapping[str, str] | None = None) -> Spec:  # noqa: ANN401 - any plugin
    """The identity of a built component: every field that is not declared ``runtime``, completed with defaults."""
    params = {field.name: getattr(component, field.name) for field in identity_fields(type(component))}
    for key, value in params.items():
        if not _plain(value):
            raise UserError(
                f"{name}.{key} = {value!r} cannot be part of an identity. "
                "Use text, a number, a bool, None, or a tuple of these."
            )
    return Spec(name, component.version, params, dict(content or {}))


def benchmark_spec(name: str, benchmark: Benchmark) -> Spec:
    """The identity of a benchmark: its fields, its content, and the rule that sets its attackers' learning rate."""
    return spec_of(name, benchmark, {**benchmark.identity(), "range_test": str(RANGE_TEST_VERSION)})


def preset_of(name: str, benchmark: Benchmark) -> str:
    """Under which name presets of methods and attacks are looked up: what the benchmark says, else its own name."""
    return str(getattr(benchmark, "preset", lambda: name)())


def runtime_of(component: Any) -> dict[str, Value]:  # noqa: ANN401 - any plugin
    """The fields that :func:`spec_of` leaves out."""
    fields = declared(type(component))
    return {field.name: getattr(component, field.name) for field in fields if field.metadata.get("runtime")}


def declared(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of the constructor; others are private state, such as an engine's loaded model."""
    return tuple(field for field in dataclasses.fields(cls) if field.init)


def identity_fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Fields that decide the id; one that does not say is taken to change numbers."""
    return tuple(field for field in declared(cls) if not field.metadata.get("runtime"))


def field_docs(cls: type) -> tuple[FieldDoc, ...]:
    """Documentation of every field, in order of declaration."""
    return tuple(_field_doc(field, get_type_hints(cls)[field.name]) for field in declared(cls))


def role_of(component: object) -> str:
    """Role of a method (an object or its class): ``method``, ``original`` or ``reference``."""
    return str(getattr(component, "role", "method"))


def method_card(component: Any, setting: str) -> MethodCard:  # noqa: ANN401 - any plugin
    """What a page says about a method in one of its settings."""
    cls = type(component)
    return MethodCard(
        summary=registry.summary(cls),
        role=getattr(cls, "role", "method"),
        family=getattr(cls, "family", ""),
        citation=getattr(cls, "citation", ""),
        fidelity=getattr(cls, "fidelity", ""),
        setting=setting,
    )


def attack_card(component: Any) -> AttackCard:  # noqa: ANN401 - any plugin
    """What a page says about an attack."""
    cls = type(component)
    return AttackCard(registry.summary(cls), cls.family, cls.threat, getattr(cls, "citation", ""))


def _field_doc(field: dataclasses.Field[Any], hint: Any) -> FieldDoc:  # noqa: ANN401 - a type
    meta = field.metadata
    limits = [f"{words} {meta[key]}" for key, words in BOUNDS.items() if meta.get(key) is not None]
    if meta.get("choices"):
        limits.append("one of " + ", ".join(map(str, meta["choices"])))
    default = None if field.default is dataclasses.MISSING else field.default
    return FieldDoc(
        field.name, _type_name(hint), default, meta.get("doc", ""), ", ".join(limits), bool(meta.get("runtime"))
    )


def _checked(label: str, field: dataclasses.Field[Any], hint: Any, value: object) -> Any:  # noqa: ANN401 - typed by hint
    coerced = _coerced(label, field, hint, value)
    for element in coerced if isinstance(coerced, tuple) else (coerced,):
        wrong = _violation(field.metadata, element)
        if wrong:
            raise UserError(f"{label} = {value!r} is not allowed: it must be {wrong}. {_hint_at(field)}")
    return coerced


def _coerced(label: str, field: dataclasses.Field[Any], hint: Any, value: object) -> Any:  # noqa: ANN401 - typed by hint
    if _is_bool_for_number(value, hint):
        raise UserError(f"{label} = {value!r} is not {_type_name(hint)}: it is true or false. {_hint_at(field)}")
    try:
        return TypeAdapter(hint, config={"allow_inf_nan": False}).validate_python(_untyped(value, hint))
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise UserError(f"{label} = {value!r} is not {_type_name(hint)}: {reason}. {_hint_at(field)}") from error


def _is_bool_for_number(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type
    """Whether a TOML ``true`` stands where a number belongs; Python would take it for 1."""
    elements = value if isinstance(value, (list, tuple)) else (value,)
    leaves = _leaves(hint)
    return any(isinstance(item, bool) for item in elements) and bool not in leaves and bool(leaves & {int, float})


def _leaves(hint: Any) -> set[Any]:  # noqa: ANN401 - a type
    return {hint}.union(*(_leaves(member) for member in get_args(hint) if isinstance(member, type) or get_args(member)))


def _untyped(value: object, hint: Any) -> object:  # noqa: ANN401 - a type
    """Text from a command line in the shape that the type expects: ``20,40`` is a tuple, ``none`` is None."""
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if not isinstance(value, str):
        return tuple(value) if isinstance(value, list) else value
    if type(None) in members and value.lower() == "none":
        return None
    if any(get_origin(member) is tuple for member in members):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _violation(meta: Mapping[str, Any], value: object) -> str:
    choices = meta.get("choices")
    if choices and value not in choices:
        return "one of " + ", ".join(map(str, choices))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    holds = {
        "gt": lambda limit: value > limit,
        "ge": lambda limit: value >= limit,
        "le": lambda limit: value <= limit,
    }
    for key, words in BOUNDS.items():
        limit = meta.get(key)
        if limit is not None and not holds[key](limit):
            return f"{words} {limit}"
    return ""


def _unknown_field(label: str, key: str, known: list[str]) -> str:
    exists = ", ".join(known) or "no fields at all"
    return f"{label} has no field '{key}'.{registry.suggestion(key, known)} It has: {exists}."


def _hint_at(field: dataclasses.Field[Any]) -> str:
    shown = "none" if field.default is dataclasses.MISSING else repr(field.default)
    return f"Its default is {shown}; {field.metadata.get('doc', 'undocumented')}"


def _type_name(hint: Any) -> str:  # noqa: ANN401 - a type
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def _plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(item is None or isinstance(item, (str, int, float, bool)) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))
