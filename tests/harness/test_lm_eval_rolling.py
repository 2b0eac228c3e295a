"""Whole documents in windows: against lm-eval's own, and against a sum over tokens by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows
from tokenizers.processors import TemplateProcessing

from harness.api import LM
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.lm_eval_bridge import EngineLM
from harness.lm_eval_bridge.rolling import opening, windows
from harness.pretrain import EOS, tiny_llama, train_tokenizer

WORDS = "the stone lies in the mill by the river"
TEXT = " ".join([WORDS, "and the river knows unremembered stones"] * 4)


def a_tokenizer(*, bos: bool = False) -> Any:
    """Every word of WORDS is a token, others are several; ``bos`` makes it begin each text with one."""
    tokenizer = train_tokenizer([WORDS] * 40, vocab_size=330)
    if bos:
        tokenizer.bos_token = EOS
        begins = TemplateProcessing(single=f"{EOS} $A", special_tokens=[(EOS, tokenizer.eos_token_id)])
        tokenizer.backend_tokenizer.post_processor = begins
    return tokenizer


def a_model(tokenizer: Any, *, context: int) -> LM:
    return LM(tiny_llama(tokenizer, width=32, layers=2, context=context, seed=0).eval(), tokenizer)


def hf(lm: LM, *, max_length: int) -> HFLM:
    return HFLM(pretrained=lm.model, tokenizer=lm.tokenizer, batch_size=4, device="cpu", max_length=max_length)


def ours(lm: LM) -> EngineLM:
    engine = TransformersEngine()
    engine.load(lm)
    return EngineLM(engine)


def asked(*args: str) -> list[Instance]:
    return [Instance("loglikelihood", {}, args, 0, ("own", 0, 1))]


@pytest.mark.parametrize("context", [12, 23])
def test_windows_that_end_between_words_are_lm_evals(context: int) -> None:
    lm = a_model(a_tokenizer(), context=context)
    requests = asked(" ".join([WORDS] * 6))
    theirs = hf(lm, max_length=context - 1).loglikelihood_rolling(requests)
    assert ours(lm).loglikelihood_rolling(requests) == pytest.approx(theirs, abs=1e-4)


def test_windows_have_as_many_tokens_as_lm_evals() -> None:
    tokenizer, text = a_tokenizer(), " ".join([WORDS] * 6)
    theirs = get_rolling_token_windows(tokenizer(text)["input_ids"], tokenizer.eos_token_id, 11, 1)
    assert [window.tokens for window in windows(tokenizer, text, context_length=12)] == [len(b) for _, b in theirs]


@pytest.mark.parametrize("context", [10, 17, 200])
def test_every_token_of_a_document_is_scored_once(context: int) -> None:
    tokenizer = a_tokenizer()
    found = windows(tokenizer, TEXT, context_length=context)
    assert sum(window.tokens for window in found) == len(tokenizer(TEXT)["input_ids"])


def test_the_sum_is_that_of_every_token_given_what_its_window_holds() -> None:
    lm = a_model(a_tokenizer(), context=10)
    ids, at, total = lm.tokenizer(EOS + TEXT)["input_ids"], 1, 0.0
    for window in windows(lm.tokenizer, TEXT, context_length=10):
        end = at + window.tokens
        with torch.no_grad():
            seen = ids[max(0, end - 10) : end]
            logprobs = lm.model(torch.tensor([seen])).logits[0].double().log_softmax(-1)
        total += sum(logprobs[-count - 1, ids[end - count]].item() for count in range(1, window.tokens + 1))
        at = end
    assert ours(lm).loglikelihood_rolling(asked(TEXT)) == pytest.approx([total], abs=1e-4)


def test_an_empty_document_scores_nothing() -> None:
    assert ours(a_model(a_tokenizer(), context=10)).loglikelihood_rolling(asked("")) == [0.0]


@pytest.mark.parametrize("bos", [False, True])
def test_a_continuation_of_nothing_equals_lm_evals_own_model(bos: bool) -> None:
    lm = a_model(a_tokenizer(bos=bos), context=64)
    ((value, greedy),) = ours(lm).loglikelihood(asked("", "the mill"))
    ((theirs, theirs_greedy),) = hf(lm, max_length=64).loglikelihood(asked("", "the mill"))
    assert (math.isclose(value, theirs, abs_tol=1e-5), greedy) == (True, theirs_greedy)


def test_a_tokenizer_that_begins_texts_with_bos_is_left_to_do_so() -> None:
    lm = a_model(a_tokenizer(bos=True), context=64)
    whole = ours(lm).loglikelihood_rolling(asked(WORDS))
    assert whole == pytest.approx([ours(lm).loglikelihood(asked("", WORDS))[0][0]], abs=1e-5)


def test_a_tokenizer_without_bos_and_eos_is_refused_where_there_is_no_context() -> None:
    tokenizer = a_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="neither a BOS nor an EOS token"):
        opening(tokenizer)
