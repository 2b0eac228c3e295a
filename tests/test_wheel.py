"""The wheel holds everything the main job needs, and runs from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PARTS = ("harness", "methods", "attacks", "leaderboard", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tree with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        source = ROOT / part
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / part, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist")]
    subprocess.run([*build, str(folder)], check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, str(wheel)], check=True)
    return folder


def command(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name",
    [
        "harness/py.typed",
        "harness/benchmarks/pocket/wmdp/target/model.safetensors",
        "harness/benchmarks/pocket/muse/reference/model.safetensors",
        "harness/benchmarks/pocket/wmdp/corpora/forget.jsonl",
        "harness/benchmarks/lm_eval_tasks/_wmdp_bio_robust_template_yaml",
        "leaderboard/site/templates/board.html.j2",
        "leaderboard/site/assets/app.css",
    ],
)
def test_the_wheel_holds_what_the_main_job_needs(wheel: Path, name: str) -> None:
    assert name in zipfile.ZipFile(wheel).namelist()


def test_the_installed_wheel_runs_a_cell_to_a_page(installed: Path, tmp_path: Path) -> None:
    grid = ("--methods", "none", "--attacks", "none", "--benchmarks", "pocket-wmdp", "--executor", "in-process")
    done = command(installed, "-m", "harness", "run", *grid, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_it_is_the_wheel_that_was_run(installed: Path, tmp_path: Path) -> None:
    where = "import json, harness, leaderboard; print(json.dumps([harness.__file__, leaderboard.__file__]))"
    files = json.loads(command(installed, "-c", where, cwd=tmp_path).stdout)
    assert all(Path(file).is_relative_to(installed) for file in files)
