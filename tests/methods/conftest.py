"""A tiny random model with a few documents: enough for every formula of a method."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from harness.api import LM, Corpora, Item, Personas
from harness.pretrain import tiny_llama, train_tokenizer

FORGET = ("the cat sat on the mat", "a cat", "the mat is red and the cat is old", "old mats")
RETAIN = ("dogs bark at the moon", "a fish swims in the deep sea", "birds fly", "the moon is far")
AUXILIARY = ("rain fell all day", "the wind turned north", "snow came late", "hail and frost")

FORGET_PAIRS = (
    Item("where sat the cat?", " on the mat"),
    Item("where sat the old cat?", " the red mat"),
    Item("the mat is", " red"),
    Item("the cat is", " old"),
)
PERSONAS = Personas("the cat sat on", "dogs")
RETAIN_PAIRS = (
    Item("dogs bark at", " the moon"),
    Item("a fish swims in", " the deep sea"),
    Item("birds", " fly"),
    Item("the moon is", " far"),
)


@pytest.fixture
def corpora() -> Corpora:
    return Corpora(
        FORGET, RETAIN, forget_pairs=FORGET_PAIRS, retain_pairs=RETAIN_PAIRS, auxiliary=AUXILIARY, personas=PERSONAS
    )


@pytest.fixture
def tiny_lm() -> Callable[[], LM]:
    """Makes a fresh copy of the same random model."""
    tokenizer = train_tokenizer((FORGET + RETAIN) * 5, vocab_size=300)
    return lambda: LM(in_double(tiny_llama(tokenizer, width=32, layers=3, context=64, seed=0)), tokenizer)


def in_double(model: PreTrainedModel) -> PreTrainedModel:
    """The same model in float64 throughout: its own norms would round to fp32, too coarse to take differences of."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LlamaRMSNorm):
            norm = nn.RMSNorm(len(module.weight), eps=module.variance_epsilon)
            norm.weight = module.weight
            model.set_submodule(name, norm)
    return model.double()
