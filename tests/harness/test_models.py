"""What a model is and where it comes from, before its weights are loaded."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from transformers import GPTNeoXConfig, LlamaConfig, __version__

from harness.errors import UserError
from harness.models import (
    ModelFacts,
    content_of,
    facts_of,
    notice_of,
    resolved,
    scale_of,
    source_of,
    tokenizer_of,
)
from harness.presets import LLAMA_2, PRESETS, REVISIONS, Preset

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OURS = {"known": Preset("org/lm", COMMIT, "made up")}
WEIGHTS = ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.json")


def facts(parameters: int) -> ModelFacts:
    return ModelFacts("LlamaForCausalLM", parameters, context=2048, vocabulary=32_000)


def folder_of(root: Path, *names: str) -> str:
    for name in names:
        (root / name).write_text('{"model_type": "llama"}' if name == "config.json" else name)
    return str(root)


def test_a_preset_is_its_repository_at_its_commit() -> None:
    assert resolved("known", OURS) == f"org/lm@{COMMIT}"


def test_a_folder_goes_before_a_preset_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "known").mkdir()
    assert resolved("known", OURS) == "known"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("knwon", "Did you mean 'known'"),
        ("org/lm", "org/name@revision"),
        ("no/such/folder", "neither an existing folder"),
        ("org/lm@main", "'main' is not a commit"),
        (f"org/lm@{COMMIT[:8]}", "40 hexadecimal digits"),
    ],
)
def test_what_is_no_source_is_refused_with_what_to_give(typed: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        resolved(typed, OURS)


def test_every_published_model_and_data_set_is_pinned_to_a_whole_commit() -> None:
    pinned = [f"{preset.repo}@{preset.revision}" for preset in PRESETS.values()]
    assert all(source_of(source) for source in [*pinned, *(f"{name}@{commit}" for name, commit in REVISIONS.items())])


def test_the_models_of_muse_take_the_tokenizer_of_llama_2() -> None:
    assert tokenizer_of(resolved("muse-news-target")) == LLAMA_2
    assert tokenizer_of(resolved("zephyr-7b-beta")) == resolved("zephyr-7b-beta")


def test_facts_come_from_a_config_without_weights(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=50, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    ).save_pretrained(tmp_path)
    # by hand: embedding and output 2*50*8, attention 4*8*8, feed-forward 3*8*16, three norms of 8
    assert facts_of(str(tmp_path)) == ModelFacts("LlamaForCausalLM", 800 + 256 + 384 + 24, 2048, 50)


def test_tied_embeddings_are_counted_once(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=50,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=True,
    ).save_pretrained(tmp_path)
    assert facts_of(str(tmp_path)).parameters == 400 + 256 + 384 + 24


def test_a_model_of_seven_billion_parameters_is_counted_without_its_memory(tmp_path: Path) -> None:
    LlamaConfig().save_pretrained(tmp_path)  # the defaults of the class are those of Llama-2-7B
    assert facts_of(str(tmp_path)).parameters == 6_738_415_616


def test_another_architecture_is_named(tmp_path: Path) -> None:
    GPTNeoXConfig(
        vocab_size=50, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    ).save_pretrained(tmp_path)
    assert facts_of(str(tmp_path)).architecture == "GPTNeoXForCausalLM"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "is not a valid JSON file"),
        ("[]", "Cannot read what model"),
        ("{}", "has no model_type in its config.json"),
        ('{"model_type": ["llama"]}', "is of model_type '['llama']'"),
        ('{"model_type": "unheard-of", "auto_map": []}', "is of model_type 'unheard-of'"),
        ('{"model_type": "llama", "hidden_size": "abc"}', "Cannot read what model"),
        ('{"model_type": "llama", "num_attention_heads": 0}', "ZeroDivisionError"),
        ('{"model_type": "llama", "hidden_act": "unheard-of"}', "unheard-of"),
        ('{"model_type": "llama", "vocab_size": -5}', "Cannot build model"),
        ('{"model_type": "unheard-of"}', f"is of model_type 'unheard-of', which transformers {__version__} does not"),
        ('{"model_type": "t5"}', "is of model_type 't5', which is no causal language model"),
    ],
)
def test_a_config_that_is_none_of_a_causal_model_is_refused_in_few_words(
    tmp_path: Path, config: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match=re.escape(said)) as refusal:
        facts_of(str(tmp_path))
    assert len(str(refusal.value).replace(str(tmp_path), "")) < 280


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no config\.json"):
        facts_of(str(tmp_path))


@pytest.mark.parametrize("read", [facts_of, lambda source: content_of(source, "reference")])
def test_a_quantized_checkpoint_is_refused_before_it_is_loaded(tmp_path: Path, read: Callable[[str], object]) -> None:
    folder = folder_of(tmp_path, *WEIGHTS)
    config = {"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"quantized checkpoint \(gptq\).*dequantize"):
        read(folder)


def test_a_model_without_a_known_context_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba", "num_hidden_layers": 1}))
    with pytest.raises(UserError, match="max_position_embeddings"):
        facts_of(str(tmp_path))


def test_a_folder_is_identified_by_config_every_shard_and_tokenizer(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *WEIGHTS, "README.md", "optimizer.pt")
    assert sorted(content_of(folder, "target")) == [f"target/{name}" for name in WEIGHTS]


def test_a_changed_shard_changes_the_identity_of_a_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *WEIGHTS)
    before = content_of(folder, "target")
    (tmp_path / WEIGHTS[1]).write_text("trained on")
    after = content_of(folder, "target")
    assert [key for key in after if after[key] != before[key]] == [f"target/{WEIGHTS[1]}"]


SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def test_a_folder_is_identified_by_the_settings_of_its_tokenizer_too(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *WEIGHTS, *SETTINGS)
    assert sorted(content_of(folder, "target")) == sorted(f"target/{name}" for name in (*WEIGHTS, *SETTINGS))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_of_the_tokenizer_changes_the_identity_of_a_folder(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, *WEIGHTS, *SETTINGS)
    before = content_of(folder, "target")
    (tmp_path / name).write_text("another first token")
    after = content_of(folder, "target")
    assert [key for key in after if after[key] != before[key]] == [f"target/{name}"]


def test_an_id_is_identified_by_itself_and_its_tokenizers() -> None:
    source = resolved("muse-books-target")
    assert content_of(source, "target") == {"target": source, "target/tokenizer": LLAMA_2}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (WEIGHTS[1:], r"holds no config\.json"),
        (WEIGHTS[:-1], r"holds no tokenizer \(tokenizer\.json or tokenizer\.model\)"),
        (("config.json", "tokenizer.json"), r"holds no weights \(\*\.safetensors\)"),
        (("config.json", "tokenizer.json", "pytorch_model.bin"), r"as pickle only.*convert it once"),
    ],
)
def test_a_folder_that_cannot_be_loaded_has_no_identity(tmp_path: Path, there: Sequence[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        content_of(folder_of(tmp_path, *there), "target")


def copy_of_muse(root: Path, *names: str) -> str:
    folder = root / PRESETS["muse-books-target"].repo
    folder.mkdir(parents=True)
    return folder_of(folder, *names)


def test_a_copy_without_tokenizer_is_identified_by_the_one_that_its_preset_names(tmp_path: Path) -> None:
    content = content_of(copy_of_muse(tmp_path, *WEIGHTS[:-1]), "target")
    assert content["target/tokenizer"] == LLAMA_2


def test_a_copy_without_tokenizer_is_identified_by_the_copy_of_the_one_that_its_preset_names(tmp_path: Path) -> None:
    (tokenizer := tmp_path / LLAMA_2.partition("@")[0]).mkdir(parents=True)
    folder_of(tokenizer, "tokenizer.model", "tokenizer_config.json", "config.json")
    content = content_of(copy_of_muse(tmp_path, *WEIGHTS[:-1]), "target")
    assert [*content][-2:] == ["target/tokenizer.model", "target/tokenizer_config.json"]


@pytest.mark.parametrize(("parameters", "scale"), [(999_999_999, "slice"), (1_000_000_000, "full")])
def test_a_billion_parameters_make_full_scale(parameters: int, scale: str) -> None:
    assert scale_of(facts(parameters)) == scale


def test_only_a_model_below_full_scale_carries_a_notice() -> None:
    assert "4.9 million parameters" in notice_of(facts(4_900_000))
    assert notice_of(facts(7_000_000_000)) == ""
