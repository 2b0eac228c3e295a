"""Invented records in the layout of MUSE on the hub, small enough to be scored in a second."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from harness.api import LM
from harness.lm import save_lm
from harness.pretrain import tiny_llama, train_tokenizer

SYLLABLES = ["ba", "ko", "ri", "ten", "mu", "sol", "va", "lim", "dor", "ne"]
PASSAGES, PROMPT, END = 6, 30, 50
"""Articles with a passage, the words of its beginning, and where its continuation ends."""


def article(name: str, words: int = 60) -> str:
    rng = random.Random(name)
    return " ".join(rng.choice(SYLLABLES) + rng.choice(SYLLABLES) + rng.choice(SYLLABLES) for _ in range(words))


def part(text: str, first: int, last: int) -> str:
    return " ".join(text.split()[first:last])


FORGET = [article(f"forget {i}") for i in range(12)]
QUESTIONS = [{"question": f"What follows {part(FORGET[i], 2, 4)}?", "answer": part(FORGET[i], 4, 6)} for i in range(6)]
KEPT = [{"question": f"Who owns {article(f'kept {i}', 2)}?", "answer": article(f"owner {i}", 2)} for i in range(6)]
SOLVED = [{"question": f"What is {article(f'solved {i}', 2)}?", "answer": article(f"is {i}", 2)} for i in range(10)]


def texts(name: str, count: int, words: int = 60) -> list[dict[str, str]]:
    return [{"text": article(f"{name} {i}", words)} for i in range(count)]


RECORDS: Mapping[tuple[str, str], Sequence[Mapping[str, str]]] = {
    ("raw", "forget"): [{"text": text} for text in FORGET],
    ("raw", "retain1"): texts("retain1", 8),
    ("raw", "holdout"): [*texts("holdout", 4), *texts("near", 6)],
    ("verbmem", "forget"): [
        {"prompt": part(text, 0, PROMPT), "gt": part(text, PROMPT, END)} for text in FORGET[:PASSAGES]
    ],
    ("knowmem", "forget_qa"): QUESTIONS,
    ("knowmem", "retain_qa"): KEPT,
    ("knowmem", "forget_qa_icl"): SOLVED,
    ("knowmem", "retain_qa_icl"): list(reversed(SOLVED)),
    ("privleak", "forget"): [{"text": text} for text in FORGET[4:8]],
    ("privleak", "holdout"): texts("holdout", 4),
    ("privleak", "retain"): texts("retained", 4),
    ("sust", "forget_2"): texts("second", 5),
    ("sust", "forget_3"): texts("third", 5),
    ("sust", "forget_4"): texts("fourth", 5),
    ("scal", "forget_2"): [*({"text": text} for text in FORGET), *texts("second", 5)],
}


def write_muse(root: Path, dataset: str, *, without: Collection[tuple[str, str]] = ()) -> str:
    """Write every split but those left out; returns the data root."""
    folder = root / dataset
    configs: dict[str, list[str]] = {}
    for (config, split), records in RECORDS.items():
        if (config, split) in without:
            continue
        path = folder / config / f"{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        configs.setdefault(config, []).append(f"  - {{split: {split}, path: {config}/{split}.jsonl}}\n")
    head = "".join(f"- config_name: {name}\n  data_files:\n{''.join(lines)}" for name, lines in configs.items())
    (folder / "README.md").write_text(f"---\nconfigs:\n{head}---\n")
    return str(root)


def tokenizer_with_bos() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that begins every text with ``<s>``, as Llama's does."""
    tokenizer = train_tokenizer(FORGET, vocab_size=400)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    bos = [("<s>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=bos)
    return tokenizer


def write_models(folder: Path, *, context: int = 1024) -> str:
    """A random target and reference in one folder."""
    tokenizer = train_tokenizer(FORGET, vocab_size=400)
    for seed, name in enumerate(("target", "reference")):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=1, context=context, seed=seed), tokenizer), folder / name)
    return str(folder)


@dataclass(frozen=True)
class ScriptedEngine:
    """Writes what it is told after each prompt, else nothing, and finds words that it was told of likely.

    Attributes:
        tokenizer: Of the model it stands for.
        script: Prompt -> what is written after it.
        known: Texts that were trained, so to speak: their tokens have a log-probability of -1, others of -2.
        context_length: Tokens that it can read.
        asked: Texts it was asked.
    """

    tokenizer: PreTrainedTokenizerBase
    script: Mapping[str, str] = field(default_factory=dict)
    known: Collection[str] = ()
    context_length: int = 4096
    asked: list[str] = field(default_factory=list)
    version: ClassVar[int] = 1

    def load(self, lm: LM) -> str:
        return ""

    def rest(self) -> None:
        return None

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        raise NotImplementedError("MUSE has no multiple choice")

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        raise NotImplementedError("MUSE does not ask that")

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        self.asked.extend(context for context, _ in pairs)
        return [[-1.0 if text in self.known else -2.0] * len(text.split()) for _, text in pairs]

    def generate(self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        self.asked.extend(prompts)
        whole = [self.script.get(prompt, "") for prompt in prompts]
        ends = [min((text.find(mark) for mark in stop if mark in text), default=len(text)) for text in whole]
        return [text[:end] for text, end in zip(whole, ends, strict=True)]


def check_types(engine: ScriptedEngine) -> Any:
    """Holds the fake to the protocol when it is type-checked."""
    return engine
