"""A process, alone or of a team that accelerate launched, that unlearns a tiny double model and saves its weights.

Arguments: where to save, then the entry point of a method.
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
SETTINGS: dict[str, Any] = {"lr": 1e-2, "steps": 3, "batch_size": 5, "retain_batch_size": 3, "accumulation": 2}


def main(out: Path, entry: str) -> None:
    torch.set_num_threads(1)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=True)
    module, _, name = entry.partition(":")
    method = getattr(importlib.import_module(module), name)(**SETTINGS)
    tokenizer = train_tokenizer((FORGET + RETAIN) * 5, vocab_size=300)
    lm = LM(tiny_llama(tokenizer, width=32, layers=2, context=64, seed=0).double(), tokenizer)
    method.unlearn(lm, Corpora(FORGET, RETAIN), seed=0)
    if position() == 0:
        torch.save([weight.detach() for weight in lm.model.parameters()], out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
