"""A team of processes under `accelerate launch` unlearns as one process does with the same batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from harness.api import LM
from harness.train import processes, stream

SCRIPT = Path(__file__).with_name("fake_team.py")
LAUNCH = ("accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no")
"""Without a GPU the processes of --multi_gpu speak over gloo."""


def run(*command: str) -> None:
    root = str(SCRIPT.parents[2])
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, "MASTER_PORT": "29511"}
    done = subprocess.run([sys.executable, *command], env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["methods.stableun:StableUN"])
def test_two_processes_make_the_weights_that_one_makes(tmp_path: Path, entry: str) -> None:
    run(str(SCRIPT), str(tmp_path / "one"), entry)
    run("-m", *LAUNCH, "--main_process_port=29511", str(SCRIPT), str(tmp_path / "two"), entry)
    one, two = (torch.load(tmp_path / name) for name in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-8)


def test_one_process_is_a_team_of_its_own() -> None:
    assert (processes.processes(), processes.position(), processes.said_by_first(True)) == (1, 0, True)


def test_a_batch_smaller_than_the_team_is_refused(tiny_lm: LM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.train.data.processes", lambda: 3)
    with pytest.raises(ValueError, match="batch of 2 rows cannot be shared by 3"):
        next(stream(tiny_lm, [[1, 2]], size=2, parts=1, seed=0))
