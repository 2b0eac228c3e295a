"""Scoring MUSE (100 VerbMem, 100 + 100 KnowMem, 300 membership texts) by the transformers engine and by vLLM, in turns.

    OMP_NUM_THREADS=1 python benchmarks/muse_engines.py --model TARGET --data-root ROOT [--repeats 2]

Seconds are CPU seconds of this process, which both engines compute in; the first vLLM load (import and start) is apart.
"""

from __future__ import annotations

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table

from harness.api import Engine, Evaluation, Prompts
from harness.benchmarks.muse import MUSENews
from harness.engines.transformers import TransformersEngine
from harness.engines.vllm import VLLMEngine
from harness.lm import load_lm


def timed(engine: Engine, benchmark: MUSENews) -> tuple[float, Evaluation]:
    """CPU seconds of one evaluation of the model that the engine serves."""
    start = time.process_time()
    evaluation = benchmark.evaluate(engine, Prompts())
    return time.process_time() - start, evaluation


def main() -> None:
    """Print seconds per engine, their ratio, and how far the scores are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Folder with target/ and reference/.")
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--repeats", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    benchmark = MUSENews(model=chosen.model, data_root=chosen.data_root)
    lm = load_lm(benchmark.target())
    engines: dict[str, Engine] = {"transformers": TransformersEngine(), "vllm": VLLMEngine()}
    for name, engine in engines.items():
        start = time.process_time()
        engine.load(lm)
        Console().print(f"{name}: first load {time.process_time() - start:.1f} CPU-s")
    runs: dict[str, list[tuple[float, Evaluation]]] = {name: [] for name in engines}
    for _ in range(chosen.repeats):
        for name, engine in engines.items():
            runs[name].append(timed(engine, benchmark))
    best = {name: min(seconds for seconds, _ in found) for name, found in runs.items()}
    table = Table("engine", "CPU-s per evaluation (minimum)", "runs", "x transformers")
    for name, seconds in best.items():
        table.add_row(name, f"{seconds:.1f}", str(chosen.repeats), f"{seconds / best['transformers']:.2f}")
    Console().print(table)
    plain, served = (runs[name][0][1].scores for name in engines)
    for name, score in plain.items():
        Console().print(f"{name}: {score.value:.4f} {served[name].value:.4f}")


if __name__ == "__main__":
    main()
