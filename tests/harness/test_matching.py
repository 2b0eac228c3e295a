"""Matched models: the share of an update at which a level is met, and what a cell measures there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from fake_world import fixed_rate

from harness.api import LM, Evaluation, NotApplicable, Prompts, Score
from harness.cell import Match
from harness.lm import load_lm, save_lm
from harness.matching import STEPS, found_share, matched_share, move
from harness.plan import Plan
from harness.stages import Stages

PlanOf = Callable[..., Plan]
FORGET, UTILITY = Match("forget", 0.25), Match("utility", 0.95)
WHOLE = 8.0


def linear(forgets: float, costs: float) -> Callable[[float], tuple[float, float]]:
    """A line on which the whole update takes ``forgets`` of K and ``costs`` of u."""
    return lambda share: (1 - forgets * share, 1 - costs * share)


@pytest.mark.parametrize(
    ("match", "forgets", "costs", "share"),
    [
        (FORGET, 1.0, 0.0, 0.75),
        (FORGET, 0.8, 0.0, 30 / STEPS),  # 0.9375 exactly; the first step at or below the level
        (FORGET, 0.6, 0.0, 1.25),  # carried further than the method did
        (UTILITY, 1.0, 0.1, 0.5),
        (UTILITY, 1.0, 0.04, 1.25),
    ],
)
def test_the_share_is_where_a_line_meets_the_level(match: Match, forgets: float, costs: float, share: float) -> None:
    assert found_share(match, linear(forgets, costs)) == share


def test_a_model_that_keeps_its_knowledge_cannot_be_matched() -> None:
    with pytest.raises(NotApplicable, match=r"K on dev items stays above 0\.25 up to 1\.5 times its update"):
        found_share(FORGET, linear(0.4, 0.0))


def test_a_model_that_keeps_its_utility_however_far_it_goes_cannot_be_matched() -> None:
    with pytest.raises(NotApplicable, match=r"u on dev items stays at or above 0\.95 up to 1\.5 times its update"):
        found_share(UTILITY, linear(1.0, 0.0))


def test_a_model_that_breaks_at_once_cannot_be_matched() -> None:
    with pytest.raises(NotApplicable, match=r"u on dev items falls below 0\.95 with the first 32th"):
        found_share(UTILITY, linear(1.0, 5.0))


def test_few_models_are_scored() -> None:
    seen: list[float] = []
    found_share(FORGET, lambda share: (seen.append(share) or 1 - share, 1.0))
    assert len(seen) <= 6


@dataclass
class Weigh:
    """Serves one weight of a model, from which the benchmark below makes its scores."""

    seen: list[float] = field(default_factory=list)

    def load(self, lm: LM) -> str:
        self.seen.append(first_weight(lm).item())
        return ""

    def rest(self) -> None: ...


@dataclass(frozen=True)
class Line:
    """Scores that are linear in one weight: the original is at 0, a whole update at ``WHOLE``."""

    folder: str
    split: str = "dev"

    def target(self) -> str:
        return self.folder

    def reference(self) -> str | None:
        return None

    def evaluate(self, engine: Weigh, prompts: Prompts) -> Evaluation:
        gone = engine.seen[-1] / WHOLE
        return Evaluation({"qa": self.score(1 - gone, "forget"), "use": self.score(1 - 0.1 * gone, "utility")})

    def score(self, value: float, axis: str) -> Score:
        return Score(value, 0.0, 9, "higher", axis, self.split, headline=True)  # type: ignore[arg-type]


def first_weight(lm: LM) -> torch.Tensor:
    return next(iter(lm.model.parameters())).view(-1)[0]


def lines(folder: Path, tiny_models: Path, split: str = "dev") -> tuple[Line, LM]:
    """A benchmark whose original has a zero there, and the model that a method moved to ``WHOLE``."""
    lm = load_lm(tiny_models / "target")
    with torch.no_grad():
        first_weight(lm).fill_(0.0)
        save_lm(lm, folder / "original")
        first_weight(lm).fill_(WHOLE)
    return Line(str(folder / "original"), split), lm


@pytest.mark.parametrize(("match", "share"), [(FORGET, 0.75), (UTILITY, 0.5)])
def test_models_are_matched_on_scores_of_the_weights_between(
    tmp_path: Path, tiny_models: Path, match: Match, share: float
) -> None:
    benchmark, lm = lines(tmp_path, tiny_models)
    assert matched_share(match, benchmark, Weigh(), lm) == share  # type: ignore[arg-type]
    assert first_weight(lm).item() == WHOLE  # put back
    move(lm, load_lm(benchmark.target()), share)
    assert first_weight(lm).item() == share * WHOLE


def test_reported_items_decide_nothing(tmp_path: Path, tiny_models: Path) -> None:
    benchmark, lm = lines(tmp_path, tiny_models, split="test")
    with pytest.raises(NotApplicable, match="No headline dev score has room"):
        matched_share(FORGET, benchmark, Weigh(), lm)  # type: ignore[arg-type]


def test_a_share_of_nothing_is_the_original_and_of_all_the_unlearned(tiny_models: Path) -> None:
    original, other = (load_lm(tiny_models / name) for name in ("target", "reference"))
    whole = [weights.clone() for weights in other.model.parameters()]
    move(other, original, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(other.model.parameters(), whole, strict=True))
    move(other, original, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(other.model.parameters(), original.model.parameters(), strict=True))


def test_a_matched_cell_is_attacked_at_its_share(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_is = plan_of().cells[-1]
    matched = replace(as_is, cell=replace(as_is.cell, match=FORGET))
    asked: list[Match] = []

    def half(match: Match, *others: object) -> float:
        asked.append(match)
        return 0.5

    monkeypatch.setattr("harness.stages.matched_share", half)
    stages = Stages(tmp_path / "scratch", "run", fixed_rate)
    whole, moved, again = stages(as_is), stages(matched), stages(matched)
    assert (whole.share, moved.share, asked) == (1.0, 0.5, [FORGET])  # found once for all attacks
    assert moved.measurements == again.measurements
    assert moved.measurements[0].fingerprint != whole.measurements[0].fingerprint


def test_a_cell_that_cannot_be_matched_is_a_record_with_the_reason(plan_of: PlanOf, tmp_path: Path) -> None:
    as_is = plan_of().cells[-1]
    record = Stages(tmp_path / "scratch", "run", fixed_rate)(replace(as_is, cell=replace(as_is.cell, match=FORGET)))
    assert record.measurements == ()
    assert record.not_applicable.startswith("no model can be matched: No headline dev score")


def test_the_identity_of_a_match_is_in_the_cell_and_not_in_the_weights(plan_of: PlanOf) -> None:
    cell = plan_of().cells[-1].cell
    places: Mapping[Match | None, str] = {m: replace(cell, match=m).id for m in (None, FORGET, UTILITY)}
    assert len(set(places.values())) == 3
    assert {replace(cell, match=m).unlearn_id for m in places} == {cell.unlearn_id}
