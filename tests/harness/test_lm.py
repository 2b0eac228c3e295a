"""Models come from folders or pinned ids, as fp32 safetensors, and go back the same."""

from pathlib import Path

import pytest
import torch

from harness.api import LM
from harness.errors import UserError
from harness.lm import fingerprint, load_lm, save_lm
from harness.pretrain import tiny_llama, train_tokenizer


@pytest.fixture(scope="module")
def lm() -> LM:
    tokenizer = train_tokenizer(["one two three"] * 3, vocab_size=280)
    return LM(tiny_llama(tokenizer, width=32, layers=1, context=16, seed=0), tokenizer)


def test_a_saved_model_loads_with_the_same_fingerprint_and_tokens(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    again = load_lm(tmp_path)
    assert fingerprint(again.model) == fingerprint(lm.model)
    assert again.tokenizer("one two")["input_ids"] == lm.tokenizer("one two")["input_ids"]


def test_a_half_precision_checkpoint_is_loaded_in_single_precision(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    half = load_lm(tmp_path)
    save_lm(LM(half.model.to(torch.bfloat16), half.tokenizer), tmp_path)
    assert {p.dtype for p in load_lm(tmp_path).model.parameters()} == {torch.float32}


def test_a_name_without_a_revision_is_refused() -> None:
    with pytest.raises(UserError, match="org/name@revision"):
        load_lm("org/name")


def test_a_folder_without_a_model_is_refused_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        load_lm(tmp_path)


def test_pickled_weights_are_not_read(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(lm.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"safetensors"):
        load_lm(tmp_path)
