"""RMU: the truncated forward, padding, and what trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from harness.api import LM, Corpora
from harness.train import activations, direction, encode, pad, token_mean, truncated
from methods.rmu import RMU, toward, unmoved


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_truncated_forward_is_the_full_one_at_its_layer(tiny_lm: Callable[[], LM], layer: int) -> None:
    model, seen = tiny_lm().model, []
    batch = pad([[5, 9, 3], [8, 2, 1]], pad_id=0)
    hook = model.get_decoder().layers[layer].register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(batch.input_ids)
    hook.remove()
    torch.testing.assert_close(activations(truncated(model, layer), batch), seen[0], rtol=0, atol=0)


def test_a_truncated_view_shares_the_weights_and_leaves_the_model_whole(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view = truncated(model, 1)
    assert view.get_submodule("layers.1") is model.get_decoder().layers[1]
    assert len(model.get_decoder().layers) == 3


def test_a_layer_that_does_not_exist_is_refused(tiny_lm: Callable[[], LM]) -> None:
    with pytest.raises(ValueError, match="Layer 3 does not exist"):
        truncated(tiny_lm().model, 3)


def test_a_matrix_above_the_layer_is_refused(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    with pytest.raises(ValueError, match=r"layers\.2\.mlp\.down_proj\.weight"):
        RMU(layer=1, train_layers=(1, 2)).unlearn(tiny_lm(), corpora, seed=0)


def test_padding_does_not_move_the_losses(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view = truncated(model, 1)
    kept, misdirected = unmoved(view), toward(view, 3 * direction(model, 0))
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(1.1)
    for loss in (kept, misdirected):
        alone, filled = (loss(pad(rows, pad_id=0)) for rows in ([[5, 9, 3]], [[5, 9, 3], [7] * 9]))
        long = loss(pad([[7] * 9], pad_id=0))
        torch.testing.assert_close(filled, (3 * alone + 9 * long) / 12)


def test_the_misdirection_is_a_mean_over_tokens_and_width(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    view, target = truncated(model, 1), 3 * direction(model, 0)
    hidden = model(torch.tensor([[5, 9, 3]]), output_hidden_states=True).hidden_states[2]
    expected = ((hidden - target) ** 2).sum() / (3 * 32)
    torch.testing.assert_close(toward(view, target)(pad([[5, 9, 3]], pad_id=0)), expected)


def test_the_retain_loss_is_zero_at_the_start(tiny_lm: Callable[[], LM]) -> None:
    view = truncated(tiny_lm().model, 1)
    assert unmoved(view)(pad([[5, 9, 3], [8, 2]], pad_id=0)).item() == 0


def test_the_direction_is_a_unit_vector_of_the_seed(tiny_lm: Callable[[], LM]) -> None:
    model = tiny_lm().model
    unit = direction(model, 1)
    assert unit.norm().item() == pytest.approx(1)
    assert torch.equal(unit, direction(model, 1))
    assert not torch.equal(unit, direction(model, 2))


def test_only_the_named_matrices_train(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm, before = tiny_lm(), dict(tiny_lm().model.named_parameters())
    RMU(layer=1, train_layers=(0, 1), steps=2, lr=1e-3).unlearn(lm, corpora, seed=0)
    changed = {name for name, weight in lm.model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"model.layers.0.mlp.down_proj.weight", "model.layers.1.mlp.down_proj.weight"}


def test_an_adaptive_target_is_a_multiple_of_the_first_batchs_norm(tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    view, batch = truncated(lm.model, 1), pad(encode(lm.tokenizer, corpora.forget, max_tokens=64), pad_id=0)
    expected = 5 * token_mean(activations(view, batch).norm(dim=-1), batch)
    assert RMU(adaptive=5.0)._length(view, [batch]) == pytest.approx(expected.item())


def test_the_fixed_target_is_the_steering_coefficient(tiny_lm: Callable[[], LM]) -> None:
    view = truncated(tiny_lm().model, 1)
    assert RMU(steering_coeff=6.5)._length(view, [pad([[5, 9]], pad_id=0)]) == 6.5
