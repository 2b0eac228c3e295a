"""Scoring many checkpoints of one architecture: a live engine with swapped weights against fresh engines and lm-eval.

Every arm scores the same invented WMDP-shaped questions through lm-eval's own `wmdp_bio` task, on one thread. An arm is
a process (a fresh engine, and lm-eval called per checkpoint, are a process per checkpoint); seconds are wall time from
its start to its end, and answers are compared with those of the transformers engine.

    python benchmarks/live_engine.py --out DIR                      # pocket model, 50 checkpoints, 1,000 questions
    python benchmarks/live_engine.py --out DIR --size 70m --checkpoints 4 --questions 60 --singles 1
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM

from harness.api import LM, Engine
from harness.benchmarks.pocket_wmdp import FOLDER as POCKET
from harness.benchmarks.pocket_wmdp import PocketWMDP, read_lines
from harness.engines.transformers import TransformersEngine
from harness.engines.vllm import VLLMEngine
from harness.lm import load_lm, save_lm
from harness.lm_eval_bridge import load_tasks

TASK = "wmdp_bio"
BF16_CHECKPOINTS = 5
"""Enough to count flipped answers; a CPU without bf16 instructions emulates them, some ten times slower."""
QUIET = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "VLLM_CPU_KVCACHE_SPACE": "1"}
Answers = list[list[int]]
"""Per checkpoint and question, the option chosen."""


def write_questions(root: Path, count: int) -> None:
    """A folder laid out as cais/wmdp is, with invented questions."""
    folder = root / "cais" / "wmdp"
    rng = random.Random(0)
    options = [row["options"] for row in read_lines(POCKET / "items.jsonl") if len(row["options"]) == 4]
    rows = [
        {
            "question": f"Which of these belongs to the reagent number {index}?",
            "choices": rng.choice(options),
            "answer": 0,
        }
        for index in range(count)
    ]
    (folder / "wmdp-bio").mkdir(parents=True)
    Dataset.from_list(rows).to_parquet(str(folder / "wmdp-bio" / "test-00000-of-00001.parquet"))
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: wmdp-bio\n  data_files:\n  - split: test\n    path: wmdp-bio/test-*\n---\n"
    )


def base_model(size: str) -> LM:
    """The pocket target, or a random Llama of about 70 million parameters with its tokenizer."""
    lm = load_lm(PocketWMDP().target())
    if size == "pocket":
        return lm
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=640,
        intermediate_size=1920,
        num_hidden_layers=12,
        num_attention_heads=10,
        num_key_value_heads=10,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=lm.tokenizer.eos_token_id,
        pad_token_id=lm.tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    return LM(LlamaForCausalLM(config), lm.tokenizer)


def nudged(lm: LM, checkpoint: int) -> LM:
    """The next checkpoint, in place: a little noise on every weight, as a step of training would leave it."""
    generator = torch.Generator().manual_seed(checkpoint)
    with torch.no_grad():
        for weights in lm.model.parameters():
            weights += 0.02 * weights.std() * torch.randn(weights.shape, generator=generator)
    return lm


def ours(engine: Engine, out: Path, checkpoints: int) -> tuple[Answers, list[float]]:
    """Answers and seconds of each checkpoint, one engine for all."""
    tasks = load_tasks([TASK], data_root=str(out / "data"))
    lm, answers, seconds = load_lm(out / "base"), [], []
    for checkpoint in range(checkpoints):
        start = time.perf_counter()
        engine.load(nudged(lm, checkpoint))
        samples = tasks.run(engine)[TASK]
        answers.append([max(range(4), key=sample.logprobs.__getitem__) for sample in samples])
        seconds.append(time.perf_counter() - start)
    return answers, seconds


def lm_eval_alone(backend: str, out: Path) -> tuple[Answers, list[float]]:
    """Answers of lm-eval's own backend for the first checkpoint, as its command line would give them."""
    import lm_eval  # noqa: PLC0415 - each arm imports its own machinery, and only its own
    from lm_eval.tasks import TaskManager  # noqa: PLC0415

    start = time.perf_counter()
    (out / "yaml").mkdir(exist_ok=True)
    template = Path(lm_eval.__file__).parent / "tasks" / "wmdp" / "wmdp_bio.yaml"
    local = out / "data" / "cais" / "wmdp"
    (out / "yaml" / "local.yaml").write_text(f"include: {template}\ntask: wmdp_local\ndataset_path: {local}\n")
    if backend == "vllm":
        importlib.import_module("vllm.platforms").current_platform  # noqa: B018 - found before the name is changed
        version = importlib.metadata.version
        importlib.metadata.version = lambda name: version("vllm-cpu" if name == "vllm" else name)
        more = "enforce_eager=True,dtype=float32,max_model_len=512"
    else:
        more = "dtype=float32,device=cpu"
    told = lm_eval.simple_evaluate(
        model=backend,
        model_args=f"pretrained={out / 'first'},{more}",
        tasks=["wmdp_local"],
        task_manager=TaskManager(include_path=str(out / "yaml"), include_defaults=False),
        batch_size="auto" if backend == "vllm" else 16,
    )
    samples = sorted(told["samples"]["wmdp_local"], key=lambda sample: sample["doc_id"])
    scored = [[float(answer[0]) for answer in sample["filtered_resps"]] for sample in samples]
    return [[max(range(4), key=row.__getitem__) for row in scored]], [time.perf_counter() - start]


def arms(out: Path, checkpoints: int) -> Mapping[str, Callable[[], tuple[Answers, list[float]]]]:
    """What can be timed, by name."""
    return {
        "transformers engine": lambda: ours(TransformersEngine(), out, checkpoints),
        "live vLLM, weights swapped": lambda: ours(VLLMEngine(), out, checkpoints),
        "live vLLM, bf16": lambda: ours(VLLMEngine(dtype="bfloat16"), out, checkpoints),
        "fresh vLLM per checkpoint": lambda: ours(VLLMEngine(), out, 1),
        "lm-eval, its vLLM backend": lambda: lm_eval_alone("vllm", out),
        "lm-eval, its HF backend": lambda: lm_eval_alone("hf", out),
    }


def timed(name: str, out: Path, checkpoints: int) -> tuple[float, Answers, list[float]]:
    """Wall seconds of a process that runs one arm, its answers, and the seconds of each checkpoint inside it."""
    told = out / "told.json"
    command = [sys.executable, __file__, "--out", str(out), "--checkpoints", str(checkpoints), "--arm", name]
    own = {"HF_DATASETS_CACHE": str(out / "cache")}  # by default `datasets` may know another folder by this path
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | QUIET | own, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-4000:]}")
    answers, inside = json.loads(told.read_text())
    return seconds, answers, inside


def flips(answers: Answers, right: Answers) -> str:
    """How many answers differ from the transformers engine's, over how many."""
    pairs = [pair for mine, theirs in zip(answers, right, strict=False) for pair in zip(mine, theirs, strict=True)]
    return f"{sum(one != other for one, other in pairs)} of {len(pairs)}"


def report(out: Path, checkpoints: int, singles: int) -> None:
    """Run every arm and print the table; ratios are per checkpoint, whole process over its checkpoints."""
    counts = {name: 1 if "fresh" in name or "lm-eval" in name else checkpoints for name in arms(out, 1)}
    counts["live vLLM, bf16"] = min(BF16_CHECKPOINTS, checkpoints)
    table = Table("arm", "processes", "checkpoints each", "s per checkpoint", "x live", "answers flipped")
    rows, right = {}, []
    for name, count in counts.items():
        runs = [timed(name, out, count) for _ in range(singles if count == 1 else 1)]
        rows[name] = (len(runs), count, sum(run[0] for run in runs) / len(runs) / count, runs[0][1], runs[0][2])
        right = right or runs[0][1]
        Console().print(
            name,
            flips(rows[name][3], right),
            f"flipped, {rows[name][2]:.2f} s per checkpoint; inside, first and median of the rest:",
            f"{rows[name][4][0]:.2f}, {sorted(rows[name][4][1:] or [0.0])[len(rows[name][4][1:]) // 2]:.2f}",
        )
    live = rows["live vLLM, weights swapped"][2]
    for name, (processes, count, each, answers, _) in rows.items():
        table.add_row(name, str(processes), str(count), f"{each:.2f}", f"{each / live:.2f}", flips(answers, right))
    Console(width=130).print(table)


def main() -> None:
    """Prepare the folder and report, or run one arm for a parent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="New folder for questions and checkpoints.")
    parser.add_argument("--size", choices=("pocket", "70m"), default="pocket")
    parser.add_argument("--checkpoints", type=int, default=50)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=2, help="Processes of each arm that scores one checkpoint.")
    parser.add_argument("--arm", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.arm:
        told = arms(chosen.out, chosen.checkpoints)[chosen.arm]()
        (chosen.out / "told.json").write_text(json.dumps(told))
        return
    write_questions(chosen.out / "data", chosen.questions)
    lm = base_model(chosen.size)
    save_lm(lm, chosen.out / "base")
    save_lm(nudged(lm, 0), chosen.out / "first")
    parameters = sum(weights.numel() for weights in lm.model.parameters())
    Console().print(f"{parameters / 1e6:.1f}M parameters, {chosen.questions} questions, one thread")
    report(chosen.out, chosen.checkpoints, chosen.singles)


if __name__ == "__main__":
    main()
