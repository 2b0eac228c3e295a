"""A process, alone or of a team that accelerate launched, that unlearns a tiny double model and saves its weights.

Arguments: a folder to save into, then entry points of methods, as ``module:Class`` or ``module:Class,field=value``.
With the variable SHARD set, a team cuts the model over its processes.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from harness.api import LM, Corpora
from harness.pretrain import tiny_llama, train_tokenizer
from harness.train.processes import position

FORGET = ("the cat sat on the mat", "a cat", "the mat is red and the cat is old", "old mats", "cats eat")
RETAIN = ("dogs bark at the moon", "a fish swims in the deep sea", "birds fly", "the moon is far")
AUXILIARY = ("one and two are three", "ten less four is six", "two twos are four")
SETTINGS: dict[str, Any] = {"lr": 1e-2, "steps": 3, "batch_size": 5, "retain_batch_size": 3, "accumulation": 2}


def main(out: Path, entries: list[str]) -> None:
    torch.set_num_threads(1)
    out.mkdir(exist_ok=True)
    shard = int(os.environ.get("WORLD_SIZE", "1")) > 1 and "SHARD" in os.environ
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=True)
    tokenizer = train_tokenizer((FORGET + RETAIN) * 5, vocab_size=300)
    for number, entry in enumerate(entries):
        lm = LM(tiny_llama(tokenizer, width=32, layers=2, context=64, seed=0).double(), tokenizer)
        method = made(entry, {"shard": True} if shard else {})
        method.unlearn(lm, Corpora(FORGET, RETAIN, auxiliary=AUXILIARY), seed=0)
        if position() == 0:
            torch.save([weight.detach() for weight in lm.model.parameters()], out / f"{number}.pt")


def made(entry: str, extra: dict[str, Any]) -> Any:
    """The method that an entry names."""
    place, *typed = entry.split(",")
    module, _, name = place.partition(":")
    fields = {field: value_of(text) for field, _, text in (pair.partition("=") for pair in typed)}
    return getattr(importlib.import_module(module), name)(**SETTINGS, **fields, **extra)


def value_of(text: str) -> int | str | tuple[int, ...]:
    """A whole number, several of them joined by ``+``, or a text."""
    if "+" in text:
        return tuple(map(int, text.split("+")))
    return int(text) if text.isdigit() else text


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
