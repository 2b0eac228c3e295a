"""The command line where nothing is computed: help, list, show, new, plan, and every way to mistype."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from harness.cli import MISUSED, main

HERE = Path(__file__).parent


def succeeds(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code in (None, 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said on standard error when a command is refused; nothing but that, and never a traceback."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert end.value.code == MISUSED
    assert "Traceback" not in said
    return said.strip()


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's distribution with one of each kind, and one that cannot be imported."""
    points = {
        "benchmarks": {"tiny": "tiny:TinyBenchmark"},
        "methods": {"shift": "tiny:Shift", "wreck": "no_such_module:Wreck"},
        "attacks": {"nudge": "tiny:Nudge"},
    }
    monkeypatch.syspath_prepend(tiny.write_distribution(tmp_path / "site-packages", "tiny-plugins", points))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_models(tmp_path_factory.mktemp("models")))


def test_help_takes_less_than_half_a_second() -> None:
    assert min(seconds_of_help() for _ in range(3)) < 0.5


def seconds_of_help() -> float:
    """Seconds of a core: the wall clock would measure who else uses the machine."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "harness", "--help"], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_the_command_line_imports_nothing_heavy_before_a_command_needs_it() -> None:
    heavy = "{'torch', 'transformers', 'pandas', 'jinja2', 'leaderboard', 'pydantic', 'numpy'}"
    code = f"import sys, harness.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_list_shows_our_methods_and_anybodys(plugins: None, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("list", "methods", "--json")
    found = {entry["name"]: entry["distribution"] for entry in json.loads(capsys.readouterr().out)}
    assert {found["shift"], found["npo"]} == {"tiny-plugins", "unlearning-harness"}


def test_list_shows_a_broken_plugin_with_the_reason(plugins: None, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("list", "methods")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("wreck"))
    assert "tiny-plugins" in line
    assert "BROKEN" in line
    assert "No module named 'no_such_module'" in line


def test_show_prints_every_field_with_type_default_bounds_and_meaning(
    plugins: None, capsys: pytest.CaptureFixture[str]
) -> None:
    succeeds("show", "method", "shift")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("size"))
    assert line.split() == [
        "size",
        "float",
        "0.01",
        "greater",
        "than",
        "0",
        "Standard",
        "deviation",
        "of",
        "the",
        "noise.",
    ]


def test_show_json_holds_the_threat_of_an_attack(plugins: None, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("show", "attack", "nudge", "--json")
    assert json.loads(capsys.readouterr().out)["threat"] == {
        "access": "weights",
        "data": "none",
        "base_model": False,
        "diagnostic": False,
        "words": "weights access, none data",
    }


def test_show_of_a_benchmark_prints_its_notice(plugins: None, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("show", "benchmark", "tiny")
    assert "notice: Untrained; these numbers mean nothing." in capsys.readouterr().out


def test_every_installed_component_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("method", "attack", "benchmark", "engine"):
        succeeds("list", f"{kind}s", "--json")
        for entry in json.loads(capsys.readouterr().out):
            succeeds("show", kind, entry["name"], "--json")
            assert json.loads(capsys.readouterr().out)["summary"]


PLAN = ["plan", "--benchmarks", "tiny", "--methods", "shift", "--attacks", "none"]
MISTAKES = [
    (["show", "method", "shft"], "No method named 'shft' is installed. Did you mean 'shift'? Installed methods: "),
    (["show", "method", "wreck"], "The method 'wreck' comes from tiny-plugins 1.2.3 (no_such_module:Wreck), which"),
    (["plan", "--methods", "shft"], "No method named 'shft' is installed. Did you mean 'shift'?"),
    (["plan", "--set", "method.shift.sise=1"], "method.shift has no field 'sise'. Did you mean 'size'? It has: "),
    (["plan", "--set", "method.shift.size=abc"], "method.shift.size = 'abc' is not float: "),
    (["plan", "--set", "method.shift.size=-1"], "method.shift.size = '-1' is not allowed: it must be greater than 0. "),
    (["plan", "--set", "method.shift.size=nan"], "method.shift.size = 'nan' is not float: "),
    (["plan", "--set", "method.shift.size"], "--set method.shift.size is not of the form key=value. Write for example"),
    (["plan", "--set", "shift.size=1"], "The setting 'shift.size' is not of the form kind.name.field."),
    (["plan", "--set", "attack.nudge.size=1"], "attack.nudge"),
    (["plan", "--methods", ""], "The grid"),
    (["plan", "--seeds", "0"], "The grid"),
    (["plan", "--seeds", "many"], "--seeds many: give a number of seeds"),
    (["plan", "--grid", "missing.toml"], "The grid file missing.toml cannot be read: No such file or directory. "),
    (
        ["plan", "--model", "/missing"],
        "The benchmark 'tiny' has its target model at /missing/target, where ",
    ),
    (["plan", "--data-root", "here"], "--data-root here was given, but none of the chosen benchmarks (tiny) has a "),
    (["leaderboard", "build", "--results", "missing"], "There is no results folder missing. Give the one that "),
    (["check", "method", "shft"], "No method named 'shft' is installed. Did you mean 'shift'?"),
    (["check", "attack", "nudge", "--set", "sise=1"], "attack.nudge has no field 'sise'. Did you mean 'size'?"),
    (["target", "build", "--benchmark", "tiny", "--out", "new"], "No target can be built for 'tiny'. Benchmarks with "),
    (
        ["target", "build", "--benchmark", "muse-news", "--out", "new", "--documents", "1"],
        "A target on 1 documents would ",
    ),
    (["new", "method", "npo"], "A method named 'npo' is installed already, by unlearning-harness "),
    (["new", "method", "My-Method"], "'My-Method' does not begin with a lower-case letter, or has other signs "),
    (["new", "method", "_x"], "'_x' does not begin with a lower-case letter"),
    (["new", "method", "all"], "'all' stands for several components. "),
    (["new", "attack", "class"], "'class' is a word of the Python language. "),
    (["check", "attack", "nudge", "--set", "attack.nudge.size=-1"], "attack.nudge.size = '-1' is not allowed: "),
    (["unlearn", "--methods", "none", "--results", "made"], "No method of this grid unlearns, so there is nothing to "),
    (["unlearn", "--methods", "shift", "--results", "/proc/x"], "--results /proc/x cannot be written: "),
    (["run", "--site", "/dev/null"], "--site /dev/null cannot be written: Not a directory. Choose another folder"),
    (
        ["leaderboard", "build", "--results", "docs"],
        "No finished cell in docs, so there is nothing to render. `harness run`",
    ),
    (["new", "attack", "json"], "A module 'json' can be imported already, and would be hidden. Choose another name."),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_answered_in_one_message_that_says_what_to_do(
    arguments: list[str], said: str, models: str, plugins: None, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[0] == "plan":
        arguments = [*PLAN, "--model", models, *arguments[1:]]
    answer = refused(capsys, *arguments)
    assert answer.startswith(said) or said in answer.split(". ")[0]
    assert any(mark in answer for mark in (". ", "; ", ": give "))  # what is wrong, then what to do


def test_a_precision_that_accelerate_was_told_is_not_ignored(
    models: str, plugins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    grid = ("--benchmarks", "tiny", "--methods", "shift", "--model", models, "--results", str(tmp_path))
    assert refused(capsys, "unlearn", *grid).startswith("accelerate was told mixed precision 'bf16', which would stand")


def test_a_broken_plugin_is_left_out_of_all_and_named(
    models: str, plugins: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("--benchmarks", "tiny", "--methods", "all", "--attacks", "none", "--model", models)
    succeeds("plan", *grid, "--results", str(tmp_path))
    assert "Left out of all methods: The method 'wreck' comes from tiny-plugins" in capsys.readouterr().err


def test_a_grid_file_that_is_not_toml_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("methods = [")
    assert refused(capsys, "plan", "--grid", str(path)).startswith(f"The grid file {path} is not TOML: ")


def test_a_grid_file_with_an_unknown_key_is_answered_with_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("method = ['npo']")
    assert "has no key 'method'. Did you mean 'methods'?" in refused(capsys, "plan", "--grid", str(path))


def test_an_unknown_command_is_refused_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean" in refused(capsys, "rum")


def test_flags_go_before_the_grid_file(
    tmp_path: Path, models: str, plugins: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("benchmarks = ['tiny']\nmethods = ['shift']\nattacks = ['none', 'nudge']\nseeds = 2\n")
    succeeds("plan", "--grid", str(path), "--seeds", "3", "--model", models, "--results", str(tmp_path / "results"))
    said = capsys.readouterr().out
    assert "18 cells: 0 done, 18 to run." in said
    assert "Time: unknown" in said


def test_new_writes_a_package_and_never_writes_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("new", "attack", "my_attack", "--out", str(tmp_path))
    written = {path.name: path.read_text() for path in (tmp_path / "my_attack").iterdir()}
    assert sorted(written) == ["my_attack.py", "pyproject.toml", "test_my_attack.py"]
    assert len(written["my_attack.py"].splitlines()) <= 40
    assert "nothing is overwritten" in refused(capsys, "new", "attack", "my_attack", "--out", str(tmp_path))


def test_pocket_build_never_writes_over_a_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "muse").mkdir()
    assert "nothing is overwritten" in refused(capsys, "pocket", "build", "--out", str(tmp_path))
    assert not (tmp_path / "wmdp").exists()


def test_the_installed_command_is_this_one() -> None:
    script = Path(sys.executable).with_name("harness")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert "leaderboard" in done.stdout
