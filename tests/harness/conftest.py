"""Fixtures of the benchmarks on real records: a data root of invented questions, and models that can read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import wmdp_folder

from harness.api import LM
from harness.benchmarks.wmdp_questions import item_of
from harness.lm import save_lm
from harness.metrics.shortcuts import Question
from harness.pretrain import tiny_llama, train_tokenizer


@pytest.fixture(scope="session")
def wmdp_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root with every set that the WMDP benchmarks read; the cache of `datasets` stays beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield wmdp_folder.write_root(tmp_path_factory.mktemp("wmdp"))


@pytest.fixture(scope="session")
def wmdp_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random original and a random never-learned model, to which letters are single tokens."""
    folder, rows = tmp_path_factory.mktemp("models"), wmdp_folder.questions("lake", 48)
    items = [item_of(Question(row["question"], tuple(row["choices"]), row["answer"])) for row in rows]
    tokenizer = train_tokenizer([item.prompt + item.answer for item in items] * 5, vocab_size=400)
    for seed, name in enumerate(("target", "reference")):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=2, context=256, seed=seed), tokenizer), folder / name)
    return folder
