"""What the workflows run: the commands themselves, with a harness that notes what it was told."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
SET = {
    "PATH": "/usr/bin:/bin",
    "GITHUB_SERVER_URL": "https://code.example.org",
    "GITHUB_REPOSITORY": "they/unlearning",
}
CHANGED = "results/submissions/mine/entry.toml\nresults/submissions/mine/SHA256SUMS\n"


def step(workflow: str, command: str, changed: Path) -> str:
    """The one script that gives this command."""
    blocks = re.findall(r"run: \|\n((?: {10}.*\n)+)", (WORKFLOWS / workflow).read_text())
    (script,) = (textwrap.dedent(block) for block in blocks if command in block)
    return script.replace("/tmp/changed", str(changed))


def told(workflow: str, folder: Path) -> list[str]:
    """Every line that the script gives the harness."""
    harness = folder / ".venv" / "bin" / "harness"
    harness.parent.mkdir(parents=True)
    harness.write_text('#!/bin/sh\necho "$@" >> said\n')
    harness.chmod(0o755)
    (folder / "changed").write_text(CHANGED)
    script = step(workflow, "leaderboard build", folder / "changed")
    subprocess.run(["bash", "-e", "-c", script], cwd=folder, check=True, env=SET)
    return (folder / "said").read_text().splitlines()


@pytest.mark.parametrize("workflow", ["site.yml", "submission.yml"])
@pytest.mark.parametrize("there", [True, False])
def test_the_site_shows_what_was_measured_again_if_there_is_any(workflow: str, there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "results" / "reproduced").mkdir(parents=True)
    (build,) = (line for line in told(workflow, tmp_path) if line.startswith("leaderboard build"))
    assert ("--reproduced results/reproduced" in build) is there
    assert "--results results/pocket --results results/submissions --results results/reported" in build


def test_the_published_site_leads_to_its_repository(tmp_path: Path) -> None:
    (build,) = told("site.yml", tmp_path)
    assert "--repository https://code.example.org/they/unlearning " in build


def test_a_changed_entry_is_checked_once_against_all_that_stands_and_previewed(tmp_path: Path) -> None:
    checked, built = told("submission.yml", tmp_path)
    board = "--results results/pocket --results results/submissions"
    assert checked == f"leaderboard check proposed/results/submissions/mine {board} --entry"
    assert "--preview proposed/results/submissions/mine" in built


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def proposed(folder: Path, *change: str) -> int:
    """What the step that looks at changed paths says of one git command on a tree with records and an entry."""
    for path in ("results/pocket/npo.gz", "results/submissions/mine/entry.toml"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(path * 50)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    base = git(folder, "rev-parse", "HEAD")
    git(folder, *change)
    git(folder, "commit", "-qm", "change", "--allow-empty")
    script = step("submission.yml", "git diff", folder.parent / "changed")
    said = subprocess.run(["bash", "-e", "-c", script], cwd=folder, env={"PATH": "/usr/bin:/bin", "BASE": base})
    return said.returncode


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (("mv", "results/submissions/mine/entry.toml", "results/submissions/mine/about.toml"), True),
        (("mv", "results/pocket/npo.gz", "results/submissions/mine/npo.gz"), False),
        (("rm", "-q", "results/pocket/npo.gz"), False),
        (("status",), False),
    ],
    ids=["an entry", "records moved into an entry", "records deleted", "nothing"],
)
def test_a_proposal_may_touch_entries_and_nothing_else(change: tuple[str, ...], passes: bool, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    assert (proposed(folder, *change) == 0) is passes
