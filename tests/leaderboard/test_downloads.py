"""Downloads: what a value is worth, who vouches for it, and files that no name can break."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sites import site
from synthetic import PROVENANCE, controls, demo, moved, record, stop

from harness.record import Match, Record, Score
from leaderboard.collection import Collection, Submission
from leaderboard.downloads.bib import methods_bibtex, site_bibtex
from leaderboard.downloads.cells import newest, suite
from leaderboard.downloads.files import board_files
from leaderboard.downloads.tables import to_csv
from leaderboard.downloads.tex import to_tex
from leaderboard.sampling import Estimate
from leaderboard.site.build import Pages
from leaderboard.site.site import Site, site_of
from leaderboard.stats import Interval

RELEARN: dict[str, Any] = {"attack": "relearn", "family": "relearn"}
SLY: dict[str, Any] = {"attack": "sly", "family": "prompt"}
POCKET = "Pocket benchmark, not results on real models."


def made_of(records: Iterable[Record], **more: Any) -> Site:
    return site_of(Collection(tuple(records), **more), draws=200)


def downloads(made: Site) -> dict[str, str]:
    """The files of the first board by the end of their names."""
    page = made.pages[0]
    entries = {e.line.row.key: e for e in made.entries if e.page is page}
    found = board_files(page.table, entries, release="Release 1.", guests=made.collection.guests)
    return {name.removeprefix(page.slug): text for name, text in found.items()}


def rows(made: Site, end: str = ".csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(downloads(made)[end])))


def tidy(made: Site, method: str, measure: str, attack: str = "") -> dict[str, str]:
    """One line of the tidy file, over seeds."""
    found = [r for r in rows(made, "-long.csv") if (r["method"], r["measure"]) == (method, measure) and not r["seed"]]
    (only,) = [row for row in found if row["attack"] == attack]
    return only


def handed(records: list[Record], *, authors: tuple[str, ...] = ("A. Sly",), problems: tuple[str, ...] = ()) -> Any:
    return Submission("sly", "Sly", authors, {}, "CC-BY-4.0", "2026-03-04", "", tuple(records), problems)


def rising(*ks: float) -> list[Record]:
    """Controls and a method under a relearning attack with these K at 100, 200, ... forget tokens."""
    curve = [stop(k, budget=100 * i, series="all") for i, k in enumerate(ks, 1)]
    flat = [stop(0.0, budget=m.point.budget, series="all") for m in curve]
    return [*controls({"relearn": ("relearn", flat)}), record(stops=[stop(0.1)]), record(stops=curve, **RELEARN)]


@pytest.mark.parametrize(
    ("ks", "value", "bound"),
    [((0.2, 0.3), "200.0", "lower"), ((0.6, 0.9), "100.0", "upper"), ((0.5, 0.9), "100.0", "upper")],
)
def test_a_censored_half_life_says_on_which_side(ks: tuple[float, ...], value: str, bound: str) -> None:
    row = tidy(made_of(rising(*ks)), "alpha", "t50_tokens")
    assert (row["value"], row["bound"], row["state"]) == (value, bound, "measured")


def test_a_half_life_between_two_budgets_is_no_bound() -> None:
    assert tidy(made_of(rising(0.4, 0.6)), "alpha", "t50_tokens")["bound"] == ""


@pytest.mark.parametrize("measure", ["k_star", "gain"])
def test_a_worst_case_with_gaps_is_a_lower_bound_and_one_without_is_none(measure: str) -> None:
    made = made_of(demo())
    assert [tidy(made, name, measure)["bound"] for name in ("patchy", "steady")] == ["lower", ""]
    assert tidy(made, "patchy", measure)["state"] == "measured"


def test_the_gain_of_a_row_with_gaps_is_a_bound_in_the_table_too() -> None:
    found = {row["method"]: row["gain_bound"] for row in rows(made_of(demo()))}
    assert (found["patchy"], found["steady"]) == ("lower", "")


def test_items_are_counted_where_a_value_has_any() -> None:
    made = made_of(demo(2))
    measures = ("k_star", "k_before", "utility", "gain", "excess_relearn", "t50_tokens", "cost_ratio")
    assert [tidy(made, "steady", measure)["n"] for measure in measures] == ["200"] * 5 + [""] * 2
    assert tidy(made, "steady", "k", "ask")["n"] == "200"


@pytest.mark.parametrize("measure", ["excess_relearn", "cost_ratio"])
@pytest.mark.parametrize("control", ["original", "never"])
def test_what_is_asked_of_methods_alone_is_not_applicable_to_controls(measure: str, control: str) -> None:
    assert tidy(made_of(demo()), control, measure)["state"] == "not_applicable"


def test_a_value_that_is_missing_says_why() -> None:
    bare = [record("original", [stop(1.0)], role="original"), record(stops=[stop(0.1)]), record("beta", [stop(0.1)])]
    made = made_of([*bare, record(stops=[stop(0.6)], **RELEARN), record("late", [stop(0.6)], **RELEARN)])
    wanted = {("alpha", "excess_relearn"): "not_applicable", ("beta", "aurc"): "not_run"}
    wanted |= {("alpha", "aurc"): "not_defined", ("late", "k_before"): "not_run", ("late", "gain"): "not_run"}
    assert {key: tidy(made, *key)["state"] for key in wanted} == wanted


def test_excess_without_the_attacked_control_was_not_run_and_without_relearning_does_not_apply() -> None:
    plain = [*controls(), record(stops=[stop(0.1)])]
    attacked = [*plain, record(stops=[stop(0.6)], **RELEARN)]
    states = [tidy(made_of(records), "alpha", "excess_relearn")["state"] for records in (plain, attacked)]
    assert states == ["not_applicable", "not_run"]


def test_every_stop_of_a_drawn_curve_is_in_the_data_with_what_it_takes() -> None:
    course = [stop(0.1), stop(0.4, budget=10), stop(0.7, 0.8, budget=100)]
    two = [stop(0.1), stop(0.2, budget=10)]
    records = [*controls(), record(stops=[stop(0.1)]), record(stops=course, **RELEARN)]
    found = rows(made_of([*records, record("beta", two, **RELEARN)]), "-curves.csv")
    shown = [(row["method"], int(row["budget_tokens"]), float(row["k"]), float(row["k_taken"])) for row in found]
    assert shown == [
        ("alpha", 0, pytest.approx(0.1), pytest.approx(0.1)),
        ("alpha", 10, pytest.approx(0.4), pytest.approx(0.4)),
        ("alpha", 100, pytest.approx(0.7), pytest.approx(0.1)),
    ]
    assert all(float(row["k_low"]) <= float(row["k"]) <= float(row["k_high"]) for row in found)


def test_k_that_cannot_be_formed_is_undefined() -> None:
    made = made_of([record(stops=[stop(0.1)])])
    assert [tidy(made, "alpha", name)["state"] for name in ("k_star", "k_before")] == ["not_defined"] * 2


def test_a_row_says_on_whose_word_it_stands() -> None:
    mine = [record("mine", [stop(0.1)])]
    own = [*controls(), record("ours", [stop(0.2)])]
    made = made_of(own, submissions=(handed(mine, authors=("A", "B"), problems=("a file is missing",)),))
    credit = "A, B (2026-03-04), whose files do not check"
    found = {row["method"]: (row["status"], row["date"], row["submitted_by"]) for row in rows(made)}
    assert found["mine"] == ("self-reported", "2026-01-02", credit)
    assert found["ours"] == ("first-party", "2026-01-02", "")
    assert found["never"][0] == "control"
    (shown,) = [row for row in json.loads(downloads(made)[".json"])["rows"] if row["method"] == "mine"]
    assert (shown["status"], shown["submitted_by"]) == ("self-reported", credit)


def test_the_best_known_attack_stands_in_the_data_with_credit() -> None:
    own = [*controls({"relearn": ("relearn", [stop(0.0)])}), record("firm", [stop(0.1)])]
    own += [record("firm", [stop(0.3)], **RELEARN)]
    found = [record("firm", [stop(0.9)], **SLY), record("never", [stop(0.0)], role="reference", **SLY)]
    made = made_of(own, submissions=(handed(found),))
    (row,) = [row for row in rows(made) if row["method"] == "firm"]
    shown = tuple(row[key] for key in ("best_known", "best_known_attack", "best_known_by", "status"))
    assert shown == ("0.9", "sly", "A. Sly (2026-03-04)", "first-party")


def with_auc(made: Record, auc: float) -> Record:
    score = Score(auc, 0.01, 100, "zero", "privacy", chance=0.5)
    (only,) = made.measurements
    return replace(made, measurements=(replace(only, scores={**only.scores, "auc": score}),))


def test_privleak_is_in_every_table_and_a_row_without_keeps_its_columns() -> None:
    original, never = controls()
    made = made_of([original, with_auc(never, 0.5), with_auc(record(stops=[stop(0.1)]), 0.6)])
    assert [row["privleak_auc"] and round(float(row["privleak_auc"]), 6) for row in rows(made)] == ["", 0.0, -0.2]
    assert all(row["seeds"] == "0" for row in rows(made))
    leak = tidy(made, "alpha", "privleak_auc")
    assert (float(leak["value"]), leak["n"]) == (pytest.approx(-0.2), "100")


def tex_of(*records: Record, k_star: Estimate | None = None) -> str:
    table = made_of([*controls(), *records]).pages[0].table
    lines = tuple(replace(line, k_star=k_star or line.k_star) for line in table.lines)
    return to_tex(replace(table, lines=lines), release="Newest record 2026-01-02.")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.45, 0.55, r"50.0{\scriptsize$\pm$5.0}"), (0.48, 0.60, r"50.0~{\scriptsize[48.0, 60.0]}")],
)
def test_an_uneven_interval_is_written_out_in_the_tex_as_on_the_page(low: float, high: float, text: str) -> None:
    assert text in tex_of(record(stops=[stop(0.1)]), k_star=Estimate(0.5, Interval(low, high)))


def test_a_negative_share_has_a_minus_of_mathematics_and_zero_has_none() -> None:
    assert "$-$2.1" in tex_of(record(stops=[stop(0.1)]), k_star=Estimate(-0.021))
    assert "-0.0" not in tex_of(record(stops=[stop(0.1)]), k_star=Estimate(-0.0001))


HOSTILE = ("}", "{{", "\\}{", "a & b \\\\ %$#_^~<>", "\\end{table}", "@misc{x,", "x\n@y")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_ends_a_brace_or_an_environment_of_the_tex(name: str) -> None:
    text = tex_of(record(name, [stop(0.1)]), record("b", [stop(0.1)], params={"way": name}))
    code = re.sub(r"(?m)^%.*$", "", text)
    opened: list[str] = []
    for verb, environment in re.findall(r"\\(begin|end)\{(\w+)\}", code):
        assert opened.append(environment) is None if verb == "begin" else opened.pop() == environment
    assert opened == []
    depths = [0]
    for token in re.findall(r"\\.|[{}]", code, flags=re.DOTALL):
        depths.append(depths[-1] + {"{": 1, "}": -1}.get(token, 0))
    assert (min(depths), depths[-1]) == (0, 0)
    cells = [re.sub(r"\\.", "", line).count("&") for line in code.splitlines() if line.endswith(r"\\") and "&" in line]
    assert set(cells) == {6}


def bibtex_read(text: str) -> dict[str, dict[str, str]]:
    """Entries as BibTeX reads them: whatever holds no @ is passed over, and every brace counts."""
    found: dict[str, dict[str, str]] = {}
    rest = text
    while "@" in rest:
        start = re.match(r"@misc\{([a-z0-9-]+),\n", rest := rest[rest.index("@") :])
        assert start
        assert start.group(1) not in found
        fields = found.setdefault(start.group(1), {})
        rest = rest[start.end() :]
        while field := re.match(r"\s*(\w+) = (?=\{)", rest):
            depth, at = 0, field.end()
            while depth or at == field.end():
                depth += {"{": 1, "}": -1}.get(rest[at], 0)
                at += 1
            fields[field.group(1)] = rest[field.end() + 1 : at - 1]
            assert rest[at] == ","
            rest = rest[at + 1 :]
        assert rest.startswith("\n}\n")
        rest = rest[3:]
    return found


def test_no_name_and_no_citation_breaks_the_references() -> None:
    named = [("method", name, f"{name} 2026") for name in HOSTILE] + [("attack", "plain", "2502.05374")]
    found = bibtex_read(methods_bibtex(named, notices=["Mail a@b{c."]))
    assert len(found) == len(HOSTILE) + 1
    assert found["attack-plain"]["eprint"] == "2502.05374"
    assert r"Source of \textbraceright{}: \textbraceright{} 2026" in {fields["note"] for fields in found.values()}


def test_the_site_s_reference_holds_whatever_a_release_is_called() -> None:
    made = newest([], frozenset())
    found = bibtex_read(site_bibtex(title="T {", release="R } @x{.", made=made, notices=["N {."]))
    assert list(found) == ["unlearning-under-attack"]


def test_references_carry_the_pocket_stamp_and_the_site_s_its_commit(tmp_path: Path) -> None:
    out = site([*controls(), record(stops=[stop(0.1)])], tmp_path)
    assert (out / "data" / "methods.bib").read_text().startswith(f"% {POCKET}")
    note = bibtex_read((out / "data" / "site.bib").read_text())["unlearning-under-attack"]["note"]
    assert POCKET in note
    assert f"Harness commit {PROVENANCE.commit[:12]}." in note


def test_the_newest_record_is_the_newest_of_the_maintainers_own() -> None:
    later = replace(PROVENANCE, started="2027-05-06T07:08", commit="fedcba9876543210", dirty=True)
    guest = replace(record("mine", [stop(0.1)]), provenance=later)
    made = made_of([*controls(), record("ours", [stop(0.2)])], submissions=(handed([guest]),))
    assert json.loads(downloads(made)[".meta.json"])["newest_record"] == PROVENANCE.started
    assert "2027" not in Pages(made).bibtex
    alone = newest([guest], frozenset({guest.id}))
    assert (alone.started, alone.commits) == (later.started, ("fedcba987654 with uncommitted changes",))


def test_the_suite_is_the_benchmark_and_the_ranked_attacks() -> None:
    def named(*records: Record, **more: Any) -> str:
        return suite(made_of([*controls(), *records], **more).pages[0].board)

    usual = [record(stops=[stop(0.1)]), record(stops=[stop(0.6)], **RELEARN)]
    first = named(*usual)
    assert named(*usual, record("beta", [stop(0.2)])) == first
    assert named(*usual, submissions=(handed([record(stops=[stop(0.9)], **SLY)]),)) == first
    assert named(*usual, record(stops=[stop(0.9)], **SLY)) != first
    assert named(usual[0], record(stops=[stop(0.6)], attack_params={"lr": 1.0}, **RELEARN)) != first
    other = [moved(one, {"facts": 7}) for one in (*controls(), *usual)]
    assert suite(made_of(other).pages[0].board) != first


def test_boards_that_are_matched_elsewhere_are_other_suites() -> None:
    usual = [record(stops=[stop(0.1)]), record(stops=[stop(0.6)], **RELEARN)]
    matches = [Match("forget", 0.25), Match("forget", 0.2), Match("utility", 0.95)]
    cells = [(one, replace(one.cell, match=match)) for match in matches for one in usual]
    made = made_of([*controls(), *usual, *(replace(one, id=cell.id, cell=cell) for one, cell in cells)])
    assert len({suite(page.board) for page in made.pages}) == len(made.pages) == 1 + len(matches)


def test_every_file_of_a_board_names_the_suite() -> None:
    made = made_of(demo())
    name = suite(made.pages[0].board)
    assert {end for end, text in downloads(made).items() if name not in text} == set()
    assert json.loads(downloads(made)[".meta.json"])["suite"] == json.loads(downloads(made)[".json"])["suite"] == name


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_text_that_a_spreadsheet_would_run_is_inert_and_a_number_is_itself(start: str) -> None:
    text = to_csv([{"name": f"{start}1", "value": -0.25, "count": -3}])
    assert next(csv.reader(io.StringIO(text.split("\n", 1)[1]))) == [f"'{start}1", "-0.25", "-3"]


def test_a_name_like_a_formula_is_inert_in_the_tidy_file_and_k_below_zero_is_a_number() -> None:
    below = [record("original", [stop(1.0)], role="original"), record("never", [stop(0.2)], role="reference")]
    made = made_of([*below, record("=x", [stop(0.1)])])
    assert float(tidy(made, "'=x", "k_before")["value"]) == pytest.approx(-0.125)
