"""What a step of every method costs beside a step of GradDiff, next to what its passes say it should.

    python benchmarks/method_costs.py
    python benchmarks/method_costs.py --method stableun --rounds 9

Both are run in turn in one process, on the pocket model, at equal batch, length, dtype and device. A step's time is the
median of its run; the ratio is that of the fastest runs of each, since whatever else a machine does only adds. Theory
counts a backward pass as two forwards (spec: methods section 0), so GradDiff's 2F+2B are 6; it takes every text to be
as long as a document, which pairs and prompts are not. A method that takes over 15 % more, in time or in passes counted
by the token, is flagged. Of methods whose steps are unequal the whole run is divided by its updates.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from harness.components import build, declared
from harness.cost import Meter
from harness.lm import load_lm
from harness.record import Cost

PLACE = "pocket-wmdp"
EQUAL: Mapping[str, object] = {
    "steps": 16,
    "batch_size": 8,
    "retain_batch_size": 8,
    "max_tokens": 64,
    "accumulation": 1,
    "retain": "gd",
    "average_from": 8,
}
"""What every method is given that has such a field; everything else is its pocket setting."""
DOCUMENTS = 16
"""Few, so that what is computed once per document, such as a reference likelihood, weighs little."""
ALLOWED = 1.15
GRADDIFF = 6.0

THEORY: Mapping[str, float] = {
    "ga": 3,  # 1F+1B
    "graddiff": 6,  # 2F+2B
    "npo": 6,  # 2F+2B, reference cached
    "simnpo": 6,
    "maxent": 6,
    "undial": 7,  # +1F0
    "wga": 6,
    "satimp": 6,
    "ceu": 6,
    "pdu": 6,
    "jensun": 7,  # its retain term is a divergence from the original: +1F0
    "npo_sam": 9,  # 3F+3B
    "npo_rs": 12,  # 4F+4B at K = 3
    "npo_gp": 9,  # finite difference
    "npo_cr": 15,  # 5F+5B: the gradient of a change is a difference of two (the spec counts four)
    "npo_wa": 6,
    "sago": 6,
    "npo_ilu": 12,  # 4F+4B: an unbiased square needs two auxiliary batches (the spec counts one)
    "stableun": 12,  # 4F+4B for the family that climbs
    "rmu": 3.5,  # half of the layers: 2F+2B+1F0 of them
    "circuit_breakers": 8 * 3 / 4,  # 2F+2B+2F0 of three layers of four
    "rmu_lat": 8 * 2 * 3 / 4 + 3.5,  # 8 steps of an attack, each 2F+2B, per 4 updates of RMU
    "elm": 13,  # 3F+3B+4F0; ours has no consistency term, but its prompts are twice as long as these documents
    "idk": 6,  # 2F+2B; ours also reads retained answers, and pairs are short
    "dpo": 9,  # 3F+3B; likewise
    "tar_lite": (8 + 8 / 4 + 1) * 3 + 1,  # 8 steps of the adversary, every fourth tampered with; the retain terms, 1F0
    "repselect": 2 * 2 * 3 / 16 + 2,  # two epochs of two batches, and 1F+1F0 of retain text at each of 16 steps
    "task_vector": 3,
    "whp": 3,
    "sham": 3,
}
"""Passes per step in units of one forward of one batch, at the pocket settings."""


def cost_of(name: str) -> Cost:
    """What one run of a method costs on a fresh model."""
    lm = load_lm(build("benchmark", PLACE).target())
    method = build("method", name, benchmark=PLACE)
    known = {field.name for field in declared(type(method))}
    method = dataclasses.replace(method, **{key: value for key, value in EQUAL.items() if key in known})
    corpora = build("benchmark", PLACE).corpora()
    texts = corpora.forget[:DOCUMENTS]
    corpora = dataclasses.replace(corpora, forget=texts, retain=texts, auxiliary=texts)  # passes of equal length
    with Meter(lm.model) as meter:
        method.unlearn(lm, corpora, seed=0)
    return meter.cost()


UNEVEN = ("rmu_lat", "tar_lite", "repselect")
"""Some steps attack, or an adversary steps the optimiser too: neither a median nor a count of steps tells an update."""


def updates_of(name: str, cost: Cost) -> int:
    """How many updates of the method a run had."""
    return int(str(EQUAL["steps"])) if name in UNEVEN else cost.steps


def time_of(name: str, cost: Cost) -> float:
    """Seconds of one update."""
    return cost.seconds / updates_of(name, cost) if name in UNEVEN else cost.step_seconds


def passes(name: str, cost: Cost, yardstick: Cost) -> float:
    """Passes per update, in units where GradDiff has six."""
    per_step = (cost.token_forwards + 2 * cost.token_backwards) / updates_of(name, cost)
    return GRADDIFF * per_step / ((yardstick.token_forwards + 2 * yardstick.token_backwards) / yardstick.steps)


def row(name: str, rounds: int) -> list[str]:
    """One line of the table."""
    pairs = [(cost_of("graddiff"), cost_of(name)) for _ in range(rounds)]
    yardstick, cost = pairs[-1]
    mib = 1 / 2**20
    fastest = min(time_of(name, mine) for _, mine in pairs)
    ratio = fastest / min(base.step_seconds for base, _ in pairs)
    counted = passes(name, cost, yardstick)
    theory = THEORY[name]
    flag = "over" if max(GRADDIFF * ratio, counted) > ALLOWED * theory else ""
    return [
        name,
        f"{1e3 * fastest:.0f}",
        f"{counted:.1f}",
        f"{theory / GRADDIFF:.2f}",
        f"{ratio:.2f}",
        flag,
        str(cost.trained_parameters),
        f"{cost.optimizer_bytes * mib:.1f}",
        f"{cost.peak_memory_bytes * mib:.0f}",
    ]


COLUMNS = (
    "method",
    "ms/step",
    "passes/step",
    "theory / GradDiff",
    "measured / GradDiff",
    "flag",
    "trained",
    "optimiser MiB",
    "peak MiB",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", action="append", help="repeat to name several; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    given: Any = parser.parse_args()
    disable_progress_bar()
    torch.set_num_threads(1)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in given.method or THEORY:
        print(f"| {' | '.join(row(name, given.rounds))} |", flush=True)


if __name__ == "__main__":
    main()
