import pytest
import torch

from attacks.quantize import Quantize, normal_float, normal_float_levels, round_to_nearest
from harness.api import LM, AttackerData
from harness.train import linear_maps


def naive(weight: torch.Tensor, bits: int, size: int) -> torch.Tensor:
    out = weight.double().clone()
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], size):
            group = [float(x) for x in weight[row, start : start + size].double()]
            step = max(abs(x) for x in group) / (2 ** (bits - 1) - 1)
            for offset, x in enumerate(group):
                out[row, start + offset] = round(x / step) * step
    return out


@pytest.mark.parametrize("bits", [8, 4, 3])
@pytest.mark.parametrize("size", [4, 5, 12])
def test_rounding_equals_a_loop_over_groups_in_float64(bits: int, size: int) -> None:
    weight = torch.randn(3, 12, generator=torch.Generator().manual_seed(bits * size)).double()
    assert torch.allclose(round_to_nearest(weight, bits=bits, group_size=size), naive(weight, bits, size), atol=1e-12)


def test_a_hand_worked_group_of_three_bits() -> None:
    weight = torch.tensor([[3.0, -1.4, 0.6, -2.5]])  # step 1: levels -3..3, ties to even
    assert round_to_nearest(weight, bits=3, group_size=4).tolist() == [[3.0, -1.0, 1.0, -2.0]]


def test_group_size_zero_gives_each_row_its_own_step() -> None:
    weight = torch.tensor([[7.0, 0.4], [0.7, 0.4]])
    assert torch.allclose(round_to_nearest(weight, bits=4, group_size=0), torch.tensor([[7.0, 0.0], [0.7, 0.4]]))


def test_a_group_of_zeros_stays_zero() -> None:
    assert round_to_nearest(torch.zeros(2, 8), bits=4, group_size=4).eq(0).all()


def test_eight_bits_move_no_weight_by_more_than_half_a_step() -> None:
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(0)).double()
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((round_to_nearest(weight, bits=8, group_size=0) - weight).abs() <= step / 2 + 1e-12).all()


@pytest.mark.parametrize("world", ["tiny_lm", "tied_lm"])
def test_embedding_and_head_stay_bit_identical(
    world: str, attacker_data: AttackerData, request: pytest.FixtureRequest
) -> None:
    lm: LM = request.getfixturevalue(world)
    ends = [lm.model.get_input_embeddings().weight, lm.model.get_output_embeddings().weight]
    before = [weight.detach().clone() for weight in ends]
    for _ in Quantize(bits=(3,), nf4=False).attack(lm, attacker_data, seed=0):
        assert all(torch.equal(now, then) for now, then in zip(ends, before, strict=True))


def test_every_map_inside_the_blocks_holds_at_most_the_levels_of_its_grid(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    for _ in Quantize(bits=(3,), group_size=0, nf4=False).attack(tiny_lm, attacker_data, seed=0):
        rows = [row for linear in linear_maps(tiny_lm.model).values() for row in linear.weight]
        assert max(len(row.unique()) for row in rows) <= 7


def test_each_width_starts_from_the_weights_that_were_given(tiny_lm: LM, attacker_data: AttackerData) -> None:
    weight = tiny_lm.model.model.layers[0].mlp.up_proj.weight
    expected = round_to_nearest(weight.detach().clone(), bits=8, group_size=64)
    for point in Quantize(bits=(3, 8), nf4=False).attack(tiny_lm, attacker_data, seed=0):
        if point.series == "8-bit":
            assert torch.equal(weight, expected)


def test_the_series_name_the_width_and_need_no_forget_token(tiny_lm: LM, attacker_data: AttackerData) -> None:
    points = list(Quantize().attack(tiny_lm, attacker_data, seed=0))
    assert [(point.series, point.budget) for point in points] == [
        (name, 0) for name in ("8-bit", "4-bit", "3-bit", "NF4")
    ]


def test_the_levels_of_nf4_are_the_published_ones() -> None:
    found = normal_float_levels()
    some = {0: -1.0, 1: -0.6961928, 4: -0.28444138, 7: 0.0, 8: 0.0795803, 11: 0.33791524, 14: 0.72295684, 15: 1.0}
    assert len(found) == 16
    assert {place: found[place] for place in some} == pytest.approx(some, abs=1e-6)


def test_nf4_equals_the_naive_loop() -> None:
    weight = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    levels, flat, expected = normal_float_levels(), weight.flatten().tolist(), []
    for start in range(0, len(flat), 64):
        block = flat[start : start + 64]
        scale = max(map(abs, block))
        expected += [scale * min(levels, key=lambda level: abs(level - value / scale)) for value in block]
    torch.testing.assert_close(normal_float(weight), torch.tensor(expected).reshape(3, 50))


def test_nf4_of_zeros_and_of_its_own_levels_changes_nothing() -> None:
    levels = torch.tensor(normal_float_levels() * 4) * 0.3
    torch.testing.assert_close(normal_float(levels), levels)
    assert torch.equal(normal_float(torch.zeros(64)), torch.zeros(64))


def test_nf4_equals_that_of_bitsandbytes() -> None:
    library = pytest.importorskip("bitsandbytes", reason="needs bitsandbytes: compares with its kernels")
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    packed, state = library.functional.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    torch.testing.assert_close(normal_float(weight), library.functional.dequantize_4bit(packed, state))
