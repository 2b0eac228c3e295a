"""StableUN against the identities that its formulas imply (spec: methods, section 10 item 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from harness.api import LM, Corpora
from harness.train import Vector, combined, dot, norm
from methods.ga import GA
from methods.npo import NPO
from methods.simnpo import SimNPO
from methods.stableun import FAINT, Average, Gradients, Memory, StableUN, branches, harmonised

ONE_STEP: dict[str, Any] = {"steps": 1, "warmup": 0, "batch_size": 2, "lr": 1e-3}
F_TARGET, R_TARGET = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 1.0, -2.0])


class Quartic:
    """Two smooth losses of three weights with known gradients; the forget loss counts where it was asked."""

    def __init__(self, *, retain_target: Tensor = R_TARGET) -> None:
        self.weight = nn.Parameter(torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64))
        self.retain_target = retain_target.double()
        self.asked: list[Tensor] = []

    def forget(self, factor: float) -> list[Tensor]:
        self.asked.append(self.weight.detach().clone())
        return [factor * (self.weight.detach() - F_TARGET) ** 3]

    def retain(self, factor: float) -> list[Tensor]:
        return [factor * (self.weight.detach() - self.retain_target) ** 3]

    def at(self, point: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [(point - F_TARGET) ** 3], [(point - self.retain_target) ** 3]


def step(method: StableUN, world: Quartic, *, average: Average | None = None, seed: int = 0) -> list[Tensor]:
    memory = Memory(average or Average(0, 0.9), torch.Generator().manual_seed(seed))
    return method.step_gradient([world.weight], Gradients(world.forget, world.forget, world.retain), memory)


def close(found: list[Tensor], expected: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("split", ["paper", "clean"])
@pytest.mark.parametrize("family", ["sap", "gpn", "gap", "hws"])
def test_without_feedback_it_is_the_base_step(split: Any, family: Any) -> None:
    world = Quartic()
    method = StableUN(families=(family,), split=split, forget_feedback=0.0, retain_feedback=0.0, rho=0.2)
    close(step(method, world), world.at(world.weight.detach())[0])


@pytest.mark.parametrize("split", ["paper", "clean"])
def test_without_conflict_it_is_the_gradient_of_equation_10(split: Any) -> None:
    world = Quartic(retain_target=F_TARGET + 0.1)
    method = StableUN(rho=0.2, alpha=0.3, forget_feedback=0.7, retain_feedback=1.5, split=split)
    start = world.weight.detach().clone()
    (a,), _ = world.at(start)
    temporary = start - 0.3 * a / a.norm()
    (g,), (r,) = world.at(temporary)
    (f,), _ = world.at(temporary + 0.2 * g / g.norm())
    close(step(method, world), [a + 0.7 * f + 1.5 * r])


def test_without_a_temporary_step_sap_is_sam_plus_retain() -> None:
    world = Quartic()
    method = StableUN(rho=0.2, alpha=0.0, project="off", forget_feedback=0.7, retain_feedback=1.5)
    start = world.weight.detach().clone()
    (a,), (r,) = world.at(start)
    (sam,), _ = world.at(start + 0.2 * a / a.norm())
    close(step(method, world), [a + 0.7 * sam + 1.5 * r])


def test_alpha_is_rho_unless_it_is_given() -> None:
    worlds = Quartic(), Quartic()
    close(step(StableUN(rho=0.2), worlds[0]), step(StableUN(rho=0.2, alpha=0.2), worlds[1]))


@pytest.mark.parametrize(("inner", "length"), [("unit", 0.01), ("sgd", 0.01)])
def test_the_temporary_step_has_length_alpha_or_follows_the_gradient(inner: Any, length: float) -> None:
    world = Quartic()
    step(StableUN(families=("hws",), alpha=length, inner=inner, average_share=0.0), world)
    (a,), _ = world.at(world.asked[0])
    expected = length if inner == "unit" else length * a.norm().item()
    assert (world.asked[1] - world.asked[0]).norm().item() == pytest.approx(expected)


def test_the_first_family_moves_by_rho_towards_remembering() -> None:
    world = Quartic()
    step(StableUN(families=("sap",), rho=0.2), world)
    _, temporary, point = world.asked
    (g,), _ = world.at(temporary)
    close([point - temporary], [0.2 * g / g.norm()])


@pytest.mark.parametrize(("rho", "expected"), [(100.0, 0.01), (1e-4, None)])
def test_gap_follows_the_gradient_up_to_its_cap(rho: float, expected: float | None) -> None:
    world = Quartic()
    step(StableUN(families=("gap",), rho=rho, alpha=0.0, gap_step=0.01), world)
    (g,), _ = world.at(world.asked[0])
    factor = expected or rho / g.norm().item()
    close([world.asked[2] - world.asked[1]], [factor * g])


def test_gpn_draws_from_the_seed_and_takes_as_many_points_as_asked() -> None:
    method, worlds = StableUN(families=("gpn",), draws=3, rho_rel=0.1), [Quartic() for _ in range(3)]
    for world, seed in zip(worlds, (0, 0, 1), strict=True):
        step(method, world, seed=seed)
    first, again, other = (torch.stack(world.asked) for world in worlds)
    assert len(first) == 4
    assert torch.equal(first, again)
    assert not torch.equal(first[1:], other[1:])


def test_the_noise_of_gpn_has_its_size_relative_to_the_matrix() -> None:
    weight = nn.Parameter(torch.full((200, 200), 0.5))
    asked: list[Tensor] = []
    ask = lambda factor: asked.append(weight.detach().clone()) or [torch.ones(200, 200)]  # type: ignore[func-returns-value] # noqa: E731
    memory = Memory(Average(0, 0.9), torch.Generator().manual_seed(0))
    StableUN(families=("gpn",), rho_rel=0.1, alpha=0.0).step_gradient([weight], Gradients(ask, ask, ask), memory)
    assert ((asked[2] - asked[0]).norm() / weight.norm()).item() == pytest.approx(0.1, rel=0.02)


def test_hws_is_evaluated_between_the_temporary_point_and_the_average() -> None:
    world, average = Quartic(), Average(0, 0.9, weights=[torch.tensor([5.0, 5.0, 5.0], dtype=torch.float64)])
    step(StableUN(families=("hws",), rho=0.2, average_share=0.25), world, average=average)
    close([world.asked[1]], [0.75 * (world.asked[0] - 0.2 * _unit(world)) + 0.25 * 5.0])


def test_before_the_average_starts_hws_asks_at_the_temporary_point() -> None:
    world = Quartic()
    step(StableUN(families=("hws",), rho=0.2), world)
    close([world.asked[1]], [world.asked[0] - 0.2 * _unit(world)])


def test_several_families_are_averaged() -> None:
    settings: dict[str, Any] = {"rho": 0.2, "project": "off", "retain_feedback": 0.0}
    mixed = step(StableUN(families=("sap", "hws"), **settings), Quartic())
    single = [step(StableUN(families=(family,), **settings), Quartic()) for family in ("sap", "hws")]
    close(mixed, combined((0.5, single[0]), (0.5, single[1])))


def test_no_family_is_refused() -> None:
    with pytest.raises(ValueError, match="families is empty"):
        StableUN(families=())


@pytest.mark.parametrize("family", ["sap", "gpn", "gap", "hws"])
def test_the_weights_come_back_bit_for_bit(family: Any) -> None:
    world = Quartic()
    before = world.weight.detach().clone()
    step(StableUN(families=(family,), rho=0.3, rho_rel=0.3, draws=2), world)
    assert torch.equal(world.weight.detach(), before)


def test_under_conflict_the_sum_meets_the_retain_branch_with_its_own_square() -> None:
    forget, retain = [torch.tensor([1.0, 3.0])], [torch.tensor([-2.0, 0.5])]
    total = harmonised(forget, retain, project="conflict")
    assert dot(forget, retain) < 0
    assert dot(total, retain) == pytest.approx(dot(retain, retain), rel=1e-4)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e3])
def test_the_correction_is_never_longer_than_the_forget_branch(size: float) -> None:
    forget, retain = [torch.tensor([1.0, 3.0])], [size * torch.tensor([-2.0, -0.5])]
    total = harmonised(forget, retain, project="conflict")
    assert norm(combined((1, total), (-1, forget), (-1, retain))) <= norm(forget)


def test_the_guard_does_nothing_above_a_hundredth_and_halves_at_a_thousandth() -> None:
    forget, shares = [torch.tensor([1.0, 0.0])], []
    for size in (1e-2, 1e-3):
        retain = [torch.tensor([-size, 0.0])]
        total = harmonised(forget, retain, project="conflict")
        shares.append(norm(combined((1, total), (-1, forget), (-1, retain))))
    assert shares == [pytest.approx(1, abs=0.02), pytest.approx(0.5, abs=0.01)]


@pytest.mark.parametrize("scope", ["global", "module"])
@pytest.mark.parametrize("seed", range(10))
def test_a_projected_forget_branch_never_opposes_the_retain_branch(seed: int, scope: Any) -> None:
    noise = torch.Generator().manual_seed(seed)
    forget, retain = ([torch.randn(size, generator=noise).double() for size in (3, 5)] for _ in range(2))
    projected = combined((1, harmonised(forget, retain, project="conflict", scope=scope)), (-1, retain))
    pairs = zip(projected, retain, strict=True)
    meetings = [float(f @ r) for f, r in pairs] if scope == "module" else [dot(projected, retain)]
    assert min(meetings) >= -1e-4  # what the guard of the denominator leaves


def test_a_zero_retain_branch_gives_the_forget_branch() -> None:
    forget = [torch.tensor([1.0, 3.0])]
    assert torch.equal(harmonised(forget, [torch.zeros(2)], project="always")[0], forget[0])


@pytest.mark.parametrize(
    ("project", "agreeing", "conflicting"), [("off", False, False), ("conflict", False, True), ("always", True, True)]
)
def test_projection_happens_when_it_should(project: Any, agreeing: bool, conflicting: bool) -> None:
    forget = [torch.tensor([1.0, 3.0])]
    for retain, projected in (([torch.tensor([1.0, 1.0])], agreeing), ([torch.tensor([1.0, -1.0])], conflicting)):
        changed = not torch.equal(harmonised(forget, retain, project=project)[0], forget[0] + retain[0])
        assert changed == projected


def test_the_paper_split_gives_each_branch_half_of_the_nominal_gradient() -> None:
    for split, expected in (("paper", [3, 12]), ("clean", [5, 10])):
        a, f, r = ([torch.tensor([x])] for x in (4.0, 1.0, 10.0))
        assert [branch[0].item() for branch in branches(a, f, r, split=split)] == expected  # type: ignore[arg-type]


def test_the_average_starts_after_the_warm_up_and_then_follows() -> None:
    average, weight = Average(warmup=2, decay=0.9), torch.tensor([1.0])
    average.update([weight], 1)
    assert average.weights is None
    average.update([weight], 2)
    average.update([torch.tensor([2.0])], 3)
    assert average.weights is not None
    assert average.weights[0].item() == pytest.approx(1.1)


def test_a_step_under_conflict_equals_the_naive_one() -> None:
    world = Quartic(retain_target=torch.tensor([-1.0, 0.5, 2.0]))
    start = world.weight.detach().clone()
    (a,), _ = world.at(start)
    temporary = start - 0.3 * a / a.norm()
    (g,), (r,) = world.at(temporary)
    (f,), _ = world.at(temporary + 0.2 * g / g.norm())
    forget, retain = 0.5 * a + 0.7 * f, 0.5 * a + 4 * r
    assert forget @ retain < 0
    share = (forget @ retain) / (retain @ retain + 1e-6 * forget @ forget)
    method = StableUN(rho=0.2, alpha=0.3, forget_feedback=0.7, retain_feedback=4.0)
    close(step(method, world), [forget - share * retain + retain])


def test_by_module_only_a_tensor_in_conflict_is_projected() -> None:
    forget, retain = [torch.tensor([3.0]), torch.tensor([1.0])], [torch.tensor([2.0]), torch.tensor([-1.0])]
    total = harmonised(forget, retain, project="conflict", scope="module")
    assert [part.item() for part in total] == [5, pytest.approx(-1, abs=1e-5)]  # 3 + 2; 1 - 1 - 1


def test_as_one_vector_the_same_branches_do_not_conflict() -> None:
    forget, retain = [torch.tensor([3.0]), torch.tensor([1.0])], [torch.tensor([2.0]), torch.tensor([-1.0])]
    assert [part.item() for part in harmonised(forget, retain, project="conflict")] == [5, 0]


def test_length_units_decide_whether_branches_conflict() -> None:
    forget, retain = [torch.tensor([3.0]), torch.tensor([1.0])], [torch.tensor([2.0]), torch.tensor([-1.0])]
    total = harmonised(forget, retain, project="conflict", scales=torch.tensor([1.0, 3.0]))
    share = (6 - 9) / (4 + 9)  # 1 * 6 - 9 * 1 over 1 * 4 + 9 * 1
    assert [part.item() for part in total] == [pytest.approx(5 - 2 * share, rel=1e-4), pytest.approx(share, rel=1e-4)]


@pytest.mark.parametrize(("size", "told"), [(0.009, True), (0.011, False)])
def test_a_faint_retain_branch_is_told(size: float, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    harmonised([torch.tensor([3.0, 4.0])], [torch.tensor([5 * size, 0.0])], project="conflict")
    assert [record.msg for record in caplog.records] == [FAINT] * told


@pytest.mark.parametrize(
    ("base", "plain"),
    [
        ("npo", NPO(**ONE_STEP, retain_weight=0.0, reduce="mean", beta=0.3)),
        ("simnpo", SimNPO(**ONE_STEP, retain_weight=0.0, forget_weight=1.0, beta=0.3)),
        ("ga", GA(**ONE_STEP)),
    ],
    ids=["npo", "simnpo", "ga"],
)
def test_without_feedback_the_first_step_is_that_of_the_base(
    base: Any, plain: Any, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    bare = StableUN(**ONE_STEP, base=base, beta=0.3, forget_feedback=0.0, retain_feedback=0.0, split="clean")
    ended = []
    for method in (bare, plain):
        lm = tiny_lm()
        method.unlearn(lm, corpora, seed=0)
        ended.append([weights.detach() for weights in lm.model.parameters()])
    torch.testing.assert_close(ended[0], ended[1])


class Watched(StableUN):
    """Takes the nominal gradient for its step and notes whether the feedback would be the same."""

    same: ClassVar[list[bool]] = []

    def step_gradient(self, params: Vector, ask: Gradients, memory: Memory) -> list[Tensor]:
        found = ask.nominal(1.0)
        self.same.append(all(map(torch.equal, found, ask.feedback(1.0))))
        return found


@pytest.mark.parametrize(("query_batch", "same"), [("same", True), ("fresh", False)])
def test_feedback_comes_from_the_same_batch_or_a_fresh_one(
    query_batch: Any, same: bool, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    Watched.same.clear()
    Watched(steps=1, batch_size=2, query_batch=query_batch).unlearn(tiny_lm(), corpora, seed=0)
    assert Watched.same == [same]


def _unit(world: Quartic) -> Tensor:
    (a,), _ = world.at(world.asked[0])
    return a / a.norm()
