"""What single pages say: the command that measures an entry again, controls by their names, one banner, one form."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sites import board, data, pages, site
from synthetic import controls, demo, many, moved, record, stop

from harness.record import BenchmarkCard, Record
from leaderboard.site.figures import KNOWLEDGE_RANGE, WIDE_STRIP, Axis
from leaderboard.site.panels import MOST

RELEARN = {"attack": "relearn", "family": "relearn"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(demo(), tmp_path_factory.mktemp("demo"))


def entry_page(out: Path, method: str) -> tuple[str, str]:
    """Id and text, tags left out."""
    (entry,) = (row["entry"] for row in data(out)["rows"] if row["method"] == method)
    return entry, html.unescape(re.sub(r"<[^>]+>", "", pages(out)[f"e/{entry}.html"]))


def test_an_entry_says_the_whole_command_that_measures_it_again(out: Path) -> None:
    entry, text = entry_page(out, "firm")
    assert f"harness leaderboard reproduce {entry} --results results/pocket\n" in text
    assert 'data-folders="--results results/pocket"' in board(out)


REPOSITORY = "https://code.example.org/they/unlearning"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known")
    return site([*controls(), record(stops=[stop(0.1)])], folder, repository=REPOSITORY)


def test_every_page_leads_to_a_report_that_says_whence_it_came(known: Path) -> None:
    found = pages(known)
    assert all(f'href="{REPOSITORY}/issues/new?title=On%20{address}"' in text for address, text in found.items())


def test_the_page_on_submitting_leads_to_the_repository(known: Path) -> None:
    assert f'href="{REPOSITORY}"' in pages(known)["submit.html"]


def test_references_name_the_repository(known: Path) -> None:
    assert f"url = {{{REPOSITORY}}}" in (known / "data" / "site.bib").read_text()
    assert f"Suite {data(known)['suite']}, {REPOSITORY}." in next((known / "data").glob("*.tex")).read_text()


def test_a_site_that_knows_none_leads_nowhere(out: Path) -> None:
    assert not any("issues/new" in text for text in pages(out).values())


def test_the_version_stands_apart_from_the_parameters(tmp_path: Path) -> None:
    made = [*controls(), record(stops=[stop(0.1)], params={"batch_size": 8})]
    _, text = entry_page(site(made, tmp_path), "alpha")
    assert re.search(r"version 1\s", text)
    assert "batch_size=8" in text


def test_pages_and_downloads_name_the_suite(out: Path) -> None:
    suite = data(out)["suite"]
    _, text = entry_page(out, "firm")
    assert f"{suite}: toy version 1, 3 ranked attacks\n" in text
    assert f"<bdi>{suite}: toy version 1, 3 ranked attacks</bdi>" in board(out)


@pytest.mark.parametrize(("role", "name"), [("original", "original"), ("reference", "never-learned")])
def test_controls_are_called_what_they_are(role: str, name: str, tmp_path: Path) -> None:
    made = [replace(r, method=replace(r.method, role=role)) for r in [record("zero", [stop(1.0)])]]  # type: ignore[arg-type]
    text = board(site([*made, record(stops=[stop(0.1)])], tmp_path))
    assert re.search(rf'<a href="e/zero-\w+\.html"><bdi>{name}</bdi></a><small>method <bdi>zero</bdi></small>', text)


def second(notice: str) -> list[Record]:
    card = BenchmarkCard("Second", "pocket", "toy", notice)
    return [moved(replace(r, benchmark=card), {"facts": 7}) for r in [*controls(), record(stops=[stop(0.1)])]]


def test_notices_of_several_boards_with_one_stamp_are_one_banner(tmp_path: Path) -> None:
    text = pages(site([*controls(), record(stops=[stop(0.1)]), *second("Another toy.")], tmp_path))["overview.html"]
    (banner,) = re.findall(r'<p class="banner"[^>]*><bdi>(.*?)</bdi>', text)
    assert banner == "Pocket benchmark, not results on real models. Only a toy. Another toy."


def test_one_entry_is_no_entries(tmp_path: Path) -> None:
    assert "1 entry: 1 first-party." in board(site([*controls(), record(stops=[stop(0.1)])], tmp_path))


def test_reasons_are_sentences_each_said_once(tmp_path: Path) -> None:
    made = [*controls(), record(stops=[stop(0.1)])]
    made += [record(attack=a, family="edit", not_applicable="the model has no blocks.") for a in ("prune", "round")]
    text = board(site(made, tmp_path))
    assert "<bdi>prune, round on alpha</bdi>: <bdi>The model has no blocks.</bdi></li>" in text


def test_the_remark_that_nearly_every_row_has_stands_on_the_entry_page_alone(tmp_path: Path) -> None:
    reference = record("never", [stop(0.3)], role="reference")
    out = site([controls()[0], reference, record(stops=[stop(0.1)])], tmp_path)
    assert "below the floor" not in board(out)
    assert "Below the floor." in entry_page(out, "alpha")[1]


def test_an_entry_draws_every_seed_before_and_after_its_worst_attack(tmp_path: Path) -> None:
    out = site(demo(seeds=2), tmp_path)
    (entry,) = (row["entry"] for row in data(out)["rows"] if row["method"] == "steady")
    axis = Axis(*KNOWLEDGE_RANGE, 7, WIDE_STRIP - 7)
    drawn = dict(re.findall(r'<path class="(seeds[ a-z]*)" d="([^"]+)"', pages(out)[f"e/{entry}.html"]))
    found = {name: [axis.datum(float(x)) for x in re.findall(r"M([\d.]+)", path)] for name, path in drawn.items()}
    assert found["seeds"] == pytest.approx([0.05, 0.07], abs=1e-3)
    assert found["seeds worst"] == pytest.approx([0.30, 0.32], abs=1e-3)
    assert 'class="seeds"' not in pages(site(demo(), tmp_path / "one"))[f"e/{entry}.html"]


def test_every_board_says_how_attacks_are_aggregated(out: Path) -> None:
    assert "the maximum over ranked attacks of the mean over items" in board(out)


def test_the_figure_leads_to_the_table(out: Path) -> None:
    assert '<a href="#board">The same numbers as a table</a>' in board(out)


def test_files_of_a_board_are_listed_before_those_of_entries(out: Path) -> None:
    names = re.findall(r'<th scope="row"><a href="([^"]+)"', pages(out)["data/index.html"])
    nested = ["/" in name for name in names]
    assert nested == sorted(nested)
    assert {True, False} == set(nested)


def test_what_stands_behind_all_panels_is_drawn_once(tmp_path: Path) -> None:
    sizes = []
    for rows in (MOST // 4, MOST // 2):
        found = pages(site(many(rows), tmp_path / str(rows)))
        (text,) = (text for address, text in found.items() if address.endswith("-details.html"))
        assert len(re.findall('class="ghost"', text)) == text.count('<ul class="panels">')
        assert text.count("<use ") == text.count("<li>\n<svg") - text.count('<ul class="panels">')
        sizes.append(len(text))
    assert sizes[1] < 2.2 * sizes[0]


def test_entries_carry_their_intervals_to_the_leader_under_every_attack(out: Path) -> None:
    text = (out / "assets" / "board-data.js").read_text().removeprefix("window.LB_DATA=").strip().rstrip(";")
    (found,) = json.loads(text)["boards"]
    apart = {entry["name"]: entry["apart"] for entry in found["entries"]}
    assert [entry["name"] for entry in found["entries"] if entry["id"] == found["leader"]] == ["steady"]
    assert apart["steady"] == [None] * len(found["attacks"])
    at = found["attacks"].index("relearn")
    low, high = apart["fragile"][at]
    assert low < 0.85 - 0.30 < high


def test_scripts_and_styles_stay_within_their_budgets(out: Path) -> None:
    size = {path.name: path.stat().st_size for path in (out / "assets").iterdir()}
    assert size["app.js"] + size["theme.js"] <= 20_000
    assert size["app.css"] <= 16_000
