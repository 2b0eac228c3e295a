"""RMU: the truncated forward, padding, and what trains."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.api import LM, Corpora
from harness.train import activations, direction, encode, pad, token_mean, truncated
from methods.rmu import RMU, toward, unmoved
from methods.rmu_lat import RMULAT


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


def test_the_retain_loss_equals_the_naive_one_at_moved_weights(tiny_lm: Callable[[], LM]) -> None:
    model, rows = tiny_lm().model, ([5, 9, 3], [8, 2])
    states = lambda: [model(torch.tensor([row]), output_hidden_states=True).hidden_states[2][0] for row in rows]  # noqa: E731
    kept, before = unmoved(truncated(model, 1)), torch.cat(states()).detach()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(1.1)
    expected = ((torch.cat(states()) - before) ** 2).sum() / (5 * 32)
    torch.testing.assert_close(kept(pad(rows, pad_id=0)), expected)


class Table(nn.Module):
    """A view whose state at a token is a vector of the token's own."""

    def __init__(self, vectors: list[list[float]]) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.tensor(vectors))

    def forward(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.vectors[input_ids])


def test_the_retain_loss_of_three_tokens_by_hand() -> None:
    # Token 0 moves by (1, 2), token 1 by nothing, token 2 by (0, -1): (5/2 + 0 + 1/2) / 3 = 1, padding left out.
    view = Table([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0], [9.0, 9.0]])
    kept = unmoved(view)
    view.vectors.data += torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.0, -1.0], [7.0, 7.0]])
    assert kept(pad([[0, 1], [2]], pad_id=3)).item() == pytest.approx(1)


@pytest.mark.parametrize("method", [RMU, RMULAT])
def test_a_weight_on_retaining_keeps_retain_states_nearer(
    tiny_lm: Callable[[], LM], corpora: Corpora, method: type[RMU | RMULAT]
) -> None:
    settings: dict[str, Any] = {"layer": 1, "train_layers": (0, 1), "steps": 8, "lr": 1e-2}
    settings |= {"attack_layer": 0} if method is RMULAT else {}
    apart = []
    for alpha in (0.0, 100.0):
        lm = tiny_lm()
        kept = unmoved(truncated(lm.model, 1))
        method(**settings, alpha=alpha).unlearn(lm, corpora, seed=0)
        apart.append(kept(pad(encode(lm.tokenizer, corpora.retain, max_tokens=64), pad_id=0)).item())
    assert apart[1] < 0.5 * apart[0]


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
