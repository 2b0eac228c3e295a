"""What asking lm-eval's tasks costs beside the model: our bridge against lm-eval's evaluator, per document.

Both ask the same engine, which answers at once, the same 1,000 invented questions in WMDP's format. Run it with
``OMP_NUM_THREADS=1 python benchmarks/bridge_overhead.py``; the ratio of one run is what counts, not its milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, cast

import datasets
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from harness.api import Engine
from harness.lm_eval_bridge import EngineLM, load_tasks
from harness.lm_eval_bridge.definitions import FOLDER

COUNT = 1000
REPEATS = 5
WORDS = ("red", "blue", "low", "big")
README = """---
configs:
- config_name: wmdp-bio
  data_files:
  - {split: test, path: wmdp-bio/test.parquet}
---
"""


class NullEngine:
    """Answers at once; what it says depends on the question's length alone."""

    version: ClassVar[int] = 1

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Four made-up log-probabilities for each prompt."""
        return [[-float((len(prompt) + place) % 4) for place in range(4)] for prompt in prompts]


def write_questions(root: Path) -> None:
    """``cais/wmdp`` with invented questions of WMDP's usual length."""
    records = [
        {
            "question": f"Which part of machine {index} turns first when the {'old ' * (index % 30)}lever is pulled?",
            "choices": [
                f"the {word} wheel of row {index}, seen from the door" for word in ("red", "blue", "low", "big")
            ],
            "answer": index % 4,
        }
        for index in range(COUNT)
    ]
    folder = root / "cais" / "wmdp"
    (folder / "wmdp-bio").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    datasets.Dataset.from_list(records).to_parquet(str(folder / "wmdp-bio" / "test.parquet"))


def ms_per_document(call: Callable[[], object]) -> float:
    """Milliseconds of CPU per document."""
    start = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        call()
    return (time.process_time() - start) / COUNT * 1000


def main() -> None:
    """Measure and print."""
    datasets.disable_progress_bars()
    root, engine = Path(tempfile.mkdtemp()), cast(Engine, NullEngine())
    datasets.config.HF_DATASETS_CACHE = root / "cache"
    write_questions(root)
    os.chdir(root)  # where lm-eval finds the data by itself
    theirs = TaskManager(include_defaults=False, include_path=str(FOLDER / "wmdp")).load(["wmdp_bio"])
    load_tasks(["wmdp_bio"], data_root=str(root))  # warm: reads and converts the data
    built = ms_per_document(lambda: load_tasks(["wmdp_bio"], data_root=str(root)))
    tasks, lm = load_tasks(["wmdp_bio"], data_root=str(root)), EngineLM(engine, unread=["wmdp_bio"])
    bridge = [ms_per_document(lambda: tasks.run(engine)) for _ in range(REPEATS)]
    lm_eval = [ms_per_document(lambda: evaluate(lm, theirs)) for _ in range(REPEATS)]
    print(f"{COUNT} documents, an engine that answers at once; ms of CPU per document, median of {REPEATS} and range")
    print(f"bridge, tasks built (once per process)  {built:.3f}")
    print(f"bridge, each model                      {shown(bridge)}")
    print(f"lm_eval.evaluator.evaluate, each model  {shown(lm_eval)}")
    print(f"ratio                                   {statistics.median(lm_eval) / statistics.median(bridge):.1f}")


def shown(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f}  {min(values):.3f}-{max(values):.3f}"


if __name__ == "__main__":
    main()
