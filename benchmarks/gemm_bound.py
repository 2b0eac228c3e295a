"""How near the transformers engine is to what the matrix products of its own batches take, and where the rest goes.

The shapes of every linear map and of every attention are recorded while the engine scores questions; then the same
products, on random numbers, are timed alone. One thread, one process, in turns, minimum over the repeats.

    OMP_NUM_THREADS=1 python benchmarks/gemm_bound.py [--width 512 --layers 8 --questions 60]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile

from harness.api import LM
from harness.benchmarks.pocket_wmdp import PocketWMDP, questions
from harness.engines.transformers import TransformersEngine
from harness.lm import load_lm
from harness.pretrain import tiny_llama

Shape = tuple[str, tuple[int, ...], tuple[int, ...]]
Products = Counter[Shape]


@contextmanager
def recording(model: nn.Module) -> Iterator[Products]:
    """Count the shapes of all linear maps and attentions that run inside."""
    seen: Products = Counter()

    def on_linear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows = inputs[0].numel() // inputs[0].shape[-1]
        seen["linear", (rows, inputs[0].shape[-1]), tuple(module.weight.shape)] += 1

    handles = [module.register_forward_hook(on_linear) for module in model.modules() if isinstance(module, nn.Linear)]
    original = torch.nn.functional.scaled_dot_product_attention

    def counted(query: Tensor, key: Tensor, *rest: object, **named: object) -> Tensor:
        seen["attention", tuple(query.shape), tuple(key.shape)] += 1
        return original(query, key, *rest, **named)

    torch.nn.functional.scaled_dot_product_attention = counted
    try:
        yield seen
    finally:
        torch.nn.functional.scaled_dot_product_attention = original
        for handle in handles:
            handle.remove()


def replay(products: Products) -> None:
    """Run the products alone, on random numbers."""
    for (kind, left, right), count in products.items():
        one, other = torch.randn(left), torch.randn(right)
        for _ in range(count):
            if kind == "linear":
                linear(one, other)
            else:
                scaled_dot_product_attention(one, other, other, is_causal=left[-2] == right[-2])


def seconds(call: Callable[[], object]) -> float:
    """Process CPU time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Print the engine's time over the products' time, and the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=0, help="A random Llama of this width; 0: the pocket target.")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lm = load_lm(PocketWMDP().target())
    if chosen.width:
        model = tiny_llama(lm.tokenizer, width=chosen.width, layers=chosen.layers, context=512, seed=0).eval()
        lm = LM(model, lm.tokenizer)
    asked = questions()[: chosen.questions]
    prompts = [question.prompt for question in asked]
    options = [[f" {option}" for option in question.options] for question in asked]
    engine = TransformersEngine()
    engine.load(lm)

    def score() -> object:
        return engine.choices(prompts, options)

    score()  # tokenizes once, as every evaluation after the first
    with recording(lm.model) as products:
        score()
    pairs = [(seconds(score), seconds(lambda: replay(products))) for _ in range(chosen.repeats)]
    whole, alone = (min(times) for times in zip(*pairs, strict=True))
    parameters = sum(parameter.numel() for parameter in lm.model.parameters())
    tokens = sum(len(engine.tokenizer(prompt)["input_ids"]) for prompt in prompts)
    print(f"{parameters / 1e6:.1f}M parameters, {len(prompts)} questions, {tokens} tokens, {chosen.repeats} repeats")
    print(f"engine {whole:.3f} CPU-s, its matrix products alone {alone:.3f} CPU-s, ratio {whole / alone:.2f}")
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        score()
    print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40))


if __name__ == "__main__":
    main()
