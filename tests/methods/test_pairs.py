"""Losses on answers alone, the walk back along a task vector, the model of two networks, and the sham control."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.api import LM, Corpora, Item
from harness.components import build
from harness.cost import decoder_layers
from harness.lm import fingerprint, load_lm, save_lm
from harness.train import (
    Batch,
    Solved,
    answered,
    encode_pairs,
    gradient,
    mean_nll,
    norm,
    pad_pairs,
    pair_nll,
    pair_stream,
    scaled,
    sequence_nll,
    target_tokens,
    trainable,
)
from methods.dpo import DPO, alternatives, preference
from methods.idk import IDK, preservation
from methods.sham import Sham
from methods.task_vector import TaskVector, negated
from methods.whp import WHP, ContrastedConfig, ContrastedLM, suppressed
from tests.methods.cases_pairs import PAIRS, SHORT, answer_nll, mean_over_answers

Maker = Callable[[], LM]
ITEMS = (Item("the cat", " sat"), Item("dogs bark at", " the moon"))


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


def solved(lm: LM, items: tuple[Item, ...] = ITEMS) -> list[Solved]:
    return encode_pairs(lm.tokenizer, items, max_tokens=64)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])


def untrained(make: Maker, alpha: float) -> LM:
    """A pair of two different random networks."""
    lm = make()
    pair = ContrastedLM.around(lm.model, alpha=alpha)
    for weight in pair.reinforced.parameters():
        weight.data.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)).to(weight), alpha=0.05)
    return LM(pair, lm.tokenizer)


# Solved questions as rows


def test_a_row_is_question_and_answer_as_one_text_and_eos(tiny_lm: Maker) -> None:
    tokenizer = tiny_lm().tokenizer
    (row,) = encode_pairs(tokenizer, ITEMS[:1], max_tokens=64)
    assert row.ids == [*tokenizer("the cat sat")["input_ids"], tokenizer.eos_token_id]
    assert row.answer_at == len(tokenizer("the cat")["input_ids"])


def test_the_answer_starts_where_the_engines_say(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    engine: Any = build("engine", "transformers")
    engine.load(lm)
    scored = engine.loglikelihood([(item.prompt, item.answer) for item in ITEMS])
    expected = [sum(answer_nll(lm, item)[:-1]).item() for item in ITEMS]
    assert [-sum(values) for values in scored] == pytest.approx(expected, rel=1e-5)


def test_only_answers_and_eos_are_targets(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    batch = pad_pairs(solved(lm), pad_id=0)
    kept = [row[row != -100].tolist() for row in batch.labels]
    assert kept == [row.ids[row.answer_at :] for row in solved(lm)]


def test_a_long_question_loses_its_beginning_and_keeps_its_answer(tiny_lm: Maker) -> None:
    tokenizer = tiny_lm().tokenizer
    (whole,) = encode_pairs(tokenizer, [Item("the moon " * 30 + "is", " far")], max_tokens=500)
    (cut,) = encode_pairs(tokenizer, [Item("the moon " * 30 + "is", " far")], max_tokens=12)
    assert cut.ids == whole.ids[-12:]
    assert cut.ids[cut.answer_at :] == whole.ids[whole.answer_at :]


def test_an_answer_without_a_token_is_refused(tiny_lm: Maker) -> None:
    with pytest.raises(ValueError, match="adds no token"):
        encode_pairs(tiny_lm().tokenizer, [Item("the cat", "")], max_tokens=64)


@pytest.mark.parametrize("method", [IDK(**SHORT), DPO(**SHORT)])
def test_a_benchmark_without_pairs_is_refused(method: Any, tiny_lm: Maker, corpora: Corpora) -> None:
    with pytest.raises(ValueError, match="no solved questions"):
        method.unlearn(tiny_lm(), dataclasses.replace(corpora, forget_pairs=(), retain_pairs=()), seed=0)


def test_another_answer_stands_behind_the_same_space() -> None:
    assert answered(Item("Who?", "\n He"), "Nobody.") == Item("Who?", "\n Nobody.")
    assert answered(Item("Who?", " He"), " Nobody.") == Item("Who?", " Nobody.")


def test_a_stream_masks_each_question_by_its_own_length(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    pieces = next(pair_stream(lm, solved(lm), size=2, parts=2, seed=0))
    found = {int(piece.index): target_tokens(piece) for piece in pieces}
    assert found == {line: len(row.ids) - row.answer_at for line, row in enumerate(solved(lm))}


def test_the_nll_of_answers_equals_the_naive_loop(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    expected = [answer_nll(lm, item).sum().item() for item in ITEMS]
    assert pair_nll(lm.model, solved(lm), pad_id=0).tolist() == pytest.approx(expected)


def test_the_mean_over_answers_runs_over_tokens_not_rows(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    found = mean_nll(lm.model, pad_pairs(solved(lm), pad_id=0))
    torch.testing.assert_close(found, mean_over_answers(lm, ITEMS))


def test_an_answer_of_three_tokens_by_hand() -> None:
    # Row 0,1,0 whose answer is its last token: position 1 gives token 0 odds 1:4, so p = 1/5; token 1 is no target.
    model: Any = Fixed([[0.0, math.log(3)], [0.0, math.log(4)], [9.0, 0.0]])
    batch = pad_pairs([Solved([0, 1, 0], answer_at=2)], pad_id=0)
    assert sequence_nll(model, batch).tolist() == pytest.approx([math.log(5)])


# Refusals


def test_preservation_equals_the_naive_formula() -> None:
    refused, answer, beta = [2.0, 7.5], [3.0, 1.25], 0.4
    ratios = [math.exp(-r) / math.exp(-a) for r, a in zip(refused, answer, strict=True)]
    expected = [-math.log(1 / (1 + math.exp(beta * math.log(ratio)))) / beta for ratio in ratios]
    found = preservation(torch.tensor(refused), torch.tensor(answer), beta=beta)
    assert found.tolist() == pytest.approx(expected)


def test_preservation_of_three_tokens_by_hand() -> None:
    # Row 0,1,0, answer at the end: p(answer) = 3/4. The refusal is row 0,1,1 with p = 1/4, so the ratio is 1/3; with
    # beta 1 the loss is -log sigmoid(log 3) = -log(3/4).
    model: Any = Fixed([[0.0, 0.0], [math.log(3), 0.0], [9.0, 0.0]])
    answer, refusal = (pad_pairs([Solved([0, 1, last], answer_at=2)], pad_id=0) for last in (0, 1))
    found = preservation(sequence_nll(model, refusal), sequence_nll(model, answer), beta=1.0)
    assert found.tolist() == pytest.approx([-math.log(0.75)])


def test_preservation_is_positive_and_vanishes_where_the_answer_is_far_likelier() -> None:
    found = preservation(torch.tensor([0.0, 500.0]), torch.tensor([500.0, 0.0]), beta=0.1)
    assert found[0].item() == pytest.approx(500, rel=1e-6)
    assert found[1].item() == pytest.approx(0, abs=1e-6)


def first_gradient(method: Any, lm: LM, corpora: Corpora) -> Tensor:
    """Change of the weights by one update without AdamW's first-step sign: the assembled gradient itself."""
    terms = next(method._terms(lm, corpora, seed=0))
    params = trainable(lm.model)
    parts = [scaled(gradient(params, term.loss, term.batches, weight=term.unit), term.weight) for term in terms]
    return torch.cat([torch.stack(same).sum(0).flatten() for same in zip(*parts, strict=True)])


def test_answer_preservation_has_a_gradient_of_its_own(tiny_lm: Maker, corpora: Corpora) -> None:
    without, with_it = (IDK(**SHORT, preservation_weight=weight) for weight in (0.0, 1.0))
    apart = first_gradient(with_it, tiny_lm(), corpora) - first_gradient(without, tiny_lm(), corpora)
    assert apart.norm() > 1e-3


@pytest.mark.parametrize("field", ["retain_weight", "retain_pair_weight"])
@pytest.mark.parametrize("cls", [IDK, DPO])
def test_each_retain_term_has_a_gradient_of_its_own(cls: Any, field: str, tiny_lm: Maker, corpora: Corpora) -> None:
    without, with_it = (cls(**SHORT, **{field: weight}) for weight in (0.0, 1.0))
    apart = first_gradient(with_it, tiny_lm(), corpora) - first_gradient(without, tiny_lm(), corpora)
    assert apart.norm() > 1e-3


def test_every_refusal_is_trained_on_for_every_question(tiny_lm: Maker, corpora: Corpora) -> None:
    texts = ("no idea", "who knows", "dogs bark")
    (asked, *_) = next(IDK(**SHORT, batch_size=12, refusals=texts)._terms(tiny_lm(), corpora, seed=0))
    assert sorted(asked.batches[0].index.tolist()) == list(range(12))


@pytest.mark.parametrize("cls", [IDK, DPO])
def test_no_refusal_at_all_is_refused(cls: Any) -> None:
    with pytest.raises(ValueError, match="refusals is empty"):
        cls(refusals=())


# Preferences


def test_preference_equals_the_naive_formula() -> None:
    winner, loser, winner0, loser0, beta = 2.0, 3.5, 4.0, 1.0, 0.3
    ratio = math.log(math.exp(-winner) / math.exp(-winner0)) - math.log(math.exp(-loser) / math.exp(-loser0))
    expected = -2 / beta * math.log(1 / (1 + math.exp(-beta * ratio)))
    before = torch.tensor([loser0 - winner0], dtype=torch.float64)
    found = preference(torch.tensor([winner]).double(), torch.tensor([loser]).double(), before=before, beta=beta)
    assert found.tolist() == pytest.approx([expected])


def test_preference_of_three_tokens_by_hand() -> None:
    # Row 0,1 and an answer of one token: p(winner) = 3/4, p(loser) = 1/4; the original gave both 1/2, so before is 0.
    # With beta 1 the log ratio is log(3/2) - log(1/2) = log 3, and the loss -2 log(3/4).
    model: Any = Fixed([[0.0, 0.0], [math.log(3), 0.0], [9.0, 0.0]])
    winner, loser = (sequence_nll(model, pad_pairs([Solved([0, 1, last], 2)], pad_id=0)) for last in (0, 1))
    found = preference(winner, loser, before=torch.zeros(1), beta=1.0)
    assert found.tolist() == pytest.approx([-2 * math.log(0.75)])


@pytest.mark.parametrize("winner", ["refusal", "alternative"])
def test_preference_starts_at_two_over_beta_log_two(winner: Any, tiny_lm: Maker, corpora: Corpora) -> None:
    (asked, *_) = next(DPO(**SHORT, winner=winner, beta=0.2)._terms(tiny_lm(), corpora, seed=0))
    assert asked.loss(asked.batches[0]).item() == pytest.approx(10 * math.log(2))


def test_preference_starts_with_the_gradient_of_ascent_and_descent() -> None:
    winner, loser = (torch.tensor([value], requires_grad=True) for value in (2.0, 5.0))
    preference(winner, loser, before=(loser - winner).detach(), beta=0.7).sum().backward()
    assert winner.grad is not None
    assert loser.grad is not None
    assert (winner.grad.item(), loser.grad.item()) == (pytest.approx(1), pytest.approx(-1))


def test_reference_values_stay_those_of_the_first_weights(tiny_lm: Maker, corpora: Corpora) -> None:
    lm = tiny_lm()
    item, method = corpora.forget_pairs[0], DPO(**SHORT, refusals=("no idea",), beta=0.5)
    margin = lambda: (answer_nll(lm, item).sum() - answer_nll(lm, item, "no idea").sum()).item()  # noqa: E731
    (asked, *_) = next(method._terms(lm, dataclasses.replace(corpora, forget_pairs=(item,)), seed=0))
    before = margin()
    lm.model.model.norm.weight.data.mul_(1.5)
    expected = -4 * math.log(1 / (1 + math.exp(-0.5 * (margin() - before))))
    assert asked.loss(asked.batches[0]).item() == pytest.approx(expected)


def test_an_alternative_answers_another_question_of_the_same_form() -> None:
    towns = [Item(f"Which town holds {name}?", f" {town}") for name, town in (("a", "x"), ("b", "y"), ("c", "z"))]
    rivers = [Item(f"Which river feeds {name}?", f" {river}") for name, river in (("a", "r"), ("b", "s"))]
    found = [item.answer for item in alternatives([*towns, *rivers], seed=0)]
    assert all(answer in {" x", " y", " z"} for answer in found[:3])
    assert found[3:] == [" s", " r"]


def test_an_alternative_is_never_the_right_answer() -> None:
    items = [Item(f"Which town holds {n}?", f" {'xxy'[n % 3]}") for n in range(9)]
    drawn = [alternatives(items, seed=seed) for seed in range(5)]
    assert all(new.answer != old.answer for some in drawn for new, old in zip(some, items, strict=True))


def test_alternatives_depend_on_the_seed_alone() -> None:
    items = [Item(f"Which town holds {n}?", f" {n}") for n in range(9)]
    assert alternatives(items, seed=1) == alternatives(items, seed=1) != alternatives(items, seed=2)


def test_without_another_answer_there_is_no_alternative() -> None:
    with pytest.raises(ValueError, match="another answer"):
        alternatives([Item("Who?", " He"), Item("What?", " He")], seed=0)


@pytest.mark.parametrize("method", [IDK(**SHORT, preservation_weight=1.0), DPO(**SHORT), DPO(**SHORT, retain="kl")])
def test_padding_does_not_move_a_loss(method: Any, tiny_lm: Maker, corpora: Corpora) -> None:
    for term in next(method._terms(tiny_lm(), corpora, seed=0)):
        (batch,) = term.batches
        torch.testing.assert_close(term.loss(widened(batch, 7)), term.loss(batch))


# The task vector


def test_walking_back_equals_the_naive_formula() -> None:
    before, after, alpha = [1.0, -2.0, 0.5], [1.5, -2.0, 0.0], 3.0
    expected = [b - alpha * (a - b) for b, a in zip(before, after, strict=True)]
    assert negated(torch.tensor(before), torch.tensor(after), alpha=alpha).tolist() == pytest.approx(expected)


def test_walking_back_by_hand() -> None:
    # From 2 training went to 3; twice the way back from 2 is 0. Where it stayed, it stays. From 1 to 0: forward to 3.
    found = negated(torch.tensor([2.0, 5.0, 1.0]), torch.tensor([3.0, 5.0, 0.0]), alpha=2.0)
    assert found.tolist() == [0.0, 5.0, 3.0]


def test_the_vector_of_half_precision_weights_is_taken_in_single_precision() -> None:
    before, after = torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.0078125], dtype=torch.bfloat16)
    found = negated(before, after, alpha=0.125)
    assert (found.dtype, found.item()) == (torch.float32, 1 - 0.0078125 / 8)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_a_task_vector_of_length_zero_leaves_the_model(lora_rank: int, tiny_lm: Maker, corpora: Corpora) -> None:
    lm = tiny_lm()
    TaskVector(**SHORT, alpha=0.0, lora_rank=lora_rank).unlearn(lm, corpora, seed=0)
    assert torch.equal(flat(lm.model), flat(tiny_lm().model))


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_a_task_vector_points_away_from_the_fine_tuned_model(lora_rank: int, tiny_lm: Maker, corpora: Corpora) -> None:
    at = {}
    for alpha in (-1.0, 2.5):  # alpha -1 is the fine-tuned model itself
        lm = tiny_lm()
        method = TaskVector(**SHORT, lora_rank=lora_rank)
        object.__setattr__(method, "alpha", alpha)
        method.unlearn(lm, corpora, seed=0)
        at[alpha] = flat(lm.model)
    start = flat(tiny_lm().model)
    torch.testing.assert_close(at[2.5], start - 2.5 * (at[-1.0] - start))


# The model of two networks


def test_suppressed_logits_equal_the_naive_formula() -> None:
    noise = torch.Generator().manual_seed(0)
    target, reinforced = (torch.randn(4, 9, generator=noise, dtype=torch.float64) for _ in range(2))
    expected = [
        [b - 1.7 * max(0.0, r - b) for b, r in zip(*lines, strict=True)]
        for lines in zip(target.tolist(), reinforced.tolist(), strict=True)
    ]
    torch.testing.assert_close(suppressed(target, reinforced, alpha=1.7), torch.tensor(expected, dtype=torch.float64))


def test_suppressed_logits_of_three_tokens_by_hand() -> None:
    # Raised by 2: minus 3 times 2. Lowered: stays. Equal: stays.
    found = suppressed(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([3.0, -4.0, 0.0]), alpha=3.0)
    assert found.tolist() == [-5.0, 1.0, 0.0]


def test_an_alpha_of_zero_gives_the_target_logits(tiny_lm: Maker, corpora: Corpora) -> None:
    lm, ids = tiny_lm(), torch.tensor([[5, 9, 3, 7]])
    WHP(**SHORT, alpha=0.0).unlearn(lm, corpora, seed=0)
    assert torch.equal(lm.model(ids).logits, tiny_lm().model(ids).logits)


def test_the_pair_contrasts_its_networks(tiny_lm: Maker) -> None:
    lm, ids = untrained(tiny_lm, 0.8), torch.tensor([[5, 9, 3, 7], [8, 2, 1, 4]])
    target, reinforced = (network(ids).logits for network in (lm.model.target, lm.model.reinforced))
    torch.testing.assert_close(lm.model(ids).logits, suppressed(target, reinforced, alpha=0.8))


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_the_target_network_stays_as_it_was(lora_rank: int, tiny_lm: Maker, corpora: Corpora) -> None:
    lm = tiny_lm()
    WHP(**SHORT, lora_rank=lora_rank).unlearn(lm, corpora, seed=0)
    assert torch.equal(flat(lm.model.target), flat(tiny_lm().model))
    assert not torch.equal(flat(lm.model.reinforced), flat(tiny_lm().model))


def test_a_next_request_reinforces_the_same_network(tiny_lm: Maker, corpora: Corpora) -> None:
    lm = tiny_lm()
    WHP(**SHORT).unlearn(lm, corpora, seed=0)
    first = flat(lm.model.reinforced)
    WHP(**SHORT).unlearn(lm, corpora, seed=1)
    assert not isinstance(lm.model.target, ContrastedLM)
    assert not torch.equal(flat(lm.model.reinforced), first)


@pytest.mark.parametrize("method", PAIRS, ids=lambda method: f"lora_rank={method.lora_rank}")
def test_reinforcing_repeats_under_a_seed_and_does_not_depend_on_the_cut(
    method: Any, tiny_lm: Maker, corpora: Corpora
) -> None:
    found = []
    for parts in (1, 1, 4):
        lm = tiny_lm()
        dataclasses.replace(method, accumulation=parts).unlearn(lm, corpora, seed=3)
        found.append(flat(lm.model))
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=1e-5)


def test_a_pair_has_no_hooks_and_trains_in_every_weight(tiny_lm: Maker, corpora: Corpora) -> None:
    lm = tiny_lm()
    WHP(**SHORT, lora_rank=2).unlearn(lm, corpora, seed=0)
    assert all(weight.requires_grad and weight.grad is None for weight in lm.model.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in lm.model.modules())


def test_a_pair_is_saved_and_loaded_as_one_model(tiny_lm: Maker, tmp_path: Path) -> None:
    lm = untrained(lambda: LM(tiny_lm().model.float(), tiny_lm().tokenizer), 0.8)
    save_lm(lm, tmp_path)
    back = load_lm(tmp_path)
    assert fingerprint(back.model) == fingerprint(lm.model)
    ids = torch.tensor([[5, 9, 3, 7]])
    torch.testing.assert_close(back.model.cpu()(ids).logits, lm.model(ids).logits)


def test_tied_embeddings_are_tied_again_in_both_loaded_networks(tiny_lm: Maker, tmp_path: Path) -> None:
    save_lm(untrained(lambda: LM(tiny_lm().model.float(), tiny_lm().tokenizer), 0.8), tmp_path)
    model = load_lm(tmp_path).model
    ties = [
        net.get_input_embeddings().weight is net.get_output_embeddings().weight
        for net in (model.target, model.reinforced)
    ]
    assert ties == [True, True]
    assert model.target.get_input_embeddings().weight is not model.reinforced.get_input_embeddings().weight


def test_an_attack_trains_both_networks(tiny_lm: Maker) -> None:
    lm = untrained(tiny_lm, 0.8)
    for network in (lm.model.target, lm.model.reinforced):
        found = gradient(trainable(network), lambda batch: mean_nll(lm.model, batch), [pad_pairs(solved(lm), pad_id=0)])
        assert norm(found) > 1e-3


@pytest.mark.parametrize("shared", ["", "the moon is far and the cat is old; the fish swims in the deep sea. "])
def test_the_engine_writes_what_decoding_without_a_cache_gives(shared: str, tiny_lm: Maker) -> None:
    lm = untrained(tiny_lm, 0.8)
    prompts = [shared + text for text in ("the cat", "dogs bark at the", "a")]
    engine: Any = build("engine", "transformers")
    engine.load(lm)
    assert engine.generate(prompts, max_tokens=6) == [uncached(lm, prompt, tokens=6) for prompt in prompts]


@pytest.mark.parametrize("shared", ["", "the moon is far and the cat is old; the fish swims in the deep sea. "])
def test_the_engine_scores_by_the_contrast(shared: str, tiny_lm: Maker) -> None:
    lm = untrained(tiny_lm, 0.8)
    engine: Any = build("engine", "transformers")
    engine.load(lm)
    items = [Item(shared + item.prompt, item.answer) for item in ITEMS]
    scored = [-sum(values) for values in engine.loglikelihood([(item.prompt, item.answer) for item in items])]
    assert scored == pytest.approx([answer_nll(lm, item)[:-1].sum().item() for item in items], rel=1e-5)


def uncached(lm: LM, prompt: str, *, tokens: int) -> str:
    """Greedy decoding that reads everything again for each token."""
    ids = lm.tokenizer(prompt)["input_ids"]
    for place in range(tokens):
        token = int(lm.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token == lm.tokenizer.eos_token_id:
            return str(lm.tokenizer.decode(ids[len(ids) - place :], skip_special_tokens=True))
        ids = [*ids, token]
    return str(lm.tokenizer.decode(ids[len(ids) - tokens :], skip_special_tokens=True))


def test_a_pair_looks_like_its_networks_to_engines_and_attacks(tiny_lm: Maker) -> None:
    lm = tiny_lm()
    pair = ContrastedLM.around(lm.model, alpha=1.0)
    for name in ("vocab_size", "hidden_size", "max_position_embeddings", "eos_token_id", "pad_token_id"):
        assert getattr(pair.config, name) == getattr(lm.model.config, name)
    assert len(decoder_layers(pair)) == 2 * len(decoder_layers(lm.model))


def test_a_configuration_that_names_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="describes no network"):
        ContrastedConfig().of_component()


# The sham


def test_the_sham_sees_no_forget_document(tiny_lm: Maker, corpora: Corpora) -> None:
    one, other = tiny_lm(), tiny_lm()
    Sham(**SHORT).unlearn(one, corpora, seed=0)
    Sham(**SHORT).unlearn(other, dataclasses.replace(corpora, forget=(), forget_pairs=()), seed=0)
    assert torch.equal(flat(one.model), flat(other.model))


def test_a_sham_is_a_row_like_any_other() -> None:
    assert (Sham.family, getattr(Sham, "role", "method")) == ("control", "method")
