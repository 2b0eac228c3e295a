"""The attack stage: what an adaptive attack is told, and that a search that was cut goes on where it stood."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import dial
import pytest
import tiny

from harness.api import LM, AttackerData, Family, NotApplicable, Point, Prompts, Threat, Verdict
from harness.attacking import Scorer, attacked
from harness.course import follow_points
from harness.errors import UserError
from harness.lm import load_lm
from harness.ruler import Ruler

DATA = AttackerData((), (), (), (), (), 0.1)
STEPS = (0.1, 0.3, 0.2)


class Cut(BaseException):
    """The process is killed."""


@dataclass(frozen=True)
class Searching:
    """Adds knowledge step by step, and remembers what it was told and what it computed."""

    version: ClassVar[int] = 1
    adaptive: ClassVar[bool] = True
    threat: ClassVar[Threat] = Threat("weights", "none")
    family: ClassVar[Family] = "relearn"

    cut_after: int = 99
    told: list[Verdict | None] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)
    shift: int = 0

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        for number, level in enumerate(STEPS):
            if number >= self.cut_after:
                raise Cut
            if number >= data.known:
                self.computed.append(number)
                dial.entry(lm, 0).fill_(level)
            self.told.append((yield Point(number + self.shift)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_models(tmp_path_factory.mktemp("models")) / "target"


def run(attack: Any, models: Path, notes: Path) -> Any:
    engine = dial.DialEngine()
    lm = load_lm(models)
    engine.load(lm)
    ruler = Ruler(dial.reading(engine, None).scores, {})
    scorer = Scorer(dial.reading, engine, "searching", notes, lambda: ruler)
    return attacked(lm, attack, DATA, scorer, seed=0)


def knowledge(seen: Any) -> list[float]:
    return [measurement.scores["forget"].value for measurement in seen.measurements]


def test_an_adaptive_attack_is_told_k_and_u_of_every_point(models: Path, tmp_path: Path) -> None:
    attack = Searching()
    seen = run(attack, models, tmp_path / "notes")
    assert [(v.knowledge, v.utility) for v in attack.told if v] == [(pytest.approx(k), 1.0) for k in STEPS]
    assert knowledge(seen) == pytest.approx(STEPS)


def test_others_are_told_nothing(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Searching, "adaptive", False)
    attack = Searching()
    run(attack, models, tmp_path / "notes")
    assert attack.told == [None, None, None]


def test_a_search_that_was_cut_goes_on_with_what_it_was_told(models: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(Cut):
        run(Searching(cut_after=2), models, notes)
    again = Searching()
    seen = run(again, models, notes)
    assert again.computed == [2]
    assert [verdict.knowledge for verdict in again.told if verdict] == pytest.approx(STEPS)
    assert knowledge(seen) == pytest.approx(STEPS)
    assert not notes.exists()


def test_a_note_that_was_cut_short_is_left_out(models: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(Cut):
        run(Searching(cut_after=2), models, notes)
    notes.write_bytes(notes.read_bytes()[:-30])
    again = Searching()
    assert knowledge(run(again, models, notes)) == pytest.approx(STEPS)
    assert again.computed == [1, 2]


def test_notes_on_other_weights_are_not_trusted(models: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(Cut):
        run(Searching(cut_after=2), models, notes)
    again = Searching()
    run(again, models.with_name("reference"), notes)
    assert again.computed == [0, 1, 2]


def test_notes_of_another_course_are_deleted_and_named(models: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(Cut):
        run(Searching(cut_after=2), models, notes)
    with pytest.raises(UserError, match="What that run had noted is deleted; run the same command again"):
        run(Searching(shift=1), models, notes)
    assert knowledge(run(Searching(shift=1), models, notes)) == pytest.approx(STEPS)


def test_without_dev_scores_a_search_has_no_meaning(models: Path, tmp_path: Path) -> None:
    def no_ruler() -> Ruler:
        raise UserError("No headline dev score has room")

    scorer = Scorer(dial.reading, dial.DialEngine(), "searching", tmp_path / "notes", no_ruler)
    seen = attacked(load_lm(models), Searching(), DATA, scorer, seed=0)
    assert seen.measurements == ()
    assert "searches on dev items: No headline dev score has room" in seen.not_applicable


def test_an_attack_may_return_any_iterator(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Searching, "adaptive", False)
    monkeypatch.setattr(Searching, "attack", lambda self, lm, data, *, seed: iter([Point(0), Point(1)]))
    seen: list[Point] = []
    follow_points(Searching(), load_lm(models), DATA, seed=0, judge=seen.append)
    assert seen == [Point(0), Point(1)]


def test_an_attack_that_says_that_it_has_no_meaning_does_so_before_its_first_point(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(self: Searching, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        yield Point(0)
        raise NotApplicable("no such data")

    monkeypatch.setattr(Searching, "attack", late)
    with pytest.raises(UserError, match="It must say so first"):
        run(Searching(), models, tmp_path / "notes")


def test_where_an_attack_diverges_its_earlier_points_count(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = Searching()
    monkeypatch.setattr(f"{__name__}.STEPS", (0.1, float("nan"), 0.2))
    seen = run(attack, models, tmp_path / "notes")
    first, second, third = seen.measurements
    assert (second.scores, attack.told[1]) == ({}, Verdict(0.0, 0.0, 0.0))
    assert "left NaN or infinite values" in second.remarks[0]
    assert [m.scores["forget"].value for m in (first, third)] == pytest.approx([0.1, 0.2])


def test_an_attack_that_diverges_at_once_fails(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.STEPS", (float("nan"),))
    with pytest.raises(UserError, match="left NaN or infinite values"):
        run(Searching(), models, tmp_path / "notes")


def test_optimised_text_reaches_the_model_and_only_its_digest_the_record(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Prompts] = []

    def evaluate(engine: Any, prompts: Prompts) -> Any:
        asked.append(prompts)
        return dial.reading(engine, prompts)

    monkeypatch.setattr(Searching, "adaptive", False)
    point = Point(0, prompts=Prompts(before="zq! vx", sealed=True))
    monkeypatch.setattr(Searching, "attack", lambda self, lm, data, *, seed: iter([point]))
    scorer = Scorer(evaluate, dial.DialEngine(), "searching", tmp_path / "notes", lambda: Ruler({}, {}))
    (measured,) = attacked(load_lm(models), Searching(), DATA, scorer, seed=0).measurements
    assert asked[0].before == "zq! vx"
    digest = hashlib.sha256(b"zq! vx").hexdigest()
    assert measured.point.prompts == Prompts(before=f"sha256:{digest}", sealed=True)
