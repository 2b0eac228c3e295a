"""Seconds per stage, tokens per second against the measured matrix-multiplication peak, and peak memory.

    python benchmarks/stages.py [--benchmark pocket-wmdp] [--methods all] [--attacks all] [--threads 1]

Runs every method on the original model and every attack on the original model, in this process, one after another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from rich.console import Console
from rich.table import Table

from harness.api import LM, Attack, Benchmark, Engine, NotApplicable, Point, Prompts, Verdict
from harness.components import build, role_of
from harness.cost import Meter
from harness.course import follow_points
from harness.lm import load_lm
from harness.range_test import reference_lr
from harness.record import Cost
from harness.registry import Kind, installed

SEED = 0


@dataclass(frozen=True)
class Row:
    """One measured stage; ``points`` counts the evaluations of an attack, whose time is not in the cost."""

    stage: str
    cost: Cost
    points: int = 0


def gemm_peak(size: int = 2048, repeats: int = 5) -> float:
    """Floating-point operations per second of the best of several square fp32 products."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    best = min(_seconds(lambda: left @ right) for _ in range(repeats))
    return 2 * size**3 / best


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def flops(cost: Cost, parameters: int) -> float:
    """Two operations per parameter and token forward, four backward."""
    return 2 * parameters * (cost.token_forwards + 2 * cost.token_backwards)


def names(kind: Kind, wanted: str) -> list[str]:
    """The components named on the command line."""
    return [entry.name for entry in installed(kind)] if wanted == "all" else wanted.split(",")


def metered(stage: str, lm: LM, work: Iterator[object]) -> Row:
    """Run a generator to its end under the meter."""
    with Meter(lm.model) as meter:
        points = sum(1 for _ in work)
    return Row(stage, meter.cost(), points)


def unlearning(benchmark: Benchmark, wanted: list[tuple[str, object]]) -> Iterator[Row]:
    """Every method on a fresh copy of its starting model."""
    for name, method in wanted:
        source = benchmark.reference() if role_of(method) == "reference" else benchmark.target()
        lm = load_lm(str(source))

        def work(method: object = method, lm: LM = lm) -> Iterator[object]:
            method.unlearn(lm, benchmark.corpora(), seed=SEED)  # type: ignore[attr-defined]
            yield from ()

        yield metered(f"unlearn {name}", lm, work())


def attacking(benchmark: Benchmark, wanted: list[tuple[str, Attack]], rate: float) -> Iterator[Row]:
    """Every attack on a fresh copy of the original model, without the evaluations at its points.

    A search hears of every point that it cost nothing and brought nothing.
    """
    data = replace(benchmark.attacker_data(rate), original=partial(load_lm, benchmark.target()))
    for name, attack in wanted:
        lm, points = load_lm(benchmark.target()), list[Point]()

        def judge(point: Point, points: list[Point] = points) -> Verdict:
            points.append(point)
            return Verdict(0.0, 1.0, 1.0)

        with Meter(lm.model) as meter:
            try:
                follow_points(attack, lm, data, seed=SEED, judge=judge)
            except NotApplicable:
                continue
        yield Row(f"attack {name}", meter.cost(), len(points))


def evaluating(benchmark: Benchmark, engine: Engine) -> Iterator[Row]:
    """One evaluation of the original model, the first and a later one."""
    lm = load_lm(benchmark.target())
    for stage in ("evaluate (first)", "evaluate (again)"):

        def work() -> Iterator[object]:
            engine.load(lm)
            yield benchmark.evaluate(engine, Prompts())

        yield metered(stage, lm, work())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--benchmark", default="pocket-wmdp")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--attacks", default="all")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    peak = gemm_peak()
    benchmark = build("benchmark", given.benchmark)
    methods = [(name, build("method", name, benchmark=given.benchmark)) for name in names("method", given.methods)]
    attacks = [(name, build("attack", name, benchmark=given.benchmark)) for name in names("attack", given.attacks)]
    lm = load_lm(benchmark.target())
    parameters = sum(weights.numel() for weights in lm.model.parameters())
    data = benchmark.attacker_data(1.0)
    started = time.perf_counter()
    with Meter(lm.model) as meter:
        rate = reference_lr(lm, unrelated=data.unrelated, utility=benchmark.corpora().retain, seed=SEED)
    rows = [Row(f"range test (rate {rate:.1e})", meter.cost())]
    rows += [*evaluating(benchmark, build("engine", "transformers")), *unlearning(benchmark, methods)]
    rows += attacking(benchmark, attacks, rate)
    title = f"{given.benchmark}, {parameters / 1e6:.2f}M parameters, {given.threads} thread(s), "
    table = Table("stage", "s", "points", "steps", "fwd", "bwd", "tok/s", "% of peak", "peak MiB")
    table.title = f"{title}GEMM peak {peak / 1e9:.0f} GF/s, {time.perf_counter() - started:.0f} s in all"
    for row in rows:
        table.add_row(*_cells(row, parameters, peak))
    Console(width=120).print(table)


def _cells(row: Row, parameters: int, peak: float) -> list[str]:
    cost = row.cost
    busy = cost.seconds > 0 and cost.tokens > 0
    return [
        row.stage,
        f"{cost.seconds:.2f}",
        str(row.points),
        str(cost.steps),
        f"{cost.forwards:.1f}",
        f"{cost.backwards:.1f}",
        f"{cost.tokens / cost.seconds:,.0f}" if busy else "",
        f"{100 * flops(cost, parameters) / cost.seconds / peak:.0f}" if busy else "",
        f"{cost.peak_memory_bytes / 2**20:.0f}",
    ]


if __name__ == "__main__":
    main()
