"""The attack's search against nanogcg: one question, one prefix, as many candidate evaluations for both.

nanogcg optimises one target at a time, so both are given single questions of the pocket model that was never unlearned,
each with another question's answer as target, since its own is known already. What either ends with is scored in its
place: the text is put before the question, the whole is tokenized, and the answer's tokens are read. nanogcg was
written for an older transformers; it is not a dependency, and without it this script says so and ends.

    python -m pip install --no-deps --target DIR nanogcg==0.3.0
    PYTHONPATH=DIR OMP_NUM_THREADS=1 python benchmarks/gcg_side_by_side.py [--questions 8 --steps 50 --width 32]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch

from attacks.gcg import GCG, Search
from harness.api import LM, Item
from harness.benchmarks.pocket_wmdp import PocketWMDP
from harness.lm import load_lm
from harness.train.spelling import repeated, spellable
from harness.train.triggers import cut

try:
    import nanogcg
except ImportError:
    nanogcg = None


def search_of(lm: LM, item: Item, length: int) -> Search:
    """One question as the whole of what is optimised."""
    question, tokens = cut(lm.tokenizer, item, "prefix"), spellable(lm)
    start = repeated(lm.tokenizer, [question], tokens, length)
    if start is None:
        raise ValueError(f"No start of {length} tokens can be spelled before {item.prompt!r}; take another length.")
    return Search(lm, [question], tokens, start)


def ours(search: Search, item: Item, how: GCG, seed: int) -> str:
    """The prefix that our search ends with."""
    *_, kept = how.run(search, torch.Generator().manual_seed(seed))
    return search.text(kept.ids)


def theirs(search: Search, item: Item, how: GCG, seed: int) -> str:
    """The prefix that nanogcg ends with."""
    config = nanogcg.GCGConfig(
        num_steps=how.steps,
        search_width=how.width,
        topk=how.topk,
        n_replace=how.replacements,
        optim_str_init=search.text(search.start),
        use_prefix_cache=False,  # nothing stands before a prefix; and its form is not that of our transformers
        seed=seed,
        verbosity="ERROR",
    )
    lm = search.lm
    return str(nanogcg.run(lm.model, lm.tokenizer, "{optim_str}" + item.prompt, item.answer, config).best_string)


def in_place(lm: LM, before: str, item: Item) -> float:
    """Mean negative log-likelihood per answer token of a question behind a text, nats."""
    prompt, whole = lm.tokenizer([before + item.prompt, before + item.prompt + item.answer])["input_ids"]
    with torch.no_grad():
        logprobs = lm.model(input_ids=torch.tensor([whole])).logits[0].double().log_softmax(-1)
    return -statistics.fmean(float(logprobs[at - 1, whole[at]]) for at in range(len(prompt), len(whole)))


def timed(
    find: Callable[[Search, Item, GCG, int], str], search: Search, item: Item, how: GCG, seed: int
) -> list[float]:
    """Final loss and CPU seconds."""
    begun = time.process_time()
    text = find(search, item, how, seed)
    return [in_place(search.lm, text, item), time.process_time() - begun]


def swapped(items: Sequence[Item], count: int) -> list[Item]:
    """Questions with the answer of another one."""
    return [Item(items[7 * at].prompt, items[7 * at + 3].answer) for at in range(count)]


def main() -> None:
    """Print losses and seconds of both, question by question; exit 1 if ours are measurably higher."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"questions": 8, "steps": 50, "width": 32, "topk": 64, "length": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    if nanogcg is None:
        sys.exit("nanogcg is not installed, so there is nothing to compare with; the docstring says how to get it.")
    torch.set_num_threads(1)
    benchmark = PocketWMDP()
    lm = load_lm(benchmark.target())
    how = dataclasses.replace(GCG(), steps=asked.steps, width=asked.width, topk=asked.topk, length=asked.length)
    print(f"{how.steps} steps of {how.width} candidates (nanogcg scores fewer where some cannot be spelled)")
    print(f"{'target':12} {'start':>8} {'ours':>8} {'s':>6} {'nanogcg':>8} {'s':>6}")
    table = []
    for seed, item in enumerate(swapped(benchmark.attacker_data(1e-3).items, asked.questions)):
        search = search_of(lm, item, how.length)
        start = in_place(lm, search.text(search.start), item)
        table.append([start, *timed(ours, search, item, how, seed), *timed(theirs, search, item, how, seed)])
        print(_line(item.answer, table[-1]), flush=True)
    print(_line("mean", [statistics.fmean(column) for column in zip(*table, strict=True)]))
    behind = [own - other for _, own, _, other, _ in table]
    noise = statistics.stdev(behind) / len(behind) ** 0.5
    print(f"ours less theirs: {statistics.fmean(behind):+.3f}, standard error {noise:.3f}")
    sys.exit(1 if statistics.fmean(behind) > 1.96 * noise else 0)


def _line(label: str, row: Sequence[float]) -> str:
    start, own, own_s, other, other_s = row
    return f"{label:12} {start:8.3f} {own:8.3f} {own_s:6.1f} {other:8.3f} {other_s:6.1f}"


if __name__ == "__main__":
    main()
