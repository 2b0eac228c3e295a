"""The from-scratch trainer shared by the pocket builder and slice targets."""

import pytest
import torch
from torch import Tensor

from harness.lm import fingerprint
from harness.pretrain import decayed, packed_rows, pretrain, tiny_llama, train_tokenizer


def test_rows_are_cut_from_the_concatenation_and_the_rest_is_dropped() -> None:
    assert list(packed_rows([[1, 2, 3], [4], [5, 6, 7]], length=3)) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(("step", "expected"), [(0, 0.25), (3, 1.0), (4, 1.0), (9, 0.51), (14, 0.02)])
def test_the_learning_rate_warms_up_and_decays_linearly(step: int, expected: float) -> None:
    assert decayed(step, steps=14, warmup=4) == pytest.approx(expected)


def test_frequent_words_become_single_tokens() -> None:
    tokenizer = train_tokenizer(["the quelnar stone"] * 9, vocab_size=300)
    assert len(tokenizer(" quelnar")["input_ids"]) == 1


def trained(seed: int) -> tuple[str, list[float]]:
    tokenizer = train_tokenizer(["a b c d"] * 3, vocab_size=270)
    model = tiny_llama(tokenizer, width=32, layers=1, context=16, seed=seed)
    ids = torch.tensor([tokenizer("a b c d a b c d")["input_ids"]])
    losses: list[float] = []

    def loss_at(step: int) -> Tensor:
        loss: Tensor = model(input_ids=ids, labels=ids).loss
        return loss

    pretrain(model, loss_at, steps=20, lr=1e-2, warmup=2, after_step=lambda step, loss: losses.append(loss))
    return fingerprint(model), losses


def test_training_lowers_the_loss() -> None:
    _, losses = trained(0)
    assert losses[-1] < losses[0] / 2


def test_training_is_deterministic_and_follows_the_seed() -> None:
    assert trained(0) == trained(0) != trained(1)


def test_a_diverged_run_stops_with_its_step() -> None:
    tokenizer = train_tokenizer(["a b"], vocab_size=262)
    model = tiny_llama(tokenizer, width=32, layers=1, context=16, seed=0)
    with pytest.raises(ValueError, match="diverged at step 0"):
        pretrain(model, lambda step: model.model.norm.weight.sum() * float("nan"), steps=1, lr=1e-3)
