"""Every field of every installed component must say whether it can change a number."""

from __future__ import annotations

import dataclasses

import pytest

from harness.components import declared, spec_of
from harness.registry import KINDS, Entry, installed, load

OURS = [entry for kind in KINDS for entry in installed(kind) if entry.distribution == "unlearning-harness"]

INSTRUCTION = """
{entry.path} has fields that do not say whether they can change a number: {fields}.
Declare each with param(default, doc). A field that cannot change any number (a batch size, a path, a device) gets
runtime=True and stays out of the cell's id; every other field is part of the id.
"""


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_field_is_declared_identity_or_runtime(entry: Entry) -> None:
    silent = [field.name for field in declared(load(entry.kind, entry.name)) if "runtime" not in field.metadata]
    assert not silent, INSTRUCTION.format(entry=entry, fields=", ".join(silent))


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_field_is_documented(entry: Entry) -> None:
    undocumented = [field.name for field in declared(load(entry.kind, entry.name)) if not field.metadata.get("doc")]
    assert not undocumented


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_component_can_be_built_from_its_defaults_and_identified(entry: Entry) -> None:
    component = load(entry.kind, entry.name)()
    identity = {field.name for field in dataclasses.fields(component) if field.init and not field.metadata["runtime"]}
    assert set(spec_of(entry.name, component).params) == identity
