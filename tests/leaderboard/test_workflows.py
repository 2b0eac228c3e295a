"""What the workflows run: the commands themselves, with a harness that notes what it was told."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
CHANGED = "results/submissions/mine/entry.toml\nresults/submissions/mine/SHA256SUMS\n"


def build_step(workflow: str, changed: Path) -> str:
    """The script that renders the site."""
    blocks = re.findall(r"run: \|\n((?: {10}.*\n)+)", (WORKFLOWS / workflow).read_text())
    (script,) = (textwrap.dedent(block) for block in blocks if "leaderboard build" in block)
    return script.replace("/tmp/changed", str(changed))


def told(workflow: str, folder: Path) -> list[str]:
    """Every line that the script gives the harness."""
    harness = folder / ".venv" / "bin" / "harness"
    harness.parent.mkdir(parents=True)
    harness.write_text('#!/bin/sh\necho "$@" >> said\n')
    harness.chmod(0o755)
    (folder / "changed").write_text(CHANGED)
    script = build_step(workflow, folder / "changed")
    subprocess.run(["bash", "-e", "-c", script], cwd=folder, check=True, env={"PATH": "/usr/bin:/bin"})
    return (folder / "said").read_text().splitlines()


@pytest.mark.parametrize("workflow", ["site.yml", "submission.yml"])
@pytest.mark.parametrize("there", [True, False])
def test_the_site_shows_what_was_measured_again_if_there_is_any(workflow: str, there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "results" / "reproduced").mkdir(parents=True)
    (build,) = (line for line in told(workflow, tmp_path) if line.startswith("leaderboard build"))
    assert ("--reproduced results/reproduced" in build) is there
    assert "--results results/pocket --results results/submissions --results results/reported" in build


def test_a_changed_entry_is_checked_once_against_all_that_stands_and_previewed(tmp_path: Path) -> None:
    checked, built = told("submission.yml", tmp_path)
    board = "--results results/pocket --results results/submissions"
    assert checked == f"leaderboard check proposed/results/submissions/mine {board} --entry"
    assert "--preview proposed/results/submissions/mine" in built
