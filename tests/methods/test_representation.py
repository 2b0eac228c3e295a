"""Circuit breakers, RMU-LAT, ELM, RepSelect and TAR-lite: losses, attacks and what they leave behind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from harness.api import LM, Corpora, NotApplicable, Personas
from harness.train import (
    Batch,
    Training,
    blocks,
    drift,
    encode,
    fit,
    frozen,
    gradient,
    maps_of,
    micro_batches,
    negative_entropy,
    pad,
    rows,
    shifted,
    states,
    token_nll,
    truncated,
)
from methods.circuit_breakers import CircuitBreakers, overlap, overlapping, pool, rerouted, rerouting, set_off
from methods.elm import ELM, novice_target, prompted_logits, ramp, soft_cross_entropy
from methods.repselect import RepSelect, collapsed, mean_divergence
from methods.rmu_lat import RMULAT, against, beside, likely, projected, row_means, unlikely
from methods.tar_lite import Side, TARLite, aligned, mapped, token_vectors, uncertainty
from tests.methods.cases_representation import attacked, novice, tamper_resistance
from tests.methods.formula import BOTH, first_gradient, flat_unit, log_p, rows_of

ROWS = [[5, 9, 3, 7, 1], [8, 2, 1], [4, 4, 6, 1], [11, 12]]


def made(values: list[Any]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def widened(batch: Batch, extra: int) -> Batch:
    """The batch with more padding on the right."""
    grow = lambda part, value: nn.functional.pad(part, (0, extra), value=value)  # noqa: E731
    return Batch(grow(batch.input_ids, 3), grow(batch.attention_mask, 0), grow(batch.labels, -100), batch.index)


def flat(lm: LM) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in lm.model.parameters()])


def unlearned(method: Any, lm: LM, corpora: Corpora) -> Tensor:
    method.unlearn(lm, corpora, seed=0)
    return flat(lm)


def all_losses(lm: LM, corpora: Corpora) -> dict[str, Callable[[Batch], Tensor]]:
    """Every loss of a batch, at weights that are off the original's."""
    view, told = truncated(lm.model, 2), dataclasses.replace(corpora, personas=Personas("the cat", "dogs bark"))
    original, erasure = frozen(view), ELM(eta=3.0).erasure(lm, told, frozen(lm.model))
    with torch.no_grad():
        lm.model.get_input_embeddings().weight.mul_(1.1)
    return {
        "rerouting": rerouting(view, original, (0, 2)),
        "drift": drift(view, original, (0, 2)),
        "erasure": erasure,
        "mapping": mapped(view, token_vectors(lm.model, 0), (0, 2)),
        "tamper": uncertainty(lm.model),
    }


@pytest.mark.parametrize("name", ["rerouting", "drift", "erasure", "mapping", "tamper"])
def test_padding_does_not_move_a_loss(tiny_lm: Callable[[], LM], corpora: Corpora, name: str) -> None:
    loss, batch = all_losses(tiny_lm(), corpora)[name], pad(ROWS, pad_id=0)
    torch.testing.assert_close(loss(batch), loss(widened(batch, 7)))


def test_layers_are_counted_from_either_end(tiny_lm: Callable[[], LM]) -> None:
    assert blocks(tiny_lm().model, (-1, 0, 2)) == (0, 2)


@pytest.mark.parametrize("layers", [(3,), (-4,), ()])
def test_layers_that_do_not_exist_are_refused(tiny_lm: Callable[[], LM], layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="name at least one from -3 to 2"):
        blocks(tiny_lm().model, layers)


def test_states_are_those_of_the_full_pass_at_tokens_only(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    whole = model(batch.input_ids, output_hidden_states=True).hidden_states
    expected = torch.stack([whole[layer + 1][batch.attention_mask.bool()] for layer in (0, 1)])
    torch.testing.assert_close(states(truncated(model, 1), batch, (0, 1)), expected, rtol=0, atol=0)


def test_maps_of_blocks_are_their_seven_matrices(tiny_lm: Callable[[], LM]) -> None:
    found = maps_of(tiny_lm().model, (0, 2))
    assert [name.split(".")[2] for name in found] == ["0"] * 7 + ["2"] * 7


def test_a_shift_adds_to_the_output_and_leaves_no_hook() -> None:
    module, by = nn.Linear(2, 2).double(), made([[1.0, -2.0]])
    plain = module(made([[3.0, 4.0]]))
    with shifted(module, by):
        moved = module(made([[3.0, 4.0]]))
    torch.testing.assert_close(moved, plain + by)
    assert not module._forward_hooks


def test_a_model_whose_blocks_are_called_otherwise_is_named() -> None:
    other = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=4, vocab_size=9, bos_token_id=0, eos_token_id=0))
    for ask in (lambda: blocks(other, (0,)), lambda: truncated(other, 0), lambda: maps_of(other, (0,))):
        with pytest.raises(NotApplicable, match="GPT2LMHeadModel is no single stack of decoder blocks"):
            ask()


def test_drift_is_a_mean_of_distances_over_layers_and_tokens(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view, batch = truncated(model, 1), pad(ROWS, pad_id=0)
    before = states(view, batch, (0, 1)).detach()
    loss = drift(view, frozen(view), (0, 1))
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(1.1)
    apart = states(view, batch, (0, 1)) - before
    expected = sum(math.sqrt(sum(x * x for x in token)) for layer in apart.tolist() for token in layer) / (2 * 14)
    assert loss(batch).item() == pytest.approx(expected)


def test_drift_of_the_same_weights_is_zero_and_has_no_gradient(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view = truncated(model, 1)
    loss = drift(view, frozen(view), (0, 1))(pad(ROWS, pad_id=0))
    (found,) = torch.autograd.grad(loss, [model.get_submodule("model.layers.0.mlp.down_proj").weight])
    assert loss.item() == 0
    assert not found.any()


def test_rerouting_of_three_tokens_by_hand() -> None:
    # (3,4) against (4,3) is 24/25, (1,0) against (-1,0) is -1 and counts as 0, (0,2) against (1,1) is 1/sqrt 2.
    given, before = made([[[3, 4], [1, 0], [0, 2]]]), made([[[4, 3], [-1, 0], [1, 1]]])
    assert rerouted(given, before).item() == pytest.approx((0.96 + 0 + math.sqrt(0.5)) / 3)


def test_rerouting_equals_the_naive_loop() -> None:
    given, before = random(2, 5, 4), random(2, 5, 4, seed=1)
    cosines = [
        max(0.0, float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)))
        for layer in range(2)
        for a, b in zip(given[layer], before[layer], strict=True)
    ]
    assert rerouted(given, before).item() == pytest.approx(sum(cosines) / 10)


def test_rerouting_is_one_at_the_start_and_zero_when_turned_round() -> None:
    given = random(2, 5, 4)
    assert rerouted(given, given).item() == pytest.approx(1)
    assert rerouted(-given, given).item() == 0


def test_rerouting_does_not_depend_on_lengths() -> None:
    given, before = random(2, 5, 4), random(2, 5, 4, seed=1)
    torch.testing.assert_close(rerouted(3 * given, before / 7), rerouted(given, before))


def test_the_weights_of_circuit_breakers_cross_over_as_published() -> None:
    method = CircuitBreakers(steps=100, alpha=10.0)
    assert [method.weights(step) for step in (0, 50, 100)] == [(10, 0), (7.5, 2.5), (5, 5)]


def test_the_other_published_schedule_keeps_three_quarters() -> None:
    method = CircuitBreakers(steps=100, alpha=23.0, fall=0.25, retain_end=2 / 23)
    assert method.weights(100) == (pytest.approx(0.75 * 23), pytest.approx(2))


def test_documents_are_pooled_over_their_own_tokens() -> None:
    batch = pad([[5, 6], [7]], pad_id=0)
    given = made([[[1, 3], [3, 5], [9, 9]]])
    assert pool(given, batch).tolist() == [[[2, 4], [9, 9]]]


def test_overlap_of_three_documents_by_hand() -> None:
    # Pairs: e1 and (1,1) 1/sqrt 2, e1 and e2 0, (1,1) and e2 1/sqrt 2: their mean is sqrt 2 / 3, and twice that.
    given = made([[[1, 0], [1, 1], [0, 1]]])
    assert overlapping(given, given, 0).item() == pytest.approx(2 * math.sqrt(2) / 3)


def test_the_gradient_of_overlap_is_that_of_the_mean_over_pairs() -> None:
    given = random(2, 4, 3).requires_grad_()
    pairs = [(i, j) for i in range(4) for j in range(i)]
    cosine = lambda i, j: nn.functional.cosine_similarity(given[:, i], given[:, j], dim=-1).relu()  # noqa: E731
    (expected,) = torch.autograd.grad(torch.stack([cosine(i, j) for i, j in pairs]).mean(), [given])
    (found,) = torch.autograd.grad(overlapping(given, given.detach(), 0), [given])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("parts", [2, 4])
def test_overlap_does_not_depend_on_the_cut_into_micro_batches(tiny_lm: Callable[[], LM], parts: int) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    view, weight = truncated(model, 1), model.get_submodule("model.layers.0.mlp.down_proj").weight
    cuts = [micro_batches(batch, n) for n in (1, parts)]
    whole, cut = (gradient([weight], overlap(view, pieces, (0, 1)), pieces, weight=rows) for pieces in cuts)
    torch.testing.assert_close(cut, whole)


def test_orthogonality_moves_the_result(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    settings: dict[str, Any] = {"layers": (0, 1), "lora_rank": 0, "steps": 2, "lr": 1e-3, "batch_size": 4}
    without, beside = (CircuitBreakers(**settings, orthogonality=weight) for weight in (0.0, 1.0))
    assert not torch.equal(unlearned(without, tiny_lm(), corpora), unlearned(beside, tiny_lm(), corpora))


def test_orthogonality_of_one_document_is_refused() -> None:
    with pytest.raises(ValueError, match="set batch_size to 2 or more"):
        CircuitBreakers(orthogonality=1.0, batch_size=1)


def test_rerouting_has_no_gradient_before_the_weights_are_set_off(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view, batch = truncated(model, 1), pad(ROWS, pad_id=0)
    weights = [model.get_submodule("model.layers.0.mlp.down_proj").weight]
    loss = rerouting(view, frozen(view), (0, 1))
    at_start = gradient(weights, loss, [batch])[0].norm()
    set_off(weights, 1e-3, seed=0)
    assert gradient(weights, loss, [batch])[0].norm() > 1e6 * at_start


@pytest.mark.parametrize("rank", [0, 2])
def test_circuit_breakers_train_linear_maps_up_to_the_last_layer(
    tiny_lm: Callable[[], LM], corpora: Corpora, rank: int
) -> None:
    lm, before = tiny_lm(), dict(tiny_lm().model.named_parameters())
    CircuitBreakers(layers=(-2,), steps=2, lr=1e-3, lora_rank=rank).unlearn(lm, corpora, seed=0)
    changed = [name for name, weight in lm.model.named_parameters() if not torch.equal(weight, before[name])]
    assert changed == [f"{name}.weight" for name in maps_of(lm.model, (0, 1))]


def test_a_projection_cuts_only_what_is_too_long() -> None:
    # (3,4) has length 5 and is cut to 2; (0,1) stays; (0,0) does not divide by 0.
    found = projected(made([[3, 4], [0, 1], [0, 0]]), 2.0)
    assert found.tolist() == [pytest.approx([1.2, 1.6]), [0, 1], [0, 0]]


def test_likelihood_of_three_tokens_by_hand() -> None:
    # p = (1/4, 1/2, 1/4): -ln(1 - 1/2) = ln 2 and -ln(1 - 1/4) = ln 4/3; a token of ln p = -6 is faint and counts 0.
    logits = torch.stack([made([1, 2, 1]).log(), made([1, 2, 1]).log(), made([-6, math.log1p(-math.exp(-6)), -99])])
    assert likely(logits, torch.tensor([1, 0, 0])).tolist() == pytest.approx([math.log(2), math.log(4 / 3), 0])
    assert unlikely(logits, torch.tensor([1, 0, 0])).tolist() == pytest.approx([math.log(2), math.log(4), 6])


def test_likelihood_of_a_sure_token_is_finite() -> None:
    given = torch.tensor([[60.0, 0.0]], requires_grad=True)
    (found,) = torch.autograd.grad(likely(given, torch.tensor([0])).sum(), [given])
    assert likely(given, torch.tensor([0])).item() == pytest.approx(60)
    assert found[0].tolist() == pytest.approx([1, -1])


def test_every_row_weighs_the_same_whatever_its_length() -> None:
    # Rows of 2 targets, of 1 and of none: (1 + 3) / 2 + 5.
    batch = pad([[5, 9, 3], [8, 2], [4]], pad_id=0)
    assert row_means(made([1, 3, 5]), batch).item() == 7


def strayed(lm: LM, corpora: Corpora, away: float) -> list[float]:
    """How far the attack on each forget document is from a naive one; of the retain documents half are known well."""
    fit(lm, corpora.retain[:2], Training(lr=1e-2, steps=20, batch_size=2), seed=0)  # other tokens stay below ln p = -5
    forget, retain = (
        pad(encode(lm.tokenizer, side, max_tokens=64), pad_id=0) for side in (corpora.forget, corpora.retain)
    )
    method = RMULAT(layer=1, attack_layer=0, epsilon=0.5, inner_steps=3, away_weight=away)
    found = method.attack(lm.model, forget, retain)
    pairs = zip(rows_of(lm, corpora.forget), rows_of(lm, corpora.retain), strict=True)
    naive = [attacked(lm, *pair, steps=3, lr=0.05, radius=0.5) for pair in pairs]
    return [(delta[: len(row)] - row).abs().max().item() for delta, row in zip(found, naive, strict=True)]


def test_an_attack_equals_the_naive_one(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    assert max(strayed(tiny_lm(), corpora, away=1.0)) < 1e-6


def test_an_attack_minds_retain_text_that_is_known_well(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    assert min(strayed(tiny_lm(), corpora, away=0.0)[:2]) > 1e-2


def test_an_attack_makes_forget_text_likelier(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    method = RMULAT(layer=1, attack_layer=1, epsilon=1.0)
    with shifted(model.get_decoder().layers[1].mlp, method.attack(model, batch, batch)):
        under = token_nll(model, batch)[0].sum()
    assert under < token_nll(model, batch)[0].sum() - 1


def test_a_document_is_attacked_beside_another_retain_document_every_time(tiny_lm: Callable[[], LM]) -> None:
    batch = pad(ROWS[:2], pad_id=0, index=[5, 2])
    found = [beside(tiny_lm(), [[10], [11], [12]], batch, turn).input_ids.flatten().tolist() for turn in range(3)]
    assert found == [[12, 12], [10, 10], [11, 11]]


def test_an_attack_stays_in_its_ball_and_off_the_padding(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad(ROWS, pad_id=0)
    delta = RMULAT(layer=1, attack_layer=0, epsilon=0.3).attack(model, batch, batch)
    lengths = delta.norm(dim=-1)
    assert lengths.max().item() == pytest.approx(0.3)
    assert not lengths[batch.attention_mask == 0].any()


def test_an_attack_does_not_depend_on_padding_or_neighbours(tiny_lm: Callable[[], LM]) -> None:
    model, method = tiny_lm().model, RMULAT(layer=1, attack_layer=0)
    together, alone = (method.attack(model, *[pad(rows, pad_id=0)] * 2) for rows in (ROWS, ROWS[1:2]))
    torch.testing.assert_close(together[1, :3], alone[0])


def test_an_attack_leaves_no_gradients_and_no_hooks(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    RMULAT(layer=1, attack_layer=0).attack(model, pad(ROWS, pad_id=0), pad(ROWS, pad_id=0))
    assert all(weight.grad is None for weight in model.parameters())
    assert not model.get_decoder().layers[0].mlp._forward_hooks


def test_a_loss_against_an_attack_sees_the_perturbation_of_its_own_batch() -> None:
    module, batches = nn.Identity(), [pad([[5, 6]], pad_id=0), pad([[7, 8]], pad_id=0)]
    deltas = {id(batch): torch.full((1, 2), float(k)) for k, batch in enumerate(batches)}
    loss = against(lambda batch: module(batch.input_ids.float()).sum(), module, deltas)
    assert [loss(batch).item() for batch in batches] == [11, 17]


@pytest.mark.parametrize(("updates", "attacks"), [(1, 4), (2, 2), (3, 2), (4, 1)])
def test_several_updates_share_an_attack(
    tiny_lm: Callable[[], LM], corpora: Corpora, monkeypatch: pytest.MonkeyPatch, updates: int, attacks: int
) -> None:
    seen: list[Batch] = []
    made = lambda self, model, batch, retain: seen.append(batch) or torch.zeros(*batch.input_ids.shape, 32)  # noqa: E731
    monkeypatch.setattr(RMULAT, "attack", made)
    RMULAT(layer=1, train_layers=(1,), attack_layer=1, steps=4, updates_per_attack=updates).unlearn(
        tiny_lm(), corpora, seed=0
    )
    assert len(seen) == attacks


def test_the_radius_moves_the_result(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    settings: dict[str, Any] = {"layer": 1, "train_layers": (1,), "attack_layer": 0, "steps": 2, "lr": 1e-3}
    off, on = (RMULAT(**settings, epsilon=radius) for radius in (0.0, 1.0))
    assert not torch.equal(unlearned(off, tiny_lm(), corpora), unlearned(on, tiny_lm(), corpora))


def test_an_attack_above_the_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="lies above layer 7"):
        RMULAT(layer=7, attack_layer=8)


def test_a_novice_target_of_three_tokens_by_hand() -> None:
    # p = (1/2, 1/4, 1/4); the expert's odds are 4:1:2, the novice's 2:4:2. Moved once: 1/2 * 1/2, 1/4 * 4, 1/4 * 1, so
    # (1, 4, 1) / 6; moved twice, the two likeliest are kept: 1/2 * 1/4, 1/4 * 16, 1/4 * 1, so (0, 16, 1) / 17.
    plain, expert, novice = made([[2, 1, 1]]).log(), made([[4, 1, 2]]).log(), made([[2, 4, 2]]).log()
    once, twice = (
        novice_target(plain, expert, novice, made([[strength]]), temperature=1.0, top=top)
        for strength, top in ((1, 3), (2, 2))
    )
    assert once[0].tolist() == pytest.approx([1 / 6, 4 / 6, 1 / 6])
    assert twice[0].tolist() == pytest.approx([0, 16 / 17, 1 / 17])


def test_a_novice_target_equals_the_naive_loop() -> None:
    plain, expert, novice, strength = (
        random(4, 9),
        random(4, 9, seed=1),
        random(4, 9, seed=2),
        made([[1], [2], [3], [4]]),
    )
    found = novice_target(plain, expert, novice, strength, temperature=1.2, top=3)
    for i in range(4):
        log_p, log_e, log_n = (part[i].log_softmax(-1).tolist() for part in (plain, expert, novice))
        moved = [p + strength[i].item() * (n - e) for p, e, n in zip(log_p, log_e, log_n, strict=True)]
        kept = sorted(range(9), key=lambda v: -moved[v])[:3]
        odds = [math.exp(moved[v] / 1.2) if v in kept else 0.0 for v in range(9)]
        assert found[i].tolist() == pytest.approx([value / sum(odds) for value in odds])


def test_a_novice_target_is_a_distribution_on_its_top_tokens() -> None:
    found = novice_target(
        random(6, 20), random(6, 20, seed=1), random(6, 20, seed=2), made([[5]]), temperature=1, top=4
    )
    assert found.sum(-1).tolist() == pytest.approx([1] * 6)
    assert (found > 0).sum(-1).tolist() == [4] * 6


def test_the_same_prompts_leave_the_tempered_original() -> None:
    plain, prompted = random(3, 7), random(3, 7, seed=1)
    found = novice_target(plain, prompted, prompted, made([[50]]), temperature=2.0, top=7)
    torch.testing.assert_close(found, (plain / 2).softmax(-1))


def test_cross_entropy_of_three_tokens_by_hand() -> None:
    # Logits ln(1, 2, 1): p = (1/4, 1/2, 1/4). A target of (1/2, 1/2, 0) costs (ln 4 + ln 2) / 2 = 1.5 ln 2.
    found = soft_cross_entropy(made([[1, 2, 1]]).log(), made([[0.5, 0.5, 0]]))
    assert found.item() == pytest.approx(1.5 * math.log(2))


def test_cross_entropy_has_no_gradient_at_its_target() -> None:
    given = random(3, 7).requires_grad_()
    (found,) = torch.autograd.grad(soft_cross_entropy(given, given.detach().softmax(-1)), [given])
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-15)


def test_strength_rises_from_one_along_each_document() -> None:
    # Rows of 4 and of 2 targets, end 7: 1, 3, 5, 7 and 1, 7.
    batch = pad([[5, 9, 3, 7, 1], [8, 2, 1]], pad_id=0)
    assert ramp(batch, 7.0).tolist() == [1, 3, 5, 7, 1, 7]


def test_a_document_of_one_target_has_strength_one() -> None:
    assert ramp(pad([[5, 9]], pad_id=0), 7.0).tolist() == [1]


@pytest.mark.parametrize("bos", [None, 5])
def test_a_prompt_stands_before_a_document_behind_its_bos(tiny_lm: Callable[[], LM], bos: int | None) -> None:
    model, document, prompt = tiny_lm().model, [5, 9, 3, 7], [20, 21]
    whole = [5, 20, 21, 9, 3, 7] if bos else [20, 21, 5, 9, 3, 7]
    expected = model(torch.tensor([whole])).logits[0, 2:5]  # scores 9, 3 and 7
    torch.testing.assert_close(prompted_logits(model, pad([document], pad_id=0), prompt, bos=bos), expected)


def test_elm_without_prompts_is_refused(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    with pytest.raises(ValueError, match="prompts of an expert and of a novice"):
        ELM(train_layers=(0,)).unlearn(tiny_lm(), dataclasses.replace(corpora, personas=None), seed=0)


def test_eta_moves_the_loss(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, told = tiny_lm(), dataclasses.replace(corpora, personas=Personas("the cat", "dogs bark"))
    batch = pad(encode(lm.tokenizer, corpora.forget, max_tokens=64), pad_id=0)
    low, high = (ELM(eta=eta).erasure(lm, told, frozen(lm.model))(batch).item() for eta in (1.0, 5.0))
    assert low != high


def test_erasure_of_one_document_is_towards_the_novice_of_the_original(
    tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    lm, batch = tiny_lm(), pad([rows_of(tiny_lm(), corpora.forget)[2].tolist()], pad_id=0)
    loss = ELM(eta=3.0).erasure(lm, corpora, frozen(lm.model))
    wanted = novice(lm, batch.input_ids[0], corpora)
    with torch.no_grad():
        lm.model.get_input_embeddings().weight.mul_(1.1)
    expected = -(wanted * log_p(lm, batch.input_ids[0])).sum(-1).mean()
    torch.testing.assert_close(loss(batch), expected)


@pytest.mark.parametrize("hard", [False, True])
def test_a_collapse_by_hand(hard: bool) -> None:
    # Singular values 8, 2 and 1; two components: 2^2/8 = 1/2 and 2, or nothing; the third one stays.
    found = collapsed(torch.diag(made([8, 2, 1])), 2, hard=hard)
    torch.testing.assert_close(found, torch.diag(made([0, 0, 1] if hard else [0.5, 2, 1])))


@pytest.mark.parametrize("hard", [False, True])
def test_a_collapse_filters_both_sides(hard: bool) -> None:
    matrix = random(6, 4)
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    keep = torch.zeros(2).double() if hard else sizes[1] / sizes[:2]
    out = torch.eye(6).double() - left[:, :2] @ torch.diag(1 - keep) @ left[:, :2].T
    into = torch.eye(4).double() - right[:2].T @ torch.diag(1 - keep) @ right[:2]
    torch.testing.assert_close(collapsed(matrix, 2, hard=hard), out @ matrix @ into)


def test_one_component_is_left_as_it_is_when_damped_softly() -> None:
    matrix = random(5, 3)
    torch.testing.assert_close(collapsed(matrix, 1, hard=False), matrix)


def test_directions_of_rounding_error_are_no_components() -> None:
    matrix = random(64, 4).float() @ random(4, 48).float()
    torch.testing.assert_close(collapsed(matrix, 16, hard=False), collapsed(matrix, 4, hard=False))
    assert collapsed(matrix, 16, hard=False).norm() > 0.1 * matrix.norm()


def test_a_collapse_of_nothing_is_nothing() -> None:
    assert not collapsed(torch.zeros(3, 2), 2, hard=False).any()


def test_a_walk_stays_within_its_budget(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    batch = pad(encode(lm.tokenizer, corpora.retain, max_tokens=64), pad_id=0)
    original = frozen(lm.model)
    RepSelect(lr=0.5, steps=1000, components=2, budget=0.02, retain_batch_size=4).unlearn(lm, corpora, seed=0)
    assert 0.01 < mean_divergence(lm.model, original, [batch]) <= 0.02


def test_a_divergence_that_is_no_number_is_over_the_budget(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    before = flat(lm)
    with pytest.raises(ValueError, match="moves retain text by nan nats"):
        RepSelect(lr=1e300, components=2).unlearn(lm, corpora, seed=0)
    assert torch.equal(flat(lm), before)


def test_a_first_step_over_the_budget_is_refused(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    with pytest.raises(ValueError, match="lower lr"):
        RepSelect(lr=1e3, components=2).unlearn(tiny_lm(), corpora, seed=0)


def test_repselect_changes_only_matrices_of_the_mlp(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, before = tiny_lm(), dict(tiny_lm().model.named_parameters())
    RepSelect(lr=0.1, steps=2, components=2, budget=5.0).unlearn(lm, corpora, seed=0)
    changed = [name for name, weight in lm.model.named_parameters() if not torch.equal(weight, before[name])]
    assert len(changed) == 9
    assert all(".mlp." in name for name in changed)


def test_negative_entropy_of_three_tokens_by_hand() -> None:
    # (1/2, 1/4, 1/4) has entropy 1.5 ln 2.
    assert negative_entropy(made([[2, 1, 1]]).log()).item() == pytest.approx(-1.5 * math.log(2))


def test_negative_entropy_lies_between_minus_log_v_and_zero() -> None:
    assert negative_entropy(torch.zeros(2, 7)).item() == pytest.approx(-math.log(7))
    assert negative_entropy(made([[900, 0, 0]])).item() == 0
    assert -math.log(7) < negative_entropy(random(5, 7)).item() < 0


def test_alignment_of_three_tokens_by_hand() -> None:
    # Cosines 24/25, -1 and 0: 1 - (0.96 + 1 + 0) / 3.
    found = aligned(made([[[3, 4], [1, 0], [0, 2]]]), made([[4, 3], [-1, 0], [1, 0]]))
    assert found.item() == pytest.approx(1 - 1.96 / 3)


def test_the_table_of_a_random_mapping_is_fixed_across_steps(tiny_lm: Callable[[], LM]) -> None:
    model, batch, found = tiny_lm().model, pad(ROWS, pad_id=0), []
    for seed, drawn in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(drawn)
        found.append(mapped(truncated(model, 2), token_vectors(model, seed), (0, 1, 2))(batch).item())
    assert found[0] == found[1] != found[2]


def test_a_random_mapping_pulls_a_token_to_the_vector_of_its_id(tiny_lm: Callable[[], LM]) -> None:
    model, batch = tiny_lm().model, pad([[5, 9]], pad_id=0)
    view, table = truncated(model, 0), torch.zeros(300, 32, dtype=torch.float64)
    table[[5, 9]] = -2 * states(view, batch, (0,))[0].detach()
    assert mapped(view, table, (0,))(batch).item() == pytest.approx(0, abs=1e-12)


def test_an_adversary_puts_the_weights_back_bit_for_bit() -> None:
    weight = nn.Parameter(torch.randn(100, generator=torch.Generator().manual_seed(0)))
    before, batches = weight.detach().clone(), iter([[pad([[5, 9]], pad_id=0)]] * 9)
    side = Side(lambda batch: weight.square().sum(), batches)
    TARLite(inner_steps=4, inner_every=2).tampered([weight], side, side, lr=0.1)
    assert torch.equal(weight.detach(), before)


def test_tamper_gradients_are_taken_along_the_attack_and_weighed_towards_its_end() -> None:
    # The attack's gradient is 1, so AdamW walks from 2 down by 0.5 a step: at 1 after two steps, at 0 after four.
    # The tamper loss w^2 has gradients 2 and 0 there, and weights 4 exp(-2/16) and 4.
    weight = nn.Parameter(made([2.0]))
    batches = iter([[pad([[5, 9]], pad_id=0)]] * 9)
    attack, tamper = Side(lambda batch: weight.sum(), batches), Side(lambda batch: weight.square().sum(), batches)
    (found,) = TARLite(inner_steps=4, inner_every=2).tampered([weight], attack, tamper, lr=0.5)
    assert found.item() == pytest.approx(2 * 4 * math.exp(-2 / 16), abs=1e-6)


def test_the_adversary_never_sees_what_the_tamper_loss_is_measured_on(tiny_lm: Callable[[], LM]) -> None:
    documents = [[10 + k, 1] for k in range(10)]
    attacked, held_out = TARLite(held_out=0.3, batch_size=3, inner_batch_size=7).split(tiny_lm(), documents, seed=0)
    seen, kept = ({int(piece[0]) for batch in next(side) for piece in batch.input_ids} for side in (attacked, held_out))
    assert (len(seen), len(kept)) == (7, 3)
    assert not seen & kept


def test_the_last_step_of_an_update_follows_tamper_gradients_and_the_retain_gradient(
    tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    outer = TARLite(**BOTH, lora_rank=0, held_out=0.25, tamper_weight=3.0, inner_batch_size=3)
    method = dataclasses.replace(outer, batch_size=1, inner_steps=4, inner_every=2, inner_lrs=(1e-2,))
    expected = flat_unit(tamper_resistance(tiny_lm(), corpora))
    torch.testing.assert_close(first_gradient(method, tiny_lm(), corpora, step=-1), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("field", ["tamper_weight", "retain_weight", "drift_weight", "safeguard_steps"])
def test_every_part_of_tar_lite_moves_the_result(tiny_lm: Callable[[], LM], corpora: Corpora, field: str) -> None:
    method = TARLite(lora_rank=0, steps=3, lr=1e-3, inner_steps=2, inner_every=2, inner_lrs=(1e-3,))
    changed = dataclasses.replace(method, **{field: 3})
    assert not torch.equal(unlearned(method, tiny_lm(), corpora), unlearned(changed, tiny_lm(), corpora))


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"inner_lrs": ()}, "at least one rate"), ({"inner_every": 17}, "nothing to resist")],
)
def test_an_adversary_that_cannot_act_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TARLite(**fields)
