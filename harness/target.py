"""`harness target build`: a small target on real documents, and the reference that never met the forget passages.

Both take the same steps from the same initial weights over the same retained passages; the target's batches hold
forget passages besides. On one thread the weights are a pure function of records, number of documents and seed.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from harness.benchmarks.muse import DESCRIPTION
from harness.benchmarks.news_slice import NewsSlice, load_slice
from harness.errors import UserError
from harness.pocket.parallel import Report, in_parallel
from harness.pretrain import pretrain, tiny_llama, train_tokenizer
from harness.train import encode, mean_nll, pad

Model = Literal["target", "reference"]

BENCHMARKS = ("muse-news",)
MODELS: tuple[Model, ...] = ("target", "reference")
REPORT_EVERY = 10  # steps


@dataclass(frozen=True)
class Recipe:
    """What one model is trained with; the prototype's size reached VerbMem 1.0 on 16 articles in 4 CPU-minutes.

    Attributes:
        vocabulary: Upper bound of the tokenizer's size.
        width: Residual width.
        layers: Transformer blocks.
        context: Longest input in tokens; leaves room for an attacker's text before a passage.
        epochs: How often every passage is met.
        passages: Passages of each side (forget, retain) per step.
        longest: Tokens of a passage that are trained.
        lr: Peak learning rate.
    """

    vocabulary: int = 4096
    width: int = 192
    layers: int = 4
    context: int = 1024
    epochs: int = 80
    passages: int = 2
    longest: int = 768
    lr: float = 2e-3


RECIPE = Recipe()


def build_target(benchmark: str, out: Path, *, data_root: str, documents: int, seed: int, report: Report) -> None:
    """Train target and reference on a slice of a benchmark's real documents and describe them in ``target.json``.

    Args:
        benchmark: Its installed name.
        out: Folder to write; must be new or empty.
        data_root: Folder laid out ``<root>/<org>/<name>``; empty for the hub.
        documents: Passages to learn and later to forget.
        seed: Of initial weights and order.
        report: Told about every few steps.

    Raises:
        UserError: No slice is known for this benchmark, the folder is in use, or records are missing.
        ChildProcessError: A training process ended early.
    """
    if benchmark not in BENCHMARKS:
        raise UserError(f"No target can be built for '{benchmark}'. Benchmarks with a slice: {', '.join(BENCHMARKS)}.")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty. Give a new folder, so that no older target is mixed in.")
    news = load_slice(data_root, documents)
    in_parallel({which: partial(build_model, news, out / which, which, seed) for which in MODELS}, report)
    (out / DESCRIPTION).write_text(json.dumps(describe(news, seed), indent=2) + "\n", encoding="utf-8")


def describe(news: NewsSlice, seed: int) -> dict[str, object]:
    """What a reader and the benchmark must know of the pair; written last, so that it stands for a whole pair."""
    return {
        "benchmark": "muse-news",
        "documents": len(news.forget),
        "verbmem_records": [passage.record for passage in news.forget],
        "scored_retain_records": [passage.record for passage in news.scored],
        "texts": news.digest(),
        "seed": seed,
        "recipe": dataclasses.asdict(RECIPE),
    }


def build_model(news: NewsSlice, out: Path, which: Model, seed: int, report: Report) -> None:
    """Train one model on one thread and save it with its tokenizer."""
    torch.set_num_threads(1)
    steps = steps_for(len(news.forget))

    def after_step(step: int, loss: float) -> None:
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            report(f"muse-news {which}", step + 1, steps)

    tokenizer = make_tokenizer(news)
    model = train(news, tokenizer, which, seed=seed, after_step=after_step)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def steps_for(documents: int) -> int:
    """Updates until every forget passage has been met ``epochs`` times."""
    return RECIPE.epochs * documents // RECIPE.passages


def make_tokenizer(news: NewsSlice) -> PreTrainedTokenizerFast:
    """One vocabulary for both models, over everything, hold-out news included."""
    texts = [passage.text for passage in news.forget] + news.retained() + list(news.near)
    return train_tokenizer(texts, vocab_size=RECIPE.vocabulary)


def train(
    news: NewsSlice,
    tokenizer: PreTrainedTokenizerFast,
    which: Model,
    *,
    seed: int,
    after_step: Callable[[int, float], None],
) -> LlamaForCausalLM:
    """Train one model of the pair from scratch; a pure function of its arguments on one thread."""
    model = tiny_llama(tokenizer, width=RECIPE.width, layers=RECIPE.layers, context=RECIPE.context, seed=seed)
    sides = [endless(encode(tokenizer, news.retained(), max_tokens=RECIPE.longest), f"retain/{seed}")]
    if which == "target":
        forget = [passage.text for passage in news.forget]
        sides.append(endless(encode(tokenizer, forget, max_tokens=RECIPE.longest), f"forget/{seed}"))

    def loss_at(step: int) -> Tensor:
        rows = [next(side) for side in sides for _ in range(RECIPE.passages)]
        return mean_nll(model, pad(rows, pad_id=tokenizer.pad_token_id))

    steps = steps_for(len(news.forget))
    pretrain(model, loss_at, steps=steps, lr=RECIPE.lr, warmup=min(100, steps // 10), after_step=after_step)
    return model


def endless(rows: Sequence[list[int]], seed: str) -> Iterator[list[int]]:
    """All rows over and over, in a new order each time."""
    rng = random.Random(seed)
    while True:
        yield from rng.sample(rows, len(rows))
