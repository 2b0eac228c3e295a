"""The shared gradient loop against naive formulas in float64, hand-worked cases and padding."""

from __future__ import annotations

import itertools
import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness.api import LM
from harness.pretrain import tiny_llama, train_tokenizer
from harness.train import (
    Balanced,
    Batch,
    Sides,
    Term,
    Training,
    assemble,
    batches,
    combined,
    descend,
    descent,
    dot,
    encode,
    forget_preference,
    frozen,
    frozen_copy,
    gradient,
    kl_to,
    mean_nll,
    micro_batches,
    negative_preference,
    norm,
    pad,
    perturbed,
    rate,
    retain_loss,
    rows,
    sequence_nll,
    token_nll,
    total_gradient,
    trainable,
    trained,
)

ROWS = [[5, 9, 3, 7, 1], [8, 2, 1], [4, 4, 6, 1], [11, 12]]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["the cat sat on the mat"] * 5, vocab_size=270)


@pytest.fixture
def model(tokenizer: Any) -> Any:
    return tiny_llama(tokenizer, width=32, layers=2, context=32, seed=0).double()


class Fixed(nn.Module):
    """A model that answers every input with the same logits."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([logits], dtype=torch.float64))

    def forward(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits.expand(len(input_ids), -1, -1))


def widened(batch: Batch, extra: int) -> Batch:
    """The batch with more padding on the right."""
    grow = lambda part, value: nn.functional.pad(part, (0, extra), value=value)  # noqa: E731
    return Batch(grow(batch.input_ids, 3), grow(batch.attention_mask, 0), grow(batch.labels, -100), batch.index)


def naive_nll(model: Any, row: list[int]) -> list[float]:
    log_p = model(torch.tensor([row])).logits[0].log_softmax(-1)
    return [-log_p[t, row[t + 1]].item() for t in range(len(row) - 1)]


def log_likelihood(model: Any, row: list[int]) -> Tensor:
    log_p = model(torch.tensor([row])).logits[0].log_softmax(-1)
    return log_p[range(len(row) - 1), row[1:]].sum()


def test_a_document_ends_with_eos(tokenizer: Any) -> None:
    assert encode(tokenizer, ["the mat"], max_tokens=32)[0][-1] == tokenizer.eos_token_id


def test_a_document_without_a_token_to_predict_is_named(tokenizer: Any) -> None:
    with pytest.raises(ValueError, match=r"Document 2 of 2, .., has no token to predict\. Leave it out"):
        encode(tokenizer, ["the mat", ""], max_tokens=32)


def test_a_document_that_was_cut_has_no_eos(tokenizer: Any) -> None:
    (row,) = encode(tokenizer, ["the cat sat on the mat"], max_tokens=3)
    assert row == encode(tokenizer, ["the cat sat on the mat"], max_tokens=32)[0][:3]


def test_batches_are_full_and_each_pass_sees_every_row_once() -> None:
    drawn = itertools.islice(batches(ROWS, size=3, pad_id=0, seed=1), 4)
    seen = [int(i) for batch in drawn for i in batch.index]
    assert [sorted(seen[start : start + 4]) for start in (0, 4, 8)] == [[0, 1, 2, 3]] * 3


def test_batches_repeat_under_a_seed_and_differ_between_seeds() -> None:
    first, again, other = (
        torch.cat([batch.index for batch in itertools.islice(batches(ROWS, size=4, pad_id=0, seed=seed), 6)])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        next(batches([], size=1, pad_id=0, seed=0))


def test_padding_is_never_a_target() -> None:
    batch = pad(ROWS, pad_id=0)
    assert torch.equal(batch.labels == -100, batch.attention_mask == 0)


def test_micro_batches_hold_rows_of_like_length_without_spare_padding() -> None:
    pieces = micro_batches(pad(ROWS, pad_id=0, index=range(4)), 2)
    assert [tuple(piece.input_ids.shape) for piece in pieces] == [(2, 5), (2, 3)]
    assert [piece.index.tolist() for piece in pieces] == [[0, 2], [1, 3]]


def test_token_nll_equals_the_naive_loop(model: Any) -> None:
    nll, mask = token_nll(model, pad(ROWS, pad_id=0))
    expected = [value for row in ROWS for value in naive_nll(model, row)]
    torch.testing.assert_close(nll[mask], torch.tensor(expected, dtype=torch.float64))


def test_mean_nll_runs_over_tokens_not_rows(model: Any) -> None:
    expected = [value for row in ROWS for value in naive_nll(model, row)]
    assert mean_nll(model, pad(ROWS, pad_id=0)).item() == pytest.approx(sum(expected) / len(expected), abs=1e-12)


def test_sequence_nll_is_a_sum_or_a_mean_of_each_row(model: Any) -> None:
    expected = [naive_nll(model, row) for row in ROWS]
    total = sequence_nll(model, pad(ROWS, pad_id=0))
    per_token = sequence_nll(model, pad(ROWS, pad_id=0), per_token=True)
    assert total.tolist() == pytest.approx([sum(row) for row in expected])
    assert per_token.tolist() == pytest.approx([sum(row) / len(row) for row in expected])


def test_nll_of_three_tokens_by_hand() -> None:
    # Row 0,1,0. Position 0 gives token 1 odds 3:1, so p = 3/4; position 1 gives token 0 odds 1:1, so p = 1/2.
    model: Any = Fixed([[0.0, math.log(3)], [0.0, 0.0], [9.0, 0.0]])
    nll, _ = token_nll(model, pad([[0, 1, 0]], pad_id=0))
    assert nll[0].tolist() == pytest.approx([math.log(4 / 3), math.log(2)])


def test_kl_of_three_tokens_by_hand() -> None:
    # KL(1/2,1/2 || 3/4,1/4) at position 0, equal distributions at position 1: the mean is half of the first.
    model: Any = Fixed([[math.log(3), 0.0], [1.0, 1.0], [5.0, 0.0]])
    reference: Any = Fixed([[0.0, 0.0], [2.0, 2.0], [0.0, 7.0]])
    expected = 0.5 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))
    assert kl_to(model, frozen(reference), pad([[0, 1, 0]], pad_id=0)).item() == pytest.approx(expected)


def test_gradient_of_kl_is_the_difference_of_probabilities() -> None:
    model: Any = Fixed([[math.log(3), 0.0], [1.0, 1.0], [5.0, 0.0]])
    reference: Any = Fixed([[0.0, 0.0], [2.0, 2.0], [0.0, 7.0]])
    (found,) = torch.autograd.grad(kl_to(model, frozen(reference), pad([[0, 1, 0]], pad_id=0)), model.logits)
    expected = (model.logits.softmax(-1) - reference.logits.softmax(-1)) / 2  # two target positions
    torch.testing.assert_close(found[0, :2], expected[0, :2].detach())


def test_kl_equals_the_naive_loop(model: Any, tokenizer: Any) -> None:
    reference: Any = tiny_llama(tokenizer, width=32, layers=2, context=32, seed=1).double()
    log_p, log_q = (
        torch.cat([m(torch.tensor([row])).logits[0, :-1].log_softmax(-1) for row in ROWS]) for m in (model, reference)
    )
    expected = (log_q.exp() * (log_q - log_p)).sum() / len(log_p)
    torch.testing.assert_close(kl_to(model, frozen(reference), pad(ROWS, pad_id=0)), expected)


def test_kl_to_the_same_weights_has_no_gradient(model: Any) -> None:
    kept = retain_loss(model, "kl")
    found = gradient(trainable(model), kept, [pad(ROWS, pad_id=0)])
    assert norm(found) < 1e-6


@pytest.mark.parametrize("name", ["mean_nll", "kl", "preference"])
def test_padding_does_not_move_a_loss(model: Any, name: str) -> None:
    reference = frozen(frozen_copy(model).apply(lambda part: [w.mul_(1.1) for w in part.parameters(recurse=False)]))
    losses = {
        "mean_nll": lambda batch: mean_nll(model, batch),
        "kl": lambda batch: kl_to(model, reference, batch),
        "preference": forget_preference(model, ROWS, pad_id=0, beta=0.1, per_token=False),
    }
    batch = pad(ROWS, pad_id=0, index=range(4))
    torch.testing.assert_close(losses[name](batch), losses[name](widened(batch, 7)))


def test_preference_by_hand() -> None:
    # beta 1, nll 2 against 2 - ln 3: the sigmoid of ln 3 is 3/4.
    found = negative_preference(torch.tensor([2.0]), torch.tensor([2 - math.log(3)]), beta=1.0)
    assert found.item() == pytest.approx(-2 * math.log(0.75))


@pytest.mark.parametrize("per_token", [False, True])
def test_preference_starts_at_two_over_beta_log_two(model: Any, per_token: bool) -> None:
    loss = forget_preference(model, ROWS, pad_id=0, beta=0.1, per_token=per_token)
    assert loss(pad(ROWS, pad_id=0, index=range(4))).item() == pytest.approx(20 * math.log(2))


@pytest.mark.parametrize("beta", [0.1, 5.0])
def test_preference_starts_with_the_gradient_of_ascent(beta: float) -> None:
    nll = torch.tensor([2.0, 7.0], requires_grad=True)
    negative_preference(nll, nll.detach(), beta=beta).sum().backward()
    assert nll.grad is not None
    assert nll.grad.tolist() == pytest.approx([-1.0, -1.0])


def test_preference_tends_to_ascent_as_beta_falls_to_zero() -> None:
    nll = torch.tensor([2.0, 7.0], requires_grad=True, dtype=torch.float64)
    negative_preference(nll, torch.tensor([1.0, 9.0], dtype=torch.float64), beta=1e-6).sum().backward()
    assert nll.grad is not None
    assert nll.grad.tolist() == pytest.approx([-1.0, -1.0], abs=1e-5)


def test_preference_weighs_by_two_p_over_p_plus_p0() -> None:
    nll, before, beta = torch.tensor([2.5], requires_grad=True), torch.tensor([2.0]), 0.7
    negative_preference(nll, before, beta=beta).backward()
    p, p0 = math.exp(-beta * 2.5), math.exp(-beta * 2.0)
    assert nll.grad is not None
    assert nll.grad.item() == pytest.approx(-2 * p / (p + p0))


def test_preference_keeps_the_reference_values_of_the_first_weights(model: Any) -> None:
    loss = forget_preference(model, ROWS, pad_id=0, beta=0.1, per_token=False)
    before = torch.tensor([sum(naive_nll(model, row)) for row in ROWS[2:]], dtype=torch.float64)
    with torch.no_grad():
        model.lm_head.weight.mul_(1.5)
    after = torch.tensor([sum(naive_nll(model, row)) for row in ROWS[2:]], dtype=torch.float64)
    expected = (-20 * torch.sigmoid(0.1 * (after - before)).log()).mean()
    torch.testing.assert_close(loss(pad(ROWS[2:], pad_id=0, index=[2, 3])), expected)


@pytest.mark.parametrize("parts", [2, 4])
def test_a_gradient_does_not_depend_on_the_cut_into_micro_batches(model: Any, parts: int) -> None:
    params, batch = trainable(model), pad(ROWS, pad_id=0)
    whole, cut = (gradient(params, lambda b: mean_nll(model, b), micro_batches(batch, n)) for n in (1, parts))
    torch.testing.assert_close(cut, whole)


def two_terms(model: Any, parts: tuple[int, int]) -> list[Term]:
    """A loss over tokens and one over rows, of other documents, each cut as one likes."""
    disliked = forget_preference(model, ROWS, pad_id=0, beta=0.1, per_token=False)
    known, other = pad(ROWS, pad_id=0, index=range(4)), pad([[9, 9, 2], [3], [7, 5, 5, 5, 1]], pad_id=0)
    return [
        Term(disliked, micro_batches(known, parts[0]), 0.3, rows),
        Term(lambda batch: mean_nll(model, batch), micro_batches(other, parts[1]), 2.0),
    ]


@pytest.mark.parametrize("parts", [(1, 1), (4, 1), (1, 4), (4, 4)])
def test_a_total_gradient_is_that_of_the_weighted_sum_however_each_batch_is_cut(
    model: Any, parts: tuple[int, int]
) -> None:
    params = trainable(model)
    ascent = torch.cat([torch.stack([log_likelihood(model, row)]) for row in ROWS]).mean()  # NPO's first gradient
    kept = -(log_likelihood(model, [9, 9, 2]) + log_likelihood(model, [7, 5, 5, 5, 1])) / 6
    expected = torch.autograd.grad(0.3 * ascent + 2.0 * kept, params)
    torch.testing.assert_close(total_gradient(params, *two_terms(model, parts)), list(expected))


@pytest.mark.parametrize("parts", [1, 4])
def test_an_assembled_gradient_is_that_of_the_weighted_sum_however_batches_are_cut(model: Any, parts: int) -> None:
    params, (forget, retain), seen = trainable(model), two_terms(model, (parts, parts)), list[Tensor]()
    expected = total_gradient(params, *two_terms(model, (1, 1)))
    how = Balanced(lr=1e-9, steps=1, retain_weight=2.0)
    pieces = Sides(ROWS, ROWS, iter([list(forget.batches)]), iter([list(retain.batches)]))
    hook = register_optimizer_step_pre_hook(lambda *_: seen.extend(param.grad for param in params))
    assemble(params, pieces, how, forget=lambda _: total_gradient(params, forget), retain=retain.loss)
    hook.remove()
    torch.testing.assert_close(seen, [part * min(1, 1 / norm(expected)) for part in expected], rtol=1e-5, atol=1e-9)


def test_a_gradient_of_a_mean_over_rows_is_weighted_by_rows(model: Any) -> None:
    params, batch = trainable(model), pad(ROWS, pad_id=0, index=range(4))
    loss = forget_preference(model, ROWS, pad_id=0, beta=0.1, per_token=False)
    whole, cut = (gradient(params, loss, micro_batches(batch, n), weight=rows) for n in (1, 3))
    torch.testing.assert_close(cut, whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_perturbed_weights_come_back_bit_for_bit(dtype: torch.dtype) -> None:
    noise = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(1000, generator=noise).to(dtype))
    saved = weight.detach().clone()
    with perturbed([weight], [torch.randn(1000, generator=noise).to(dtype)]):
        assert not torch.equal(weight, saved)
    assert torch.equal(weight.detach().view(torch.uint8), saved.view(torch.uint8))


def test_perturbed_weights_come_back_after_an_error() -> None:
    weight = nn.Parameter(torch.ones(3))
    with pytest.raises(KeyError), perturbed([weight], [torch.ones(3)]):
        raise KeyError
    assert weight.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("size", "share"), [(1e-4, 0.0), (1.0, 1.0)])
def test_under_autocast_the_share_of_weights_that_passes_see_moved_is_told(
    size: float, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    weight = torch.ones(8)
    with caplog.at_level(logging.INFO), torch.autocast("cpu", torch.bfloat16), perturbed([weight], [size * weight]):
        assert weight[0].item() == pytest.approx(1 + size)
    assert [record.args for record in caplog.records] == [(share,)]


def test_of_weights_in_32_bits_no_share_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), perturbed([torch.ones(8)], [torch.ones(8)]):
        assert not caplog.records


@pytest.mark.parametrize("only", [None, ["model.layers.1.mlp.down_proj"]])
def test_a_model_answers_after_training_adapters_as_with_them(model: Any, tokenizer: Any, only: Any) -> None:
    ids, lm = torch.tensor([ROWS[0]]), LM(model, tokenizer)
    before = model(ids).logits
    with trained(lm, Training(lora_rank=2, lora_alpha=3), seed=0, only=only) as params:
        for param in params:
            param.data += 0.3
        inside = model(ids).logits
    torch.testing.assert_close(model(ids).logits, inside, rtol=0, atol=1e-5)
    assert (inside - before).abs().max() > 0.1


def test_vectors_add_and_multiply_as_one_long_vector() -> None:
    left, right = [torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])], [torch.tensor([1.0]), torch.tensor([[2.0, 0.5]])]
    assert norm(left) == 5
    assert dot(left, right) == 5
    assert [part.flatten().tolist() for part in combined((2, left), (-1, right))] == [[5], [-2, 7.5]]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_the_rate_follows_its_schedule(schedule: Any, expected: list[float]) -> None:
    rates = [rate(step, steps=6, warmup=2, schedule=schedule) for step in range(6)]
    assert rates == pytest.approx(expected, abs=1e-6)


def test_the_first_update_of_adamw_has_the_size_of_the_rate() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    descend([weight], lambda step: [torch.tensor([0.3, -0.2])], steps=1, lr=0.1)
    assert weight.tolist() == pytest.approx([0.9, 1.1])


def test_descent_yields_after_each_update() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    seen = [(k, weight.item()) for k in descent([weight], lambda step: [torch.ones(1)], steps=3, lr=1.0)]
    assert seen == [(1, pytest.approx(-1)), (2, pytest.approx(-2)), (3, pytest.approx(-3))]


def test_descent_follows_a_gradient_of_clipped_length() -> None:
    lengths = []
    weight = nn.Parameter(torch.tensor([0.0, 0.0]))
    step_hook = register_optimizer_step_pre_hook(lambda *_: lengths.append(weight.grad.norm()))
    descend([weight], lambda step: [torch.tensor([3.0, 4.0])], steps=1, lr=0.1, clip=0.5)
    step_hook.remove()
    assert lengths[0].item() == pytest.approx(0.5)


def test_descent_leaves_no_gradients_behind() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    descend([weight], lambda step: [torch.ones(1)], steps=2, lr=0.1)
    assert weight.grad is None
