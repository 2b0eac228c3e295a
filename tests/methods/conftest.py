"""A tiny random model with a few documents: enough for every formula of a method."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.api import LM, Corpora
from harness.pretrain import tiny_llama, train_tokenizer

FORGET = ("the cat sat on the mat", "a cat", "the mat is red and the cat is old", "old mats")
RETAIN = ("dogs bark at the moon", "a fish swims in the deep sea", "birds fly", "the moon is far")


@pytest.fixture
def corpora() -> Corpora:
    return Corpora(FORGET, RETAIN)


@pytest.fixture
def tiny_lm() -> Callable[[], LM]:
    """Makes a fresh copy of the same random model."""
    tokenizer = train_tokenizer((FORGET + RETAIN) * 5, vocab_size=300)
    return lambda: LM(tiny_llama(tokenizer, width=32, layers=3, context=64, seed=0).double(), tokenizer)
