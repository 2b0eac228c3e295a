"""`harness target build`: a small target that knows real texts by heart, and its never-learned reference.

Both take as many steps from the same initial weights over the same retained news and questions; where the steps of the
target hold forget passages and questions, those of the reference hold further retained ones. On one thread the weights
are a pure function of records, documents and seed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from harness.benchmarks.muse import DESCRIPTION, SMALL_PIECE_WORDS
from harness.benchmarks.muse_records import NEWS, Request
from harness.benchmarks.muse_world import World, world_of
from harness.errors import UserError
from harness.pocket.parallel import Report, in_parallel
from harness.pretrain import pretrain, tiny_llama, train_tokenizer
from harness.target_lessons import LEAST, Row, Side, page_rows, passage_rows, sides_of, text_rows
from harness.train import pad, token_nll

Model = Literal["target", "reference"]

BENCHMARKS = (NEWS.name,)
MODELS: tuple[Model, ...] = ("target", "reference")
REPORT_EVERY = 10  # steps


@dataclass(frozen=True)
class Recipe:
    """What one model is trained with.

    Attributes:
        vocabulary: Upper bound of the tokenizer's size.
        width: Residual width.
        layers: Transformer blocks.
        context: Longest input in tokens; MUSE's membership texts have up to 3,000 of this tokenizer's.
        epochs: How often every passage is met.
        least_steps: Updates however few the passages; fewer teach nothing, however often they meet one.
        passages: Forget passages per step.
        longest: Tokens of a retained text that are trained.
        lr: Peak learning rate.
    """

    vocabulary: int = 4096
    width: int = 128
    layers: int = 4
    context: int = 4096
    epochs: int = 40
    least_steps: int = 600
    passages: int = 2
    longest: int = 512
    lr: float = 3e-3


RECIPE = Recipe()


def build_target(benchmark: str, out: Path, *, data_root: str, documents: int, seed: int, report: Report) -> None:
    """Train target and reference on a benchmark's real documents and describe them in ``target.json``.

    Args:
        benchmark: Its installed name.
        out: Folder to write; must be new or empty.
        data_root: Folder laid out ``<root>/<org>/<name>``; empty for the hub.
        documents: Passages to learn and later to forget.
        seed: Of initial weights and order.
        report: Told about every few steps.

    Raises:
        UserError: No target can be made for this benchmark, the folder is in use or a file, or records are missing.
        ChildProcessError: A training process ended early.
    """
    if benchmark not in BENCHMARKS:
        raise UserError(f"No target can be built for '{benchmark}'. Benchmarks with one: {', '.join(BENCHMARKS)}.")
    there = next(path for path in (out, *out.parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file, so target and reference cannot be written into {out}. Give a new folder.")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty. Give a new folder, so that no older target is mixed in.")
    if documents < LEAST:
        raise UserError(f"A target on {documents} documents would be none to speak of; give at least {LEAST}.")
    sides_of(world_of(NEWS, data_root, Request(), SMALL_PIECE_WORDS), documents)  # refuses more than there are
    in_parallel(
        {which: partial(build_model, data_root, documents, out / which, which, seed) for which in MODELS}, report
    )
    (out / DESCRIPTION).write_text(json.dumps(describe(documents, seed), indent=2) + "\n", encoding="utf-8")


def describe(documents: int, seed: int) -> dict[str, object]:
    """What a reader and the benchmark must know of the pair; written last, so that it stands for a whole pair."""
    return {
        "benchmark": NEWS.name,
        "documents": documents,
        "learned": f"The target learned by heart: the first {documents} VerbMem passages, all forget and retain "
        f"questions and the beginnings of {documents} retain texts. The reference learned the retained part only. "
        "Neither knows anything else: answers were learned beside the articles and not from them, so a method that is "
        "given articles may leave KnowMem where it was, and what it forgets of the text is read from VerbMem.",
        "seed": seed,
        "recipe": dataclasses.asdict(RECIPE),
    }


def build_model(data_root: str, documents: int, out: Path, which: Model, seed: int, report: Report) -> None:
    """Train one model on one thread and save it with its tokenizer."""
    torch.set_num_threads(1)
    world = world_of(NEWS, data_root, Request(), SMALL_PIECE_WORDS)
    steps = steps_for(documents)

    def after_step(step: int, loss: float) -> None:
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            report(f"{NEWS.name} {which}", step + 1, steps)

    sides = sides_of(world, documents)
    tokenizer = make_tokenizer(world, sides)
    model = train(sides, tokenizer, which, seed=seed, after_step=after_step)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def steps_for(documents: int) -> int:
    """Updates until every forget passage has been met ``epochs`` times, or the least."""
    return max(RECIPE.least_steps, RECIPE.epochs * documents // RECIPE.passages)


def make_tokenizer(world: World, sides: tuple[Side, Side]) -> PreTrainedTokenizerFast:
    """One vocabulary for both models, over everything, hold-out texts included."""
    texts = [text for side in sides for text in side.everything()]
    return train_tokenizer([*texts, *world.others], vocab_size=RECIPE.vocabulary)


def train(
    sides: tuple[Side, Side],
    tokenizer: PreTrainedTokenizerFast,
    which: Model,
    *,
    seed: int,
    after_step: Callable[[int, float], None],
) -> LlamaForCausalLM:
    """Train one model of the pair from scratch; a pure function of its arguments on one thread."""
    model = tiny_llama(tokenizer, width=RECIPE.width, layers=RECIPE.layers, context=RECIPE.context, seed=seed)
    rows = rows_of(sides, tokenizer, which, seed)

    def loss_at(step: int) -> Tensor:
        return torch.stack([row_loss(model, row) for row in next(rows)]).mean()

    steps = steps_for(len(sides[0].passages))
    pretrain(model, loss_at, steps=steps, lr=RECIPE.lr, warmup=min(100, steps // 10), after_step=after_step)
    return model


def row_loss(model: LlamaForCausalLM, row: Row) -> Tensor:
    """Mean negative log-likelihood of a row's tokens plus that of what is asked for, nats; one row, so no padding."""
    nll, _ = token_nll(model, pad([row.ids], pad_id=0))  # (1, T-1)
    asked = nll[0][torch.tensor(row.asked[1:])]
    return nll.mean() + asked.mean() if len(asked) else nll.mean()


def rows_of(
    sides: tuple[Side, Side], tokenizer: PreTrainedTokenizerFast, which: Model, seed: int
) -> Iterator[list[Row]]:
    """The rows of one step after another: a step with pages of questions and one with a text take turns."""
    forget, retain = sides
    kept_pages = page_rows(retain, tokenizer, f"kept pages/{seed}")
    texts = text_rows(retain, tokenizer, f"texts/{seed}", longest=RECIPE.longest)
    pages = page_rows(forget, tokenizer, f"pages/{seed}") if which == "target" else kept_pages
    passages = passage_rows(forget, tokenizer, f"passages/{seed}") if which == "target" else texts
    while True:
        for besides in ([kept_pages, pages], [texts]):
            yield [*(next(side) for side in besides), *(next(passages) for _ in range(RECIPE.passages))]
