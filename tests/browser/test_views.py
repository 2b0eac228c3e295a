"""What a reader does with a board: asks for more utility, looks at all of it, follows addresses, copies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser_page import Page
from selenium.webdriver.common.keys import Keys
from sites import site
from synthetic import controls, record, stop

pytestmark = pytest.mark.browser
GATES = (0.0, 0.80, 0.90, 0.95)
ROWS = (
    "return [...document.querySelectorAll('#board tbody tr[id]')].filter(r => r.offsetParent !== null).map(r => ("
    "{section: r.parentElement.dataset.s, star: r.cells[2].innerText, rank: r.cells[0].innerText.split('\\n')[0]}))"
)


@pytest.fixture
def usual(sites: dict[str, Path]) -> Path:
    return sites["usual"]


def ask(page: Page, gate: int) -> None:
    page.do(
        "const e = document.getElementById('gate'); e.value = arguments[0]; e.dispatchEvent(new Event('change'))",
        str(gate),
    )


def sections(page: Page) -> dict[str, list[tuple[bool, float]]]:
    """By section, whether K* is a bound and what it is, from top to bottom."""
    found: dict[str, list[tuple[bool, float]]] = {}
    for row in page.do(ROWS):
        value = re.search(r"\d[\d.]*", row["star"])
        assert value
        found.setdefault(row["section"], []).append(("≥" in row["star"], float(value.group())))
    return found


@pytest.mark.parametrize("gate", range(len(GATES)))
@pytest.mark.parametrize("name", ["usual", "forty", "gaps"])
def test_under_every_gate_the_least_left_is_first_in_its_section_and_bounds_are_last(
    name: str, gate: int, sites: dict[str, Path], page: Page
) -> None:
    page.open(sites[name])
    ask(page, (gate + 1) % len(GATES))
    ask(page, gate)
    found = sections(page)
    found.pop("reference")
    assert found
    if GATES[gate] != 0.90:
        assert {section: sorted(rows) for section, rows in found.items()} == found
    ranked = [float(row["rank"].split("\N{EN DASH}")[0]) for row in page.do(ROWS) if row["section"] == "ranked"]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize(("gate", "words"), [(1, "u < 80 %"), (2, "u < 90 %"), (3, "u < 95 %")])
def test_the_heading_of_the_section_names_the_gate_that_was_asked_for(
    gate: int, words: str, sites: dict[str, Path], page: Page
) -> None:
    page.open(sites["gaps"])
    ask(page, 0)
    ask(page, gate)
    assert page.texts("[data-s=below_utility] .section th") == [f"Below the utility gate ({words})"]


def test_rows_are_sorted_by_the_rank_that_they_show(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["forty"])
    page.do("document.querySelectorAll('.sort')[0].click()")
    for gate in (3, 0):
        ask(page, gate)
        ranks = [int(row["rank"].split("\N{EN DASH}")[0]) for row in page.do(ROWS) if row["section"] == "ranked"]
        assert ranks == sorted(ranks)


SHOWN = (
    "const box = document.querySelector('#board').parentElement;"
    "const rows = [...document.querySelectorAll('#board tbody tr[id]')];"
    "return [box.scrollWidth, box.clientWidth, rows.map(row => row.offsetHeight)]"
)


@pytest.mark.parametrize("width", [1425, 1440])
def test_a_board_of_every_family_fits_a_usual_screen_with_two_lines_to_a_row(
    width: int, sites: dict[str, Path], page: Page
) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.open(sites["wide"])
    heads = page.texts("#board thead tr:last-child th")
    assert (
        sum(words.startswith(("Relearn", "Fine", "Edit", "Activ", "Embed", "Prompt", "PrivL")) for words in heads) == 7
    )
    needed, there, heights = page.do(SHOWN)
    assert needed <= there
    assert sorted(heights)[-2] < 50  # the longest name takes two lines of its own


@pytest.mark.parametrize("garbage", ["#e-constructor", "#e-toString", "#?sel=constructor,toString", "#?constructor=1"])
def test_an_address_that_names_a_part_of_the_language_is_ignored(garbage: str, usual: Path, page: Page) -> None:
    page.open(usual)
    start = page.do(ROWS)
    page.open(usual, fragment=garbage)
    assert page.severe() == []
    assert page.do("return window.LB_READY")
    assert page.do(ROWS) == start
    assert page.texts("#compare") == ["Compare"]
    assert page.texts("tr.target") == []


def test_the_way_to_the_table_keeps_the_view(usual: Path, page: Page) -> None:
    page.open(usual, fragment="#?q=firm")
    before = page.do(ROWS)
    page.do("document.querySelector('figcaption a').click()")
    page.driver.execute_async_script("setTimeout(arguments[0], 50)")
    assert page.do("return location.hash") == "#board"
    assert page.do(ROWS) == before


def test_the_drawer_says_the_same_command_as_the_page_of_the_entry(usual: Path, page: Page) -> None:
    page.open(usual)
    link = "document.querySelector('[data-s=ranked] a[href$=\"#evidence\"]')"
    address = page.do(f"return {link}.getAttribute('href').split('#')[0]")
    page.do(f"{link}.click()")
    said = dict(zip(page.texts("#drawer dt"), page.texts("#drawer dd"), strict=True))
    page.open(usual, address)
    there = dict(zip(page.texts(".facts dt"), page.texts(".facts dd"), strict=True))
    assert said["Measure again"] == there["Measure again"]
    assert "--results results/pocket" in said["Measure again"]


def data_of(site: Path) -> dict[str, Any]:
    text = (site / "assets" / "board-data.js").read_text().removeprefix("window.LB_DATA=").strip().rstrip(";")
    return next(board for board in json.loads(text)["boards"] if len(board["entries"]) > 3)


def rows_of(page: Page) -> dict[str, list[str]]:
    found = page.do(
        "return [...document.querySelectorAll('#compared > .scroll:first-child tbody tr')]"
        ".map(r => [...r.cells].map(c => c.innerText.trim()))"
    )
    return {row[0]: row[1:] for row in found}


def test_single_attacks_are_compared_with_their_interval_to_the_leader_and_said_to_have_none_to_others(
    usual: Path, page: Page
) -> None:
    board = data_of(usual)
    ids = {entry["name"]: entry["id"] for entry in board["entries"]}
    leader = next(entry["name"] for entry in board["entries"] if entry["id"] == board["leader"])
    page.open(usual, "compare.html", fragment=f"#?a={ids['fragile']}&b={ids[leader]}")
    there = rows_of(page)["K after relearn"]
    page.open(usual, "compare.html", fragment=f"#?a={ids[leader]}&b={ids['fragile']}")
    back = rows_of(page)["K after relearn"]
    assert (there[3], back[3]) == ("worse", "better")
    assert "[" in there[2]
    page.open(usual, "compare.html", fragment=f"#?a={ids['fragile']}&b={ids['firm']}")
    rows = rows_of(page)
    assert {rows[name][3] for name in ("K after relearn", "K(0)")} == {"interval not precomputed"}


@pytest.mark.parametrize("address", ["about.html", "m/firm.html"])
def test_a_reference_is_copied_by_one_button(address: str, usual: Path, page: Page) -> None:
    page.open(usual, address)
    page.do("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    page.do("document.querySelector('.copy').focus()")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.driver.execute_async_script("setTimeout(arguments[0], 50)")
    assert str(page.do("return window.copied")).startswith("@misc{")
    assert page.texts(".copy") == ["Copied"]
    assert page.severe() == []


def test_without_a_script_no_button_promises_to_copy(usual: Path, page: Page) -> None:
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    page.open(usual, "about.html")
    page.command("Emulation.setScriptExecutionDisabled", value=False)
    assert page.texts(".copy") == []


def test_every_panel_shows_what_stands_behind_all(usual: Path, page: Page) -> None:
    (address,) = (str(p.relative_to(usual)) for p in usual.rglob("*-details.html") if "toy" in p.parts[-2])
    page.open(usual, address)
    widths = page.do("return [...document.querySelectorAll('.panels use')].map(u => u.getBBox().width)")
    first = page.do("return document.querySelector('.panels g').getBBox().width")
    assert len(widths) > 3
    assert all(abs(width - first) < 1 for width in widths)


def test_captions_are_read_on_a_small_screen_however_wide_their_table(usual: Path, page: Page) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=False)
    for address in ("overview.html", "m/firm.html", "a/relearn.html"):
        page.open(usual, address)
        far = page.do(
            "return [...document.querySelectorAll('caption:not(.visually-hidden)')].map(c => {"
            " c.closest('.scroll').scrollLeft = 120; const b = c.getBoundingClientRect(); return [b.left, b.right]; })"
        )
        assert far
        assert all(left >= 0 and right <= 360 for left, right in far), address


def test_the_drawer_leads_to_a_report_about_its_entry(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["rare"])
    page.do("document.querySelector('#board a[href$=\"#evidence\"]').click()")
    entry = page.texts("#drawer dd code")[0]
    asked = page.do("return document.querySelector('#drawer [data-report]').href")
    assert asked == f"https://example.org/they/unlearning/issues/new?title=Entry%20{entry}"


@pytest.fixture
def details(tmp_path: Path, page: Page) -> Page:
    """The page of every attack of a board under a question, a relearning attack, and one that owns the original."""
    made = [*controls(), record(stops=[stop(0.1)])]
    made += [record(stops=[stop(0.2)], attack="ask", family="prompt", access="text")]
    made += [record(stops=[stop(0.3)], attack="relearn", family="relearn")]
    made += [record(stops=[stop(0.4)], attack="peek", family="edit", base_model=True)]
    out = site(made, tmp_path)
    (address,) = out.rglob("*-details.html")
    return page.open(out, str(address.relative_to(out)))


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("", ["ask", "peek", "relearn"]),
        ("by('[name=access]').value = '0'", ["ask"]),
        ("by('[name=data]').selectedIndex = 1", ["ask", "peek", "relearn"]),
        ("by('[type=checkbox]').checked = true", ["ask", "relearn"]),
    ],
)
def test_attacks_are_filtered_by_threat_model(script: str, shown: list[str], details: Page) -> None:
    details.do(
        f"const by = s => document.querySelector('#threats ' + s); {script};"
        "by('select').dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert sorted(details.texts("#attacks thead a")) == shown
    assert len(details.texts("#attacks tbody tr:last-child td")) == len(shown)
    assert details.texts("#threats [role=status]") == [f"{len(shown)} of 3 attacks shown"]


def test_the_table_begins_in_view(usual: Path, page: Page) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=1440, height=1000, deviceScaleFactor=1, mobile=False)
    page.open(usual)
    assert page.do("return document.getElementById('board').getBoundingClientRect().top") < 1000
