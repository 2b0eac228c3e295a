"""A tiny untrained Llama with a word-level vocabulary: every word of the invented texts is one token."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from harness.api import LM, AttackerData, Item

WORDS = [f"w{number}" for number in range(60)]


@pytest.fixture
def tiny_lm() -> LM:
    """Llama of width 32 with 2 layers and untied head; token i is the i-th word."""
    return make_lm(tied=False)


@pytest.fixture
def tied_lm() -> LM:
    return make_lm(tied=True)


@pytest.fixture
def attacker_data() -> AttackerData:
    """30 forget documents of 6 words (7 tokens with the end token), 10 near, 10 unrelated, 8 + 8 solved questions."""
    return AttackerData(
        forget=[" ".join(WORDS[(start + offset) % 20] for offset in range(6)) for start in range(30)],
        near=[" ".join(WORDS[20 + (start + offset) % 10] for offset in range(6)) for start in range(10)],
        unrelated=[" ".join(WORDS[30 + (start + offset) % 10] for offset in range(6)) for start in range(10)],
        items=[Item(f"ask forget w{number} :", f" w{number + 1}") for number in range(8)],
        utility_items=[Item(f"ask utility w{number} :", f" w{number + 2}") for number in range(40, 48)],
        reference_lr=1e-3,
    )


def make_lm(*, tied: bool) -> LM:
    vocabulary = {
        word: number for number, word in enumerate(["<pad>", "<eos>", "ask", "forget", "utility", ":", *WORDS])
    }
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LM(LlamaForCausalLM(config).eval(), tokenizer)
