import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn import functional

from attacks.direction_ablation import (
    DirectionAblation,
    ablated,
    last_states,
    require_ablated,
    subspace,
    without,
    writers,
)
from harness.api import LM, AttackerData, NotApplicable, Point
from harness.train import encode

SMALL = DirectionAblation(prompts=8, layer_step=1)
ROWS = [[2, 3, 10, 5], [2, 4, 11, 12, 13, 5], [7]]
SIZE = {
    "vocab_size": 66,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
LLAMA_LIKE = {**SIZE, "num_key_value_heads": 1, "tie_word_embeddings": False}
DECODERS = {
    "GPTNeoX": {**SIZE, "tie_word_embeddings": False},
    "Llama": {**LLAMA_LIKE, "attention_bias": True, "mlp_bias": True},
    "Mistral": LLAMA_LIKE,
    "OPT": {**SIZE, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "Phi3": LLAMA_LIKE,
    "Qwen2": {**LLAMA_LIKE, "tie_word_embeddings": True},
}
OTHERS = {
    "Gemma2": {**LLAMA_LIKE, "head_dim": 16},
    "GPT2": {"vocab_size": 66, "n_embd": 32, "n_layer": 2, "n_head": 2},
    "Mixtral": {**LLAMA_LIKE, "num_local_experts": 2},
}


def decoder(name: str, sizes: dict[str, object]) -> transformers.PreTrainedModel:
    """An untrained model whose biases and gains are not the neutral ones of a fresh model."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**sizes)
        model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


def directions(width: int = 32, rank: int = 2) -> Tensor:
    """Orthonormal columns."""
    return torch.linalg.qr(torch.randn(width, rank, generator=torch.Generator().manual_seed(1)).double()).Q


@contextmanager
def seen_streams(model: transformers.PreTrainedModel) -> Iterator[list[Tensor]]:
    """What leaves every block, in order."""
    found: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _, args, out: found.append(out[0] if isinstance(out, tuple) else out))
        for block in model.get_decoder().layers
    ]
    yield found
    for hook in hooks:
        hook.remove()


def streams(model: transformers.PreTrainedModel, row: list[int]) -> Tensor:
    """Residual stream (L, T, D) behind every block for one row."""
    with seen_streams(model) as found, torch.no_grad():
        model(torch.tensor([row]))
    return torch.cat(found).double()


def weights(lm: LM) -> list[Tensor]:
    return [each.detach().clone() for each in lm.model.parameters()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def logits(model: transformers.PreTrainedModel, row: list[int]) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(torch.tensor([row])).logits
    return found


def points(attack: DirectionAblation, lm: LM, data: AttackerData, seed: int = 0) -> list[Point]:
    return list(attack.attack(lm, data, seed=seed))


def test_a_hand_worked_projection_removes_exactly_the_component() -> None:
    basis = torch.tensor([[0.6], [0.8]]).double()
    writer = torch.tensor([[5.0, 0.0], [0.0, 5.0]]).double()
    torch.testing.assert_close(without(writer, basis), torch.tensor([[3.2, -2.4], [-2.4, 1.8]]).double())


@pytest.mark.parametrize("shape", [(32,), (32, 7)])
def test_a_projection_is_one_minus_the_outer_product(shape: tuple[int, ...]) -> None:
    writer, basis = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double(), directions()
    torch.testing.assert_close(without(writer, basis), (torch.eye(32) - basis @ basis.T) @ writer)


def test_a_hand_worked_difference_of_means() -> None:
    forget, neutral = torch.tensor([[4.0, 5.0], [2.0, 3.0]]), torch.tensor([[0.0, 0.0]])
    torch.testing.assert_close(
        subspace(forget.double(), neutral.double(), rank=1), torch.tensor([[0.6], [0.8]]).double()
    )


@pytest.mark.parametrize(("ours", "theirs"), [(9, 12), (30, 20)])
def test_further_directions_are_leading_eigenvectors_of_the_difference_of_covariances(ours: int, theirs: int) -> None:
    noise = torch.Generator().manual_seed(0)
    forget, neutral = (torch.randn(count, 16, generator=noise).double() for count in (ours, theirs))
    first = functional.normalize(forget.mean(0) - neutral.mean(0), dim=0)
    across = torch.eye(16).double() - first.outer(first)
    covariances = [across @ side.T.cov(correction=0) @ across for side in (forget, neutral)]
    leading = torch.linalg.eigh(covariances[0] - covariances[1]).eigenvectors[:, -3:]
    found = subspace(forget, neutral, rank=4)
    torch.testing.assert_close(found @ found.T, first.outer(first) + leading @ leading.T)


def test_directions_are_orthonormal() -> None:
    noise = torch.Generator().manual_seed(0)
    found = subspace(*(torch.randn(20, 16, generator=noise).double() for _ in range(2)), rank=4)
    torch.testing.assert_close(found.T @ found, torch.eye(4).double())


def test_prompts_that_do_not_spread_have_no_further_direction() -> None:
    neutral = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).double()
    assert subspace(torch.ones(3, 8).double(), neutral, rank=4).shape == (8, 1)


def test_equal_means_have_no_direction() -> None:
    assert subspace(torch.ones(3, 8).double(), torch.ones(2, 8).double(), rank=4).eq(0).all()


def test_last_states_are_those_of_every_row_alone(tiny_lm: LM) -> None:
    alone = [streams(tiny_lm.model, row)[:, -1] for row in ROWS]
    torch.testing.assert_close(last_states(tiny_lm, ROWS, [0, 1]), torch.stack(alone, dim=1), rtol=0, atol=1e-6)


def test_more_rows_than_a_pass_takes_keep_their_order(tiny_lm: LM) -> None:
    found = last_states(tiny_lm, ROWS * 7, [1])
    torch.testing.assert_close(found, last_states(tiny_lm, ROWS, [1]).repeat(1, 7, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_no_stream_has_a_component_along_ablated_directions(name: str) -> None:
    model, basis = decoder(name, DECODERS[name]), directions()
    with ablated(model, basis, embedding=True):
        along = (streams(model, ROWS[1]) @ basis).abs().max()
    assert (along < 1e-5, (streams(model, ROWS[1]) @ basis).abs().max() > 1e-2) == (True, True)


@pytest.mark.parametrize("name", DECODERS)
def test_blocks_alone_leave_the_component_of_the_embedding(name: str) -> None:
    model, basis = decoder(name, DECODERS[name]), directions()
    with ablated(model, basis, embedding=False):
        along = streams(model, ROWS[1]) @ basis
    torch.testing.assert_close(along, along[:1].expand_as(along), rtol=0, atol=1e-5)


def test_folded_weights_compute_what_hooks_on_the_stream_would(tiny_lm: LM) -> None:
    model, basis = tiny_lm.model.double(), directions()
    with ablated(model, basis, embedding=True):
        folded = logits(model, ROWS[1])
    layers = model.get_decoder().layers
    parts = [model.get_input_embeddings(), *(part for each in layers for part in (each.self_attn.o_proj, each.mlp))]
    for part in parts:
        part.register_forward_hook(lambda _, args, out: out - (out @ basis) @ basis.T)
    torch.testing.assert_close(folded, logits(model, ROWS[1]))


def test_a_tied_head_loses_nothing_under_an_even_gain(tied_lm: LM) -> None:
    model, basis = tied_lm.model.double(), directions()
    head = model.get_output_embeddings().weight.detach().clone()
    with ablated(model, basis, embedding=True), torch.no_grad():
        hidden = model.get_decoder()(torch.tensor([ROWS[1]])).last_hidden_state
        torch.testing.assert_close(model(torch.tensor([ROWS[1]])).logits, hidden @ head.T)


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_that_cannot_be_folded_is_named(name: str, tiny_lm: LM) -> None:
    lm = LM(decoder(name, OTHERS[name]), tiny_lm.tokenizer)
    with (
        pytest.raises(NotApplicable, match=type(lm.model).__name__),
        ablated(lm.model, directions(), embedding=True),
    ):
        require_ablated(lm, ROWS, directions(), embedding=True)


def test_the_writers_of_a_block_are_its_output_projections(tiny_lm: LM) -> None:
    layers = tiny_lm.model.get_decoder().layers
    expected = [part.weight for each in layers for part in (each.self_attn.o_proj, each.mlp.down_proj)]
    assert same(writers(tiny_lm.model, embedding=False), expected)


def test_one_series_per_layer_rank_and_scope(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = [point.series for point in points(SMALL, tiny_lm, attacker_data)]
    scopes = ("blocks", "everywhere")
    assert found == [f"layer={layer} r={rank} {scope}" for layer in (0, 1) for rank in (1, 4) for scope in scopes]


@pytest.mark.parametrize(("changed", "layers"), [({"depth": 0.5}, {"0"}), ({"layer_step": 2}, {"0"}), ({}, {"0", "1"})])
def test_directions_come_from_some_layers_below_a_depth(
    changed: dict[str, float], layers: set[str], tiny_lm: LM, attacker_data: AttackerData
) -> None:
    attack = dataclasses.replace(SMALL, **changed)  # type: ignore[arg-type]
    assert {point.series[len("layer=")] for point in points(attack, tiny_lm, attacker_data)} == layers


def test_the_point_is_the_ablation_of_the_difference_of_means(tiny_lm: LM, attacker_data: AttackerData) -> None:
    sides = [
        torch.stack([streams(tiny_lm.model, tiny_lm.tokenizer(item.prompt)["input_ids"])[1, -1] for item in items])
        for items in (attacker_data.items, attacker_data.utility_items)
    ]
    expected = functional.normalize(sides[0].mean(dim=0) - sides[1].mean(dim=0), dim=0)
    start = tiny_lm.model.get_decoder().layers[0].mlp.down_proj.weight.detach().clone().double()
    for point in SMALL.attack(tiny_lm, attacker_data, seed=0):
        if point.series == "layer=1 r=1 blocks":
            now = tiny_lm.model.get_decoder().layers[0].mlp.down_proj.weight.detach().double()
            torch.testing.assert_close(now, start - expected.outer(expected @ start), rtol=0, atol=1e-6)


def test_the_budget_is_the_tokens_of_the_forget_prompts_read(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, prompts=5)
    assert {point.budget for point in points(attack, tiny_lm, attacker_data)} == {5 * 4}


def test_long_prompts_keep_their_end(tiny_lm: LM, attacker_data: AttackerData) -> None:
    attack = dataclasses.replace(SMALL, max_tokens=3)
    assert {point.budget for point in points(attack, tiny_lm, attacker_data)} == {8 * 3}


def test_the_weights_come_back_bit_identical(tied_lm: LM, attacker_data: AttackerData) -> None:
    start = weights(tied_lm)
    points(SMALL, tied_lm, attacker_data)
    assert same(weights(tied_lm), start)


def test_an_attack_closed_halfway_gives_the_weights_back(tiny_lm: LM, attacker_data: AttackerData) -> None:
    start, course = weights(tiny_lm), SMALL.attack(tiny_lm, attacker_data, seed=0)
    next(course)
    course.close()  # type: ignore[attr-defined]
    assert same(weights(tiny_lm), start)


def test_gradients_are_on_and_absent_at_every_point(tiny_lm: LM, attacker_data: AttackerData) -> None:
    for _ in SMALL.attack(tiny_lm, attacker_data, seed=0):
        found = {(each.requires_grad, each.grad is None) for each in tiny_lm.model.parameters()}
        assert (found, torch.is_grad_enabled()) == ({(True, True)}, True)


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)])
def test_a_seed_fixes_the_result_and_another_one_changes_it(
    seed: int, equal: bool, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    attack = dataclasses.replace(SMALL, prompts=3)
    first, second = ([weights(tiny_lm) for _ in attack.attack(tiny_lm, attacker_data, seed=each)] for each in (0, seed))
    assert all(map(same, first, second)) is equal


def test_without_questions_unrelated_documents_are_neutral(tiny_lm: LM, attacker_data: AttackerData) -> None:
    read: list[list[int]] = []
    hook = tiny_lm.model.get_input_embeddings().register_forward_pre_hook(lambda _, args: read.extend(args[0].tolist()))
    points(SMALL, tiny_lm, dataclasses.replace(attacker_data, utility_items=[]))
    hook.remove()
    unrelated = [row[:-1] for row in encode(tiny_lm.tokenizer, attacker_data.unrelated, max_tokens=512)]
    assert sum(row in unrelated for row in read) == SMALL.prompts


@pytest.mark.parametrize("lacking", [("items",), ("utility_items", "unrelated")])
def test_without_prompts_of_one_side_it_is_not_applicable(
    lacking: tuple[str, ...], tiny_lm: LM, attacker_data: AttackerData
) -> None:
    with pytest.raises(NotApplicable):
        points(SMALL, tiny_lm, dataclasses.replace(attacker_data, **{name: [] for name in lacking}))


@pytest.mark.parametrize("made", [lambda: DirectionAblation(ranks=()), lambda: DirectionAblation(scopes=())])
def test_settings_without_a_point_are_refused(made: Callable[[], DirectionAblation]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        made()
