"""Which setting a name stands for, and what is said when there is none or a file is spoilt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from harness.api import Published
from harness.components import build
from harness.errors import UserError
from harness.inspection import shown
from harness.registry import working
from harness.settings import setting_of, shipped_settings

PUBLISHED = Published("a paper", {"lr": 3.0})


@dataclass(frozen=True)
class Four:
    """Has all four settings on one benchmark."""

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"here": {"lr": 2.0}}
    published: ClassVar[Mapping[str, Published]] = {"here": PUBLISHED, "there": PUBLISHED}

    lr: float = 4.0


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's tuned settings; the class's own package brings another one."""
    monkeypatch.setattr("harness.registry.load", lambda kind, name: Four)
    monkeypatch.setattr("inspect.getfile", lambda cls: str(tmp_path / "package" / "four.py"))
    write(tmp_path / "package" / "tuned" / "here" / "four.json", {"lr": 1.5})
    write(tmp_path / "mine" / "here" / "four.json", {"lr": 1.0})
    return tmp_path / "mine"


def write(path: Path, fields: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"fields": fields, "study": {}}))


@pytest.mark.parametrize(
    ("spelt", "mine", "name", "rate"),
    [
        ("four", True, "tuned", 1.0),
        ("four", False, "tuned", 1.5),
        ("four@tuned", False, "tuned", 1.5),
        ("four@preset", True, "preset", 2.0),
        ("four@published", True, "published", 3.0),
        ("four@default", True, "default", None),
    ],
)
def test_a_plain_name_takes_the_first_setting_there_is_and_a_spelt_one_its_own(
    spelt: str, mine: bool, name: str, rate: float | None, tuned: Path
) -> None:
    found = setting_of("method", spelt, benchmark="here", tuned=tuned if mine else None)
    assert (found.name, found.fields.get("lr")) == (name, rate)


def test_without_a_tuned_setting_or_a_preset_the_published_one_is_next(tuned: Path) -> None:
    assert setting_of("method", "four", benchmark="there", tuned=tuned).fields == {"lr": 3.0}


def test_the_defaults_are_not_called_published_where_nothing_is(tuned: Path) -> None:
    found = setting_of("method", "four@published", benchmark="nowhere")
    assert (found.name, found.fields) == ("default", {})


def test_what_is_published_may_be_nothing_but_the_defaults(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Four, "published", {"here": Published("a paper: the defaults")})
    assert setting_of("method", "four@published", benchmark="here").name == "published"


def test_without_a_benchmark_there_are_the_defaults(tuned: Path) -> None:
    assert setting_of("method", "four", tuned=tuned).name == "default"


def test_a_setting_that_there_is_not_is_refused_with_what_finds_one(tuned: Path) -> None:
    with pytest.raises(UserError, match=r"no tuned setting for there.*harness tune --methods four --benchmarks there"):
        setting_of("method", "four@tuned", benchmark="there")
    with pytest.raises(UserError, match=r"names no setting\. Did you mean 'tuned'"):
        setting_of("method", "four@tunned", benchmark="here")


@pytest.mark.parametrize("text", ["{", "[]", '{"field": {}}', '{"fields": [1]}'])
def test_a_spoilt_file_is_named_with_what_to_do(text: str, tuned: Path) -> None:
    (tuned / "here" / "four.json").write_text(text)
    with pytest.raises(UserError, match=r"mine/here/four\.json .*Delete it, or run `harness tune` again"):
        setting_of("method", "four", benchmark="here", tuned=tuned)


def test_what_a_package_brings_can_be_listed(tuned: Path) -> None:
    assert shipped_settings(Four, "four") == {"here": {"lr": 1.5}}


def test_every_published_setting_is_shown_with_its_source() -> None:
    told = shown("method", "npo")["published"]["wmdp-bio"]
    assert told["fields"] == {"lr": 5e-6, "beta": 0.0225, "reduce": "mean"}
    assert "Unlearn-Smooth@" in told["source"]


def test_the_plain_name_of_an_attack_is_never_the_recipe_of_the_literature(tuned: Path) -> None:
    assert setting_of("attack", "four", benchmark="there").name == "default"
    assert setting_of("attack", "four@published", benchmark="there").name == "published"
    assert setting_of("method", "four", benchmark="there").name == "published"


@pytest.mark.parametrize("benchmark", ["wmdp-bio", "wmdp-cyber", "muse-news"])
def test_relearning_at_full_scale_trains_fp32_weights_on_everything_that_the_attacker_owns(benchmark: str) -> None:
    attack = build("attack", "relearn", benchmark=benchmark)
    assert attack.precision == "fp32"
    assert 0 in attack.samples


@pytest.mark.parametrize("benchmark", ["muse-news", "muse-books"])
def test_whoever_reads_documents_of_muse_reads_them_whole(benchmark: str) -> None:
    read = {}
    for kind in ("method", "attack"):
        for name in working(kind):
            made = build(kind, name, benchmark=benchmark)
            if hasattr(made, "max_tokens"):
                read[name] = made.max_tokens
    assert {"npo", "npo_sam", "undial", "relearn_swept", "rtt"} <= read.keys()
    assert set(read.values()) == {2048}
