"""What a third party does, with nothing of ours edited: write a package, install, check and run it, find it ranked."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.scaffold import new_package

pytestmark = pytest.mark.slow

Harness = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository with a method and an attack installed beside it, as `harness new` writes them."""
    folder = tmp_path_factory.mktemp("home")
    packages = [new_package("method", "my_method", folder), new_package("attack", "my_attack", folder)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder / "site-packages"), *map(str, packages)], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def harness(home: Path) -> Harness:
    """Runs the command line in that folder."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(home / "site-packages"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        line = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(line, cwd=home, env=env, capture_output=True, text=True, check=False)

    return command


@pytest.fixture(scope="module")
def run(harness: Harness) -> subprocess.CompletedProcess[str]:
    """A tiny grid: the third party's method and the controls, without attack and under its attack."""
    grid = ("--methods", "my_method", "--attacks", "my_attack", "--benchmarks", "pocket-wmdp")
    return harness("run", *grid, "--workers", "1")


ASKED = """
import sys
from harness.cli import main

for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        assert not end.code
"""


def test_an_installed_package_is_listed_with_its_distribution_and_its_fields(home: Path) -> None:
    lines = ["list methods --json", "list attacks --json", "show method my_method --json"]
    env = os.environ | {"PYTHONPATH": str(home / "site-packages")}
    done = subprocess.run([sys.executable, "-c", ASKED, *lines], cwd=home, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read, at, found = json.JSONDecoder(), 0, []
    while at < len(done.stdout.rstrip()):
        one, at = read.raw_decode(done.stdout, at)
        found.append(one)
        at += len(done.stdout[at:]) - len(done.stdout[at:].lstrip())
    for listed, name in zip(found, ("my_method", "my_attack"), strict=False):
        (mine,) = (entry for entry in listed if entry["name"] == name)
        assert (mine["distribution"], mine["broken"]) == (name.replace("_", "-"), "")
    assert [field["name"] for field in found[2]["fields"]] == ["steps", "lr", "push"]


@pytest.mark.parametrize(("kind", "name"), [("method", "my_method"), ("attack", "my_attack")])
def test_it_conforms(harness: Harness, kind: str, name: str) -> None:
    done = harness("check", kind, name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_cells_become_records_that_name_its_distribution(run: subprocess.CompletedProcess[str], home: Path) -> None:
    assert run.returncode == 0, run.stdout + run.stderr
    path = next((home / "results" / "local").rglob("my_method/my_attack.s0.*.json"))
    record = json.loads(path.read_text())
    assert {"my-method", "my-attack"} <= record["provenance"]["distributions"].keys()


def test_it_is_ranked_on_the_page_with_nothing_missing(run: subprocess.CompletedProcess[str], home: Path) -> None:
    tables = (home / "site" / "data").glob("pocket-wmdp*.csv")
    with next(
        path for path in tables if not path.stem.endswith(("-scores", "-attacks", "-curves", "-long"))
    ).open() as handle:
        row = next(row for row in csv.DictReader(handle) if row["method"] == "my_method")
    assert "my_method" in (home / "site" / "index.html").read_text()
    assert (row["section"], row["missing"]) == ("ranked", "")
