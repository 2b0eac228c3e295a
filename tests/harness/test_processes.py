"""A team of processes under `accelerate launch` unlearns as one process does with the same batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from harness.api import LM
from harness.errors import UserError
from harness.train import processes, stream
from harness.train.sharding import sharded

SCRIPT = Path(__file__).with_name("fake_team.py")
PORT = "29511"
LAUNCH = (
    "accelerate.commands.launch",
    "--multi_gpu",
    "--num_processes=2",
    "--num_machines=1",
    "--mixed_precision=no",
    f"--main_process_port={PORT}",
)
"""Without a GPU the processes of --multi_gpu speak over gloo."""


REPLICATED = (
    "methods.stableun:StableUN",
    "methods.rmu:RMU,layer=1,train_layers=0+1,adaptive=5",
    "methods.circuit_breakers:CircuitBreakers,layers=0+1,lora_rank=0,orthogonality=10",
)
"""Also what is compared over the whole batch: lengths of activations, and documents with each other."""
SHARDED = (
    "methods.npo:NPO,retain=kl",
    "methods.stableun:StableUN,families=gpn",
    "methods.npo_sam:NPOSAM",
    "methods.sago:SAGO",
    "methods.npo_gp:NPOGP",
    "methods.npo_wa:NPOWA,average_from=1",
    "methods.npo_ilu:NPOILU",
    "methods.pdu:PDU",
)
"""Every way in which a method uses the weights: distillation, displacement, vectors, averages, several gradients."""


def run(*command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    root = str(SCRIPT.parents[2])
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, "MASTER_PORT": PORT, **extra}
    return subprocess.run([sys.executable, *command], env=settings, capture_output=True, text=True, timeout=300)


def launch(*command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return run("-m", *LAUNCH, str(SCRIPT), *command, **extra)


@pytest.mark.slow
@pytest.mark.parametrize(("entries", "extra"), [(REPLICATED, {}), (SHARDED, {"SHARD": "1"})], ids=["copies", "shards"])
def test_two_processes_make_the_weights_that_one_makes(
    tmp_path: Path, entries: tuple[str, ...], extra: dict[str, str]
) -> None:
    for made in (run(str(SCRIPT), str(tmp_path / "one"), *entries), launch(str(tmp_path / "two"), *entries, **extra)):
        assert made.returncode == 0, made.stdout + made.stderr
    for number, entry in enumerate(entries):
        one, two = (torch.load(tmp_path / name / f"{number}.pt") for name in ("one", "two"))
        torch.testing.assert_close(two, one, rtol=0, atol=1e-8, msg=lambda found, entry=entry: f"{entry}: {found}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("methods.undial:UNDIAL", "shard=true is for training every weight"),
        ("methods.tar_lite:TARLite,lora_rank=0", "passes through a part of the model, which shard=true does not allow"),
    ],
)
def test_a_method_that_a_cut_model_cannot_serve_is_refused(tmp_path: Path, entry: str, reason: str) -> None:
    refused = launch(str(tmp_path), entry, SHARD="1")
    assert reason in refused.stdout + refused.stderr


def test_a_lone_process_has_nothing_to_cut_a_model_over(tiny_lm: LM) -> None:
    with pytest.raises(UserError, match="cuts a model over processes, and there is one"), sharded(tiny_lm):
        pass


def test_one_process_is_a_team_of_its_own() -> None:
    assert (processes.processes(), processes.position(), processes.said_by_first(True)) == (1, 0, True)


def test_a_batch_smaller_than_the_team_is_refused(tiny_lm: LM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.train.data.processes", lambda: 3)
    with pytest.raises(ValueError, match="batch of 2 rows cannot be shared by 3"):
        next(stream(tiny_lm, [[1, 2]], size=2, parts=1, seed=0))
