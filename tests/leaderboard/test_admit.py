"""Somebody hands in whatever he likes, and no row but his own changes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sites import data, pages, site
from synthetic import CARD, COST, controls, moved, record, score, stop

from harness.archive import MOST_BAD
from harness.record import Cost, Measurement, Record, Score
from leaderboard.collection import Change, Collection, Submission
from leaderboard.submissions.admit import Gate, admitted
from leaderboard.submissions.check import check, sorted_problems
from leaderboard.submissions.pack import pack

RELEARN = {"attack": "relearn", "family": "relearn"}


def row(name: str, k: float, **more: Any) -> list[Record]:
    """A whole row under the panel: before attack, and two stops of one series."""
    return [record(name, [stop(0.1)], **more), record(name, [stop(0.1), stop(k, budget=9)], **RELEARN, **more)]


def own() -> list[Record]:
    made = [
        *controls(),
        record("original", [stop(1.0), stop(1.0, budget=9)], role="original", **RELEARN),
        record("never", [stop(0.0), stop(0.0, budget=9)], role="reference", **RELEARN),
    ]
    return [*made, *row("graddiff", 0.4), *row("npo", 0.6)]


def handed(records: list[Record], folder: str = "guest") -> Submission:
    return Submission(folder, "Guest", ("G.",), {}, "CC-BY-4.0", "2026-11-27", "", tuple(records))


def others(out: Path) -> list[dict[str, Any]]:
    """Everything that the board says of the maintainers' rows."""
    return [line for line in data(out)["rows"] if line["method"] != "guest"]


def test_a_row_of_ones_own_stands(tmp_path: Path) -> None:
    found = data(site(own(), tmp_path, submissions=(handed(row("guest", 0.2)),)))["rows"]
    assert [line["method"] for line in found if line["section"] == "ranked"] == ["guest", "graddiff", "npo"]


def forged(change: Callable[[Record], Record]) -> list[Record]:
    return [change(one) for one in row("guest", 0.2)]


def diagnostic(one: Record) -> Record:
    return replace(one, attack=replace(one.attack, threat=replace(one.attack.threat, diagnostic=True)))


def cut(one: Record) -> Record:
    return replace(one, measurements=one.measurements[:1])


def bare(one: Record) -> Record:
    """No items behind the scores, which are as good as can be."""
    scores = {n: replace(s, items=(), value=0.0, stderr=0.0) for n, s in one.measurements[0].scores.items()}
    return replace(one, measurements=tuple(replace(m, scores=scores) for m in one.measurements))


def longer(one: Record) -> Record:
    """Eight items more than everybody has."""
    more = {"qa": score(0.1, items=208), "use": score(1.0, "utility", items=208)}
    return replace(one, measurements=tuple(replace(m, scores={**m.scores, **more}) for m in one.measurements))


def cheap(one: Record) -> Record:
    return replace(one, unlearn_cost=Cost(1.0, 1, 1.0, 1.0, 1, 1, 1.0, 0.0))


def scored(one: Record, more: dict[str, Score]) -> Record:
    """Further scores at every stop."""
    return replace(one, measurements=tuple(replace(m, scores={**m.scores, **more}) for m in one.measurements))


def twin(k: float) -> Measurement:
    """The weights of the unattacked model, scored otherwise."""
    return replace(stop(k), fingerprint=stop(0.1).fingerprint)


HOSTILE = {
    "another original": [record("original", [stop(0.5)], role="original", seed=7)],
    "another control": [record("never", [stop(0.9)], role="reference", seed=s) for s in range(5)],
    "a method that says it is a control": row("guest", 0.9, role="reference"),
    "a cell of the board, newer": [
        replace(r, provenance=replace(r.provenance, started="2099-01-01T00:00:00")) for r in row("npo", 1.0)
    ],
    "a seed of somebody's row": row("npo", 1.0, seed=5),
    "half a seed of somebody's row": row("npo", 1.0, seed=5)[:1],
    "somebody's row as a control": [
        record("npo", [stop(0.1)], role="reference", attack="sly", family="prompt"),
    ],
    "an attack called none on somebody's row": [record("npo", [stop(0.9)], attack="calm", family="none", seed=1)],
    "a diagnostic of the panel's attack": forged(diagnostic),
    "a title and a notice": forged(lambda r: replace(r, benchmark=replace(CARD, title="Hacked", notice="Buy coins."))),
    "full scale": forged(lambda r: replace(r, benchmark=replace(CARD, scale="full", notice=""))),
    "another board": [moved(one, {"v": 2}) for one in [*controls(), *row("guest", 0.0)]],
    "items that nobody has": forged(longer),
    "a unit of cost": [cheap(one) for one in row("guest", 0.2)],
    "another setting of graddiff": [cheap(one) for one in row("graddiff", 0.9, params={"lr": 1.0})],
    "a setting of npo that says it is tuned": [
        replace(one, method=replace(one.method, setting="tuned")) for one in row("npo", 0.9, params={"lr": 1.0})
    ],
    "another relearn": [
        record(name, [stop(0.1), stop(0.5, budget=9)], attack_params={"n": 2}, role=role, **RELEARN)
        for name, role in (("npo", "method"), ("never", "reference"))
    ],
    "a relearn of another family": [
        record("npo", [stop(0.5)], attack="relearn", family="edit", attack_params={"n": 2})
    ],
    "a seed that the row has not": [record("npo", [stop(0.9)], attack="sly", family="prompt", seed=7)],
    "budgets of another size": [
        record("guest", [stop(0.1)]),
        record("guest", [stop(0.1), stop(0.2, budget=9 * 10**9)], **RELEARN),
    ],
    "a budget without end": [record("npo", [stop(0.1), stop(0.2, budget=10**12)], attack="sly", family="relearn")],
    "nearly no cost": [replace(one, unlearn_cost=replace(COST, token_forwards=1e-18)) for one in row("guest", 0.2)],
    "an endless cost": [replace(one, unlearn_cost=replace(COST, token_forwards=1e17)) for one in row("guest", 0.2)],
    "a score that nobody has": forged(lambda r: scored(r, {"fame": score(1.0, "utility")})),
    "a diagnostic that nobody has": forged(
        lambda r: scored(r, {"fame": replace(score(1.0), axis="diagnostic", headline=False)})
    ),
    "a score as another one": forged(lambda r: scored(r, {"use": replace(score(1.0, "utility"), better="lower")})),
    "words about a metric": forged(
        lambda r: replace(
            r, measurements=tuple(replace(m, not_applicable={"leak": "Buy coins."}) for m in r.measurements)
        )
    ),
    "remarks": forged(
        lambda r: replace(r, measurements=tuple(replace(m, remarks=("Buy coins.",)) for m in r.measurements))
    ),
    "a dtype": [replace(one, provenance=replace(one.provenance, dtype="int1")) for one in row("guest", 0.2)],
    "a model that was mended": [record("npo", [stop(0.9, series="repaired")], attack="sly", family="finetune")],
    "an untouched model that drifts": [record("npo", [twin(0.9)], attack="sly", family="prompt")],
}


def fixed(line: dict[str, Any]) -> dict[str, Any]:
    """What a row says but for its place among others."""
    moving = ("rank_", "tier", "tied", "on_frontier")
    return {key: value for key, value in line.items() if not key.startswith(moving)}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_handed_in_changes_no_row_of_others(name: str, tmp_path: Path) -> None:
    plain = others(site(own(), tmp_path / "plain"))
    found = site(own(), tmp_path / "site", submissions=(handed(HOSTILE[name]),))
    mine = {line["entry"] for line in plain}
    assert [fixed(one) for one in others(found) if one["entry"] in mine] == [fixed(one) for one in plain]
    whole = "".join(pages(found).values())
    assert "Hacked" not in whole
    assert "Buy coins" not in whole
    assert "Scored by the engine engine float32 (version 1)." in whole
    assert all("Pocket benchmark, not results on real models." in text for text in pages(found).values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda r: replace(r, measurements=(), not_applicable="no") if len(r.measurements) > 1 else r,
            "does not apply",
        ),
        (cut, "has 1 stops of the series '', and every model has 2"),
        (bare, "has 0 items of"),
        (longer, "has 208 items of qa, and the board has 200"),
    ],
)
def test_less_than_everybody_measured_is_missing(change: Callable[[Record], Record], why: str, tmp_path: Path) -> None:
    found = site(own(), tmp_path, submissions=(handed(forged(change)),))
    lines = [line for line in data(found)["rows"] if line["method"] == "guest"]
    assert [line["section"] for line in lines] in ([], ["incomplete"])
    reasons = [Gate(own()).refusal(one) for one in forged(change)]
    assert any(why in reason for reason in reasons)


def test_the_first_folder_has_a_row_and_the_second_is_told(tmp_path: Path) -> None:
    two = (handed(row("guest", 0.2), "a"), handed(row("guest", 0.9), "b"))
    found = admitted(Collection(tuple(own()), submissions=two))
    assert [len(one.records) for one in found.submissions] == [2, 0]
    assert any("was handed in by a already" in problem for problem in found.problems)
    assert "was handed in by a already" in pages(site(own(), tmp_path, submissions=two))["changes.html"]


def test_credit_for_a_cell_goes_to_one() -> None:
    sly = [record("npo", [stop(0.9)], attack="sly", family="prompt")]
    found = admitted(Collection(tuple(own()), submissions=(handed(sly, "zzz"), handed(sly, "aaa"))))
    assert {one.folder: len(one.records) for one in found.submissions} == {"aaa": 1, "zzz": 0}


def test_a_badge_of_ones_own_is_not_worn() -> None:
    made = [replace(one, method=replace(one.method, fidelity="reproduced")) for one in row("guest", 0.2)]
    found = admitted(Collection(tuple(own()), submissions=(handed(made),)))
    assert {one.method.fidelity for one in found.submissions[0].records} == {""}


def test_a_withdrawn_entry_leaves_its_board_and_keeps_its_page(tmp_path: Path) -> None:
    (entry,) = (one["entry"] for one in data(site(own(), tmp_path / "a"))["rows"] if one["method"] == "npo")
    gone = Change("2026-11-27", "withdrawn", "An error was found.", entry)
    found = site(own(), tmp_path / "b", changes=(gone,))
    assert "npo" not in [one["method"] for one in data(found)["rows"]]
    assert "An error was found." in pages(found)[f"e/{entry}.html"]


NUMBERS = {
    "a cost beyond all bounds": lambda r: replace(r, unlearn_cost=replace(r.unlearn_cost, token_forwards=1e308)),
    "a cost below nothing": lambda r: replace(r, unlearn_cost=replace(r.unlearn_cost, tokens=-1)),
    "a budget below nothing": lambda r: at_first(r, lambda m: replace(m, point=replace(m.point, budget=-5))),
    "a budget without end": lambda r: at_first(r, lambda m: replace(m, point=replace(m.point, budget=10**400))),
    "an error beyond all bounds": lambda r: at_first(
        r, lambda m: replace(m, scores={n: replace(s, stderr=1e308, items=()) for n, s in m.scores.items()})
    ),
    "a date of another kind": lambda r: replace(r, provenance=replace(r.provenance, started="9999-}{x-")),
    "a name of four hundred letters": lambda r: recelled(r, "x" * 400),
    "a name without letters": lambda r: recelled(r, ""),
    "a name that turns around": lambda r: recelled(r, "evil\u202egnp"),
    "a name that is not all seen": lambda r: recelled(r, "np\u200bo"),
}


def at_first(made: Record, change: Callable[[Any], Any]) -> Record:
    return replace(made, measurements=(change(made.measurements[0]), *made.measurements[1:]))


def recelled(made: Record, name: str) -> Record:
    cell = replace(made.cell, method=replace(made.cell.method, name=name))
    return replace(made, cell=cell, id=cell.id)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_or_text_out_of_range_ends_the_check(name: str, tmp_path: Path) -> None:
    pack([NUMBERS[name](one) for one in row("guest", 0.2)], tmp_path / "entry")
    found = check(tmp_path / "entry", own())
    assert found.records == ()
    assert {problem.file.rsplit("/", 1)[0] for problem in found.problems if problem.fatal} == {"records/toy"}
    assert all(problem.where for problem in found.problems if problem.fatal)


def test_an_archive_of_empty_lines_is_left_after_a_few(tmp_path: Path) -> None:
    pack(row("guest", 0.2), tmp_path)
    next(tmp_path.rglob("*.records.gz")).write_bytes(gzip.compress(b"\n" * 300_000))
    told = [line for line in sorted_problems(check(tmp_path).problems) if "not a record" in line]
    assert len(told) == MOST_BAD


def test_a_file_nested_without_end_is_told(tmp_path: Path) -> None:
    pack(row("guest", 0.2), tmp_path)
    (tmp_path / "entry.toml").write_text("x = " + "[" * 5_000 + "]" * 5_000)
    assert any("entry.toml" in line for line in sorted_problems(check(tmp_path).problems))
