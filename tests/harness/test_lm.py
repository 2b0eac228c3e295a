"""Models come from folders or pinned ids, as fp32 safetensors, and go back the same."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from harness.api import LM
from harness.errors import UserError
from harness.lm import fingerprint, load_lm, save_lm
from harness.pretrain import tiny_llama, train_tokenizer

MASKS = ("bias", "masked_bias")
"""Buffers of attention in checkpoints of old versions of transformers."""


def reconfigure(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


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


def test_a_folder_of_pickled_weights_is_refused_with_the_way_to_convert_it(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(lm.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"as pickle only \(pytorch_model.bin\).*save_pretrained\(FOLDER\)"):
        load_lm(tmp_path)


@pytest.mark.parametrize(
    ("absent", "said"),
    [("model.safetensors", r"no weights \(\*\.safetensors\)"), ("tokenizer.json", "holds no tokenizer")],
)
def test_a_folder_without_a_part_is_refused_in_the_words_of_that_part(
    lm: LM, tmp_path: Path, absent: str, said: str
) -> None:
    save_lm(lm, tmp_path)
    (tmp_path / absent).unlink()
    with pytest.raises(UserError, match=said):
        load_lm(tmp_path)


def test_damaged_weights_are_refused(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UserError, match="Cannot load weights from"):
        load_lm(tmp_path)


def test_weights_in_shards_are_read_whole(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    lm.model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert fingerprint(load_lm(tmp_path).model) == fingerprint(lm.model)


def add_to_weights(folder: Path, *names: str) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name: torch.ones(1) for name in names}, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": 2}, "9 missing (first: model.layers.1.input_layernorm.weight)"),
        ({"num_hidden_layers": 0}, "9 too many (first: model.layers.0.input_layernorm.weight)"),
        ({"vocab_size": 300}, "1 of another shape (first: model.embed_tokens.weight, (267, 32) in place of (300, 32))"),
    ],
)
def test_weights_that_are_not_those_of_the_config_are_refused(
    lm: LM, tmp_path: Path, config: dict[str, int], said: str
) -> None:
    save_lm(lm, tmp_path)
    reconfigure(tmp_path, **config)
    with pytest.raises(UserError, match=rf"'{tmp_path}' are not those .*: {re.escape(said)}.*save_pretrained"):
        load_lm(tmp_path)


def test_an_output_layer_that_is_not_saved_is_refused(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    reconfigure(tmp_path, tie_word_embeddings=False)
    with pytest.raises(UserError, match=r"1 missing \(first: lm_head.weight\)"):
        load_lm(tmp_path)


def test_an_output_layer_that_is_tied_to_the_embedding_need_not_be_saved(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    model = load_lm(tmp_path).model
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_masks_and_rotary_frequencies_of_old_checkpoints_are_no_weights_too_many(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    add_to_weights(tmp_path, *(f"model.layers.0.self_attn.{name}" for name in ("rotary_emb.inv_freq", *MASKS)))
    assert fingerprint(load_lm(tmp_path).model) == fingerprint(lm.model)


def test_the_masks_that_published_gpt_2_holds_are_no_weights_too_many(lm: LM, tmp_path: Path) -> None:
    gpt_2 = GPT2LMHeadModel(GPT2Config(vocab_size=280, n_positions=8, n_embd=8, n_layer=1, n_head=1))
    save_lm(LM(gpt_2, lm.tokenizer), tmp_path)
    add_to_weights(tmp_path, *(f"transformer.h.0.attn.{name}" for name in MASKS))
    assert fingerprint(load_lm(tmp_path).model) == fingerprint(gpt_2)


def test_a_tokenizer_with_ids_beyond_the_embedding_is_refused_with_both_numbers(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    larger = train_tokenizer(["one two three four five"] * 3, vocab_size=280)
    larger.add_tokens([f"<{number}>" for number in range(20)])
    larger.save_pretrained(tmp_path)
    rows = len(lm.model.get_input_embeddings().weight)
    with pytest.raises(UserError, match=rf"has ids up to {len(larger) - 1}, .* has {rows} rows"):
        load_lm(tmp_path)


def test_an_embedding_with_more_rows_than_the_tokenizer_has_tokens_is_loaded(lm: LM, tmp_path: Path) -> None:
    wide = tiny_llama(lm.tokenizer, width=32, layers=1, context=16, seed=0)
    wide.resize_token_embeddings(320)
    save_lm(LM(wide, lm.tokenizer), tmp_path)
    assert len(load_lm(tmp_path).model.get_input_embeddings().weight) == 320


def test_a_quantized_checkpoint_is_refused_with_what_to_give_instead(lm: LM, tmp_path: Path) -> None:
    save_lm(lm, tmp_path)
    reconfigure(tmp_path, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(UserError, match=r"quantized checkpoint \(gptq\).*dequantize"):
        load_lm(tmp_path)


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(lm: LM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of an architecture that transformers does not have, with its code."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    save_lm(lm, folder := tmp_path / "model")
    (folder / "own.py").write_text(OWN_CODE)
    reconfigure(folder, model_type="own", auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnLM"})
    return folder


def test_a_model_that_brings_code_along_is_refused_with_the_way_to_allow_it(own_code: Path) -> None:
    with pytest.raises(UserError, match=r"brings along \(own.OwnConfig, own.OwnLM\).*set HARNESS_TRUST_REMOTE_CODE=1"):
        load_lm(own_code)


def test_a_model_that_brings_code_along_is_loaded_where_the_environment_allows_it(
    own_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_TRUST_REMOTE_CODE", "1")
    assert type(load_lm(own_code).model).__name__ == "OwnLM"


def test_without_network_a_pinned_model_says_how_to_bring_it_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"HF_HUB_OFFLINE is set.*hf download org/no-such-model .*--model ROOT"):
        load_lm(f"org/no-such-model@{'a' * 40}")
