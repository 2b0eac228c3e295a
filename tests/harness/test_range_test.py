"""The range test on a table of logits, whose loss is convex and whose response to a learning rate is known."""

import random
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harness.api import LM
from harness.range_test import RATES, reference_lr

WORDS = 12  # 0-5 occur in utility text, 6-11 in unrelated text; 12 is the end token


def texts(first: int, count: int) -> list[str]:
    chance = random.Random(first)
    return [" ".join(str(first + chance.randrange(6)) for _ in range(10)) for _ in range(count)]


UTILITY, UNRELATED = texts(0, 40), texts(6, 120)


class Table(nn.Module):
    """Next-token logits by the half of the vocabulary that the current token is in, or one row for all tokens."""

    device = torch.device("cpu")

    def __init__(self, *, scale: float, shared: bool) -> None:
        super().__init__()
        self.scale, self.shared = scale, shared
        self.logits = nn.Parameter(torch.zeros(3, WORDS + 1))

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        return SimpleNamespace(logits=self.scale * self.logits[input_ids // 6 * (not self.shared)])


class Numbers:
    """A tokenizer whose tokens are the numbers in the text."""

    pad_token_id = eos_token_id = WORDS

    def __call__(self, documents: list[str]) -> dict[str, list[list[int]]]:
        return {"input_ids": [[int(word) for word in document.split()] for document in documents]}


def table(*, scale: float = 1.0, shared: bool = False) -> LM:
    return LM(Table(scale=scale, shared=shared), Numbers())  # type: ignore[arg-type]


def rate(lm: LM, seed: int = 0) -> float:
    return reference_lr(lm, unrelated=UNRELATED, utility=UTILITY, seed=seed)


def test_there_are_eight_log_spaced_candidates() -> None:
    assert [later / earlier for earlier, later in pairwise(RATES)] == pytest.approx([10**0.5] * 7)


def test_where_nothing_is_lost_the_rate_that_learns_best_wins() -> None:
    # 20 updates of 1e-2 lower the loss of 2.6 nats by 0.2; the candidate below lowers it by 0.05, which is 4 % worse.
    assert rate(table()) == pytest.approx(1e-2)


def test_utility_bounds_the_rate_where_all_text_shares_the_weights() -> None:
    # 20 updates of 1e-3 cost 0.02 of 2.6 nats, less than 2 %; those of the next candidate 0.054, more.
    assert rate(table(shared=True)) == pytest.approx(1e-3)


def test_a_rate_that_overshoots_is_passed_over() -> None:
    assert RATES[0] < rate(table(scale=1000.0)) < RATES[-1]


def test_logits_ten_times_as_steep_ask_for_a_tenth_of_the_rate() -> None:
    assert rate(table(scale=10.0, shared=True)) == pytest.approx(rate(table(shared=True)) / 10)


def test_the_weights_come_back_bit_identical() -> None:
    lm = table(shared=True)
    nn.init.normal_(lm.model.logits, generator=torch.Generator().manual_seed(0))
    before = lm.model.logits.detach().clone()
    rate(lm)
    assert torch.equal(lm.model.logits, before)


def test_a_seed_gives_one_answer() -> None:
    lm = table(scale=1000.0)
    assert rate(lm, seed=3) == rate(lm, seed=3)


def test_a_model_that_loses_utility_at_every_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="raises the utility loss"):
        rate(table(scale=1e5, shared=True))


@pytest.mark.parametrize(("unrelated", "utility"), [(UNRELATED[:1], UTILITY), (UNRELATED, [])])
def test_too_few_documents_are_refused(unrelated: list[str], utility: list[str]) -> None:
    with pytest.raises(ValueError, match="needs 2 unrelated and 1 utility"):
        reference_lr(table(), unrelated=unrelated, utility=utility, seed=0)
