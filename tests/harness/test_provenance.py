from __future__ import annotations

import subprocess
from pathlib import Path

import torch

from harness.provenance import checkout, provenance
from harness.registry import find


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "init", "-q")
    (folder / "file").write_text("one")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert checkout(tmp_path) == ("", False)


def test_a_clean_checkout_is_its_commit(tmp_path: Path) -> None:
    commit = committed(tmp_path)
    assert checkout(tmp_path) == (commit, False)


def test_a_changed_file_makes_the_checkout_dirty(tmp_path: Path) -> None:
    commit = committed(tmp_path)
    (tmp_path / "file").write_text("two")
    assert checkout(tmp_path) == (commit, True)


def test_the_stamp_names_versions_device_and_dtype() -> None:
    stamp = provenance([find("engine", "transformers")], device=torch.device("cpu"), dtype=torch.float32)
    assert (stamp.dtype, stamp.device.split()[0]) == ("float32", "cpu")
    assert stamp.packages["torch"] == torch.__version__
    assert "unlearning-harness" in stamp.distributions
