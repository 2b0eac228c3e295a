"""What of a record is held against the maintainers' own, and what it is called beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import CARD, COST, record, score, stop
from test_admit import RELEARN, at_first, handed, own, recelled, row

from harness.record import Match, Record, Spec
from leaderboard.collection import Collection
from leaderboard.derive import boards_of
from leaderboard.evidence import Witnesses
from leaderboard.labels import labels_of
from leaderboard.submissions.admit import admitted
from leaderboard.submissions.check import check
from leaderboard.submissions.gate import Gate
from leaderboard.submissions.pack import pack

SLY = {"attack": "sly", "family": "prompt"}


def refused(records: list[Record], known: list[Record] | None = None) -> set[str]:
    """Why each may not stand."""
    return {Gate(known or own()).refusal(one) for one in records}


def relearnt(budget: int) -> list[Record]:
    return [record("guest", [stop(0.1), stop(0.2, budget=budget)], **RELEARN)]


def with_cost(**fields: float) -> list[Record]:
    return row("guest", 0.2, cost=replace(COST, **fields))


def with_score(name: str, **fields: Any) -> list[Record]:
    def more(one: Any) -> Any:
        return replace(one, scores={**one.scores, name: replace(score(0.5, "utility"), **fields)})

    return [at_first(one, more) for one in row("guest", 0.2)]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (relearnt(18), ""),
        (relearnt(19), "has 19 forget tokens at a stop of '', and the board has 0, or 9 to 9"),
        (relearnt(4), "has 4 forget tokens at a stop"),
        ([record("npo", [stop(0.2, budget=900)], **SLY)], ""),
        (
            [record("npo", [stop(0.2, budget=901)], **SLY)],
            "has 901 forget tokens at a stop, and no attack of the board",
        ),
        (with_cost(token_forwards=2e6), ""),
        (
            with_cost(token_forwards=4e6),
            "says that unlearning took 4.002e+06 token passes, and the board's methods take",
        ),
        (with_cost(token_forwards=1.0, token_backwards=0.0), "says that unlearning took 1 token passes"),
        (with_score("fame"), "has a score 'fame', which no record of the board has"),
        (with_score("use", better="lower"), "has use with another axis, direction, split or chance than the board"),
        (with_score("use", chance=0.5), "has use with another axis, direction, split or chance than the board"),
        (row("never", 0.2, params={"x": 1.0}), "is called 'never' like a control of the board"),
        (
            [record("npo", [stop(0.2)], attack="relearn", family="edit", attack_params={"n": 2})],
            "is of another family or threat than the board's",
        ),
        ([record("npo", [stop(0.2)], access="prompts", attack_params={"n": 2}, **RELEARN)], "is of another family or"),
        ([record("npo", [stop(0.2)], seed=3, **SLY)], "is of seed 3, and the board has this row with seed 0 alone"),
    ],
)
def test_what_would_speak_for_others_is_refused(records: list[Record], why: str) -> None:
    found = refused(records)
    assert found == {""} if not why else any(one.startswith(why) for one in found)


def test_an_attack_needs_a_row_that_it_is_on() -> None:
    alone = (handed([record("guest", [stop(0.9)], **SLY)], "a"),)
    assert admitted(Collection(tuple(own()), submissions=alone)).submissions[0].records == ()
    both = (*alone, handed([*row("guest", 0.2), record("guest", [stop(0.9)], seed=1, **SLY)], "b"))
    found = admitted(Collection(tuple(own()), submissions=both))
    assert [len(one.records) for one in found.submissions] == [1, 2]
    assert any("on a row or a seed that is not there" in problem for problem in found.problems)


def labelled(more: list[Record]) -> dict[str, str]:
    """What each row and each attack is called, by key."""
    found = admitted(Collection(tuple(own()), submissions=(handed(more),)))
    (board,) = boards_of(found.records, extra=found.extra_attacks, guests=found.guests)
    return {**{r.key: r.label.text for r in board.rows}, **{a.key: a.label.text for a in board.attacks}}


@pytest.mark.parametrize("setting", ["", "tuned", "published"])
def test_a_method_of_the_board_keeps_its_name_and_another_setting_says_what_it_is(setting: str) -> None:
    more = row("npo", 0.9, params={"lr": 1.0})
    more = [replace(one, method=replace(one.method, setting=setting)) for one in more]
    found = labelled(more)
    assert found[own()[-1].cell.method.key] == "npo"
    assert found[more[0].cell.method.key] == "npo (lr=1)"


def test_an_attack_of_the_board_keeps_its_name_and_another_specification_has_its_card() -> None:
    more = record("npo", [stop(0.9, budget=9)], attack_params={"n": 2}, **RELEARN)
    more = replace(more, attack=replace(more.attack, summary="Mine."))
    found = labelled([more])
    assert found[own()[-1].cell.attack.key] == "relearn"
    assert found[more.cell.attack.key] == "relearn (n=2)"
    assert Gate(own()).carded(more).attack == own()[-1].attack


def test_a_label_that_would_read_like_another_one_or_fill_the_page_is_a_digest() -> None:
    mine = [Spec("npo", 1, {"lr": 1.0, "steps": 60}), Spec("npo", 1, {"lr": 2.0, "steps": 50})]
    sly, long = Spec("npo", 1, {"lr": "1, steps=60"}), Spec("npo", 1, {"x": "x" * 90})
    found = labels_of([*mine, sly, long], guests={sly.key, long.key})
    assert found[mine[0].key].text == "npo (lr=1, steps=60)"
    assert [found[one.key].variant for one in (sly, long)] == [sly.key[:6], long.key[:6]]


def test_what_all_was_handed_in_is_named_by_its_settings() -> None:
    both = [Spec("npo", 1, {"lr": lr}) for lr in (1.0, 2.0)]
    names = {both[0].key: "tuned", both[1].key: "published"}
    assert labels_of(both, names, guests=names.keys()) == labels_of(both, names)


def matched(records: list[Record]) -> list[Record]:
    """The same models where they keep a quarter of the knowledge."""
    cells = [replace(one.cell, match=Match("forget", 0.25)) for one in records]
    return [replace(one, cell=cell, id=cell.id) for one, cell in zip(records, cells, strict=True)]


def test_a_panel_is_a_board_s_own() -> None:
    """Rounding is run on the models as they are, and not where they were matched."""
    more = [record(name, [stop(0.2)], attack="round", family="edit") for name in ("graddiff", "npo")]
    mine = [*own(), *more, *matched([*row("graddiff", 0.4), *row("npo", 0.6)])]
    guest = matched([*row("guest", 0.2), record("guest", [stop(0.9)], attack="round", family="edit")])
    found = admitted(Collection(tuple(mine), submissions=(handed(guest),)))
    boards = boards_of(found.records, extra=found.extra_attacks, guests=found.guests)
    rows = {r.label.text: (r.section, r.k_star) for b in boards if b.match for r in b.rows if r.card.role == "method"}
    assert rows == {
        "graddiff": ("ranked", pytest.approx(0.4)),
        "npo": ("ranked", pytest.approx(0.6)),
        "guest": ("ranked", pytest.approx(0.2)),
    }


def test_an_attack_that_another_board_has_says_nothing_of_who_made_a_row() -> None:
    elsewhere = [record("npo", [stop(0.2)], benchmark="other", **SLY)]
    sly = handed([record("npo", [stop(0.9)], **SLY)])
    found = admitted(Collection((*own(), *elsewhere), submissions=(sly,)))
    mine = [one for one in found.records if (one.cell.method.name, one.cell.benchmark.name) == ("npo", "toy")]
    evidence = Witnesses(found).evidence(mine)
    assert (evidence.status, evidence.submissions, len(evidence.attackers)) == ("first-party", (), 1)


def test_what_was_handed_in_keeps_no_card_of_another_submission() -> None:
    def sly(method: str, summary: str) -> Record:
        made = record(method, [stop(0.9)], **SLY)
        return replace(made, attack=replace(made.attack, summary=summary))

    two = (handed([sly("npo", "First.")], "a"), handed([sly("graddiff", "Second.")], "b"))
    found = admitted(Collection(tuple(own()), submissions=two))
    assert {one.records[0].attack.summary for one in found.submissions} == {"First."}


def test_a_control_has_no_best_known() -> None:
    both = [record("npo", [stop(0.9)], **SLY), record("never", [stop(0.3)], role="reference", **SLY)]
    found = admitted(Collection(tuple(own()), submissions=(handed(both),)))
    (board,) = boards_of(found.records, extra=found.extra_attacks, guests=found.guests)
    assert {row.label.text for row in board.rows if row.best_known} == {"npo"}


TEXTS: dict[str, Callable[[Record], Record]] = {
    "a device": lambda r: replace(r, provenance=replace(r.provenance, device="x" * 101)),
    "a package": lambda r: replace(r, provenance=replace(r.provenance, packages={"torch\u202e": "1"})),
    "a commit": lambda r: replace(r, provenance=replace(r.provenance, commit="\x1b[2J")),
    "a setting": lambda r: replace(r, method=replace(r.method, setting="t" * 61)),
    "a badge": lambda r: replace(r, method=replace(r.method, fidelity="\u2066")),
    "a remark": lambda r: at_first(r, lambda m: replace(m, remarks=("x" * 301,))),
    "a remark of a point": lambda r: at_first(r, lambda m: replace(m, point=replace(m.point, remarks=("\u202e",)))),
    "a series": lambda r: at_first(r, lambda m: replace(m, point=replace(m.point, series="s" * 101))),
    "a reading": lambda r: at_first(r, lambda m: replace(m, point=replace(m.point, readings={"\u3164": 1.0}))),
    "a metric": lambda r: at_first(r, lambda m: replace(m, not_applicable={"x" * 101: "why"})),
    "why a metric has no meaning": lambda r: at_first(r, lambda m: replace(m, not_applicable={"leak": "x" * 301})),
    "the name of a score": lambda r: at_first(r, lambda m: replace(m, scores={**m.scores, "\u202euse": score(0.5)})),
    "a parameter": lambda r: specified(r, {"lr": "x" * 1_001}),
    "the name of a parameter": lambda r: specified(r, {" lr": 1.0}),
    "a number of a thousand digits": lambda r: specified(r, {"lr": 10**1_000}),
    "a list without end": lambda r: specified(r, {"lr": (1.0,) * 1_001}),
    "the words of a name": lambda r: recelled(r, "npo (tuned)"),
    "a date that is none": lambda r: started(r, "2026-19-39T29:59"),
    "a date to come": lambda r: started(r, "2099-01-01T00:00:00+00:00"),
    "no token in a step": lambda r: replace(r, unlearn_cost=replace(COST, steps=10, token_forwards=9.0)),
    "a cost next to nothing": lambda r: replace(r, unlearn_cost=replace(COST, steps=0, token_forwards=1e-18)),
}


def specified(made: Record, params: dict[str, Any]) -> Record:
    cell = replace(made.cell, method=replace(made.cell.method, params=params))
    return replace(made, cell=cell, id=cell.id)


def started(made: Record, when: str) -> Record:
    return replace(made, provenance=replace(made.provenance, started=when))


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_date_and_number_is_looked_at_before_it_is_shown(name: str, tmp_path: Path) -> None:
    pack([TEXTS[name](one) for one in row("guest", 0.2)], tmp_path / "entry")
    (tmp_path / "entry" / "entry.toml").write_text('method = "Guest"\n')
    found = check(tmp_path / "entry")
    assert found.records == ()
    assert any(problem.fatal for problem in found.problems)
    assert all(str(problem).isprintable() for problem in found.problems)


@pytest.mark.parametrize("when", ["2026-01-02T03:04", "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"])
def test_dates_that_the_harness_writes_are_taken(when: str, tmp_path: Path) -> None:
    pack([started(one, when) for one in row("guest", 0.2)], tmp_path / "entry")
    assert len(check(tmp_path / "entry").records) == 2


def test_an_entry_repeats_the_newest_card_of_the_board_and_not_any_that_it_finds() -> None:
    older = replace(own()[0], benchmark=replace(CARD, title="Old title", notice="Old notice."))
    older = replace(older, provenance=replace(older.provenance, started="2020-01-01T00:00:00"))
    known = [older, *own()[1:]]
    (handed_in,) = relearnt(9)
    carded = Gate(known).carded(replace(handed_in, benchmark=older.benchmark))
    assert carded.benchmark.title == CARD.title
    (found,) = boards_of([*known, carded], guests=frozenset({carded.id}))
    assert found.card == CARD
