"""The site in a browser: opened from a disk and from a host, without a script, by keyboard, small, dark and printed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import html5lib
import pytest
from browser_page import Page
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
REVIEWED = {"color-contrast", "th-has-data-cells"}
"""What axe leaves to the eye: text over a pseudo-element (tints are measured below), and headings of sections that hold
no row."""
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
ROWS = "#board tbody tr[id]"
SHOWN = (
    "return [...document.querySelectorAll('#board tbody tr[id]')].filter(r => r.offsetParent !== null)"
    ".map(r => r.id.slice(2))"
)


def addresses(site: Path) -> list[str]:
    return [str(path.relative_to(site)) for path in sorted(site.rglob("*.html"))]


def kinds(site: Path) -> list[str]:
    """The largest page of every kind."""
    first: dict[str, str] = {}
    for address in sorted(addresses(site), key=lambda address: -(site / address).stat().st_size):
        folder = address.split("/")[0] if "/" in address else address
        text = (site / address).read_text()
        special = [mark for mark in ("<h1>Withdrawn", "<strong>Local preview.") if mark in text]
        special += ["matched"] if re.search("<h1>.*matched at", text) else []
        first.setdefault(" ".join(["details" if address.endswith("-details.html") else folder, *special]), address)
    return list(first.values())


@pytest.fixture
def usual(sites: dict[str, Path]) -> Path:
    return sites["usual"]


def board_json(site: Path, address: str = "index.html") -> dict[str, Any]:
    slug = re.search(r'data-board="([^"]+)"', (site / address).read_text())
    assert slug
    return dict(json.loads((site / "data" / f"{slug.group(1)}.json").read_text()))


# Opened from a disk, and from a host under a path.


@pytest.mark.parametrize("name", ["usual", "gaps", "hostile", "empty", "one", "rare"])
def test_every_page_opens_from_a_disk_without_an_error_or_a_request_elsewhere(
    name: str, sites: dict[str, Path], page: Page
) -> None:
    for address in addresses(sites[name]):
        page.open(sites[name], address)
        assert page.severe() == [], address
    outside = [url for url in page.requested() if not url.startswith((f"file://{sites[name]}", "data:", "about:"))]
    assert outside == []


@pytest.fixture
def host(usual: Path, tmp_path: Path) -> Iterator[str]:
    """The usual site under /x/y/ of a host."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").symlink_to(usual)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/x/y/"
        server.shutdown()


def test_every_page_opens_from_a_host_under_a_path(host: str, usual: Path, page: Page) -> None:
    for address in kinds(usual):
        page.driver.get(host + address)
        assert page.severe() == [], address
    assert [url for url in page.requested() if not url.startswith((host, "data:", "about:"))] == []


# For everybody.


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_axe_finds_nothing_on_any_kind_of_page(theme: str, width: int, sites: dict[str, Path], page: Page) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 700)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    for name, address in [(one, address) for one in ("usual", "rare", "empty") for address in kinds(sites[one])]:
        page.open(sites[name], address)
        page.do(AXE)
        found = page.driver.execute_async_script(
            "axe.run(document, {runOnly: arguments[0], preload: false}).then(arguments[1])", list(RULES)
        )
        told = [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found["violations"]]
        assert told == [], f"{name}: {address}"
        assert {one["id"] for one in found["incomplete"]} <= REVIEWED, address


def test_without_a_script_everything_is_there_and_no_control_is_dead(usual: Path, page: Page) -> None:
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    page.open(usual)
    page.command("Emulation.setScriptExecutionDisabled", value=False)
    rows = page.do("return [...document.querySelectorAll(arguments[0])].filter(r => r.offsetParent).length", ROWS)
    assert rows == len(board_json(usual)["rows"])
    assert page.texts("button, select, input, .controls") == []
    assert len(page.texts(".downloads a")) > 4
    assert page.do("return document.querySelectorAll('svg.strip').length") == rows


@pytest.mark.parametrize("name", ["usual", "hostile", "gaps"])
@pytest.mark.parametrize("width", [320, 360, 700, 1440])
def test_only_tables_and_figures_scroll_sideways(width: int, name: str, sites: dict[str, Path], page: Page) -> None:
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    for address in kinds(sites[name]):
        page.open(sites[name], address)
        assert page.do("return document.documentElement.scrollWidth <= innerWidth"), f"{address} at {width}"


def test_names_stay_in_place_on_wide_screens_only(usual: Path, page: Page) -> None:
    found = []
    for width in (600, 1440):
        page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.open(usual)
        found.append(page.do("return getComputedStyle(document.querySelector('#board tbody th[scope=row]')).position"))
    assert found == ["static", "sticky"]


def test_controls_are_large_enough_to_be_touched(usual: Path, page: Page) -> None:
    page.open(usual)
    small = page.do(
        "return [...document.querySelectorAll('button, select, input, summary')].filter(e => e.offsetParent)"
        ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.width < 24 || r.height < 24).map(([h]) => h)"
    )
    assert small == []


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_then_remembered(usual: Path, page: Page) -> None:
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    shade = "return getComputedStyle(document.body).backgroundColor"
    page.open(usual)
    dark = page.do(shade)
    page.do("document.getElementById('theme').click()")
    light = page.do(shade)
    page.open(usual, "about.html")
    assert (page.do(shade), dark != light) == (light, True)
    page.do("localStorage.clear()")


def test_a_browser_that_remembers_nothing_still_has_themes(usual: Path, page: Page) -> None:
    added = page.command(
        "Page.addScriptToEvaluateOnNewDocument",
        source="Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }})",
    )
    page.open(usual)
    page.do("document.getElementById('theme').click()")
    page.command("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    assert page.do("return document.documentElement.getAttribute('data-theme')") in ("light", "dark")
    assert page.severe() == []


def test_marks_stay_visible_in_forced_colours(usual: Path, page: Page) -> None:
    page.command("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    page.open(usual)
    fills = page.do(
        "return ['.strip .after', '.strip .before'].map(s => getComputedStyle(document.querySelector(s)).stroke)"
    )
    assert all(fill not in ("none", "rgba(0, 0, 0, 0)") for fill in fills)
    widths = page.do(
        "return ['tr.tied td.r', 'tr[id]:not(.tied) td.r'].map(s => getComputedStyle(document.querySelector(s)))"
        ".map(s => s.borderLeftStyle === 'none' ? 0 : parseFloat(s.borderLeftWidth))"
    )
    assert widths[0] > widths[1] == 0


def test_nothing_moves(usual: Path, page: Page) -> None:
    """Nothing to hold back from those who ask for less motion: neither an animation nor a transition is anywhere."""
    for address in kinds(usual):
        page.open(usual, address)
        moving = page.do(
            "return [...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
            " return s.animationName !== 'none' || s.transitionDuration !== '0s'; }).map(e => e.outerHTML.slice(0, 80))"
        )
        assert moving == [], address


def luminance(colour: list[float]) -> float:
    parts = [c / 255 / 12.92 if c <= 0.04045 * 255 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: list[float], other: list[float]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


COLOURS = (
    "const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);"
    "const of = (s, p) => { const e = document.querySelector(s); return e && rgb(getComputedStyle(e)[p]); };"
    "return {page: rgb(getComputedStyle(document.body).backgroundColor),"
    " marks: {before: of('.strip .before', 'stroke'), after: of('.strip .after', 'fill'),"
    "  tick: of('.strip .tick', 'stroke'), curve: of('svg .curve', 'stroke'), control: of('#find', 'borderTopColor')},"
    " cells: [...document.querySelectorAll('td[class]')].filter(e => /\\bt\\d\\b/.test(e.className))"
    "  .map(e => [rgb(getComputedStyle(e).color), rgb(getComputedStyle(e).backgroundColor)])}"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_tinted_cells_stand_out_from_what_is_behind_them(theme: str, usual: Path, page: Page) -> None:
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    page.open(usual)
    found = page.do(COLOURS)
    faint = {name: contrast(colour, found["page"]) for name, colour in found["marks"].items() if colour}
    assert {"before", "after", "control"} <= faint.keys()
    assert {name: ratio for name, ratio in faint.items() if ratio < 3} == {}
    assert len(found["cells"]) > 5
    assert min(contrast(*pair) for pair in found["cells"]) >= 4.5


PIXELS = (
    "const [png, places, done] = arguments, image = new Image(); image.onload = () => {"
    " const c = document.createElement('canvas'); c.width = image.width; c.height = image.height;"
    " const g = c.getContext('2d'); g.drawImage(image, 0, 0);"
    " done(places.map(([x, y]) => [...g.getImageData(x, y, 1, 1).data].slice(0, 3))); };"
    " image.src = 'data:image/png;base64,' + png"
)
PLACES = (
    "const centre = (e, up) => { const r = e.getBoundingClientRect();"
    " return [Math.round(r.left + r.width / 2), Math.round(up ? r.top + 1 : r.top + r.height / 2)]; };"
    "return [centre(document.querySelector('.legend circle.before'), true),"
    " centre(document.querySelector('.legend path.after'), false)]"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("deficiency", ["none", "protanopia", "deuteranopia", "tritanopia", "achromatopsia"])
def test_before_and_after_are_told_apart_whatever_colours_are_seen(
    deficiency: str, theme: str, usual: Path, page: Page
) -> None:
    page.command("Emulation.setEmulatedVisionDeficiency", type=deficiency)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    page.open(usual)
    places = page.do(PLACES)
    picture = page.driver.get_screenshot_as_base64()
    page.driver.get("about:blank")
    before, after = page.driver.execute_async_script(PIXELS, picture, places)
    assert sum((one - other) ** 2 for one, other in zip(before, after, strict=True)) ** 0.5 > 40


# The table.


def test_the_board_is_in_its_own_order_and_no_broken_model_is_first(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["gaps"])
    rows = board_json(sites["gaps"])["rows"]
    assert page.do(SHOWN) == [row["entry"] for row in rows]
    ranked = [row for row in rows if row["section"] == "ranked"]
    assert [row["k_star"] for row in ranked] == sorted(row["k_star"] for row in ranked)
    sections = {row["method"]: row["section"] for row in rows}
    assert (sections["idle"], sections["gibberish"]) == ("not_unlearned", "below_utility")
    assert (sections["inside"], sections["outside"]) == ("ranked", "below_utility")


def expected(rows: list[dict[str, Any]], field: str, *, descending: bool) -> list[str]:
    """Ids in the order of one field inside each section, gaps last, equals as they stood."""
    order: list[str] = []
    for section in ("reference", "ranked", "below_utility", "not_unlearned", "incomplete"):
        mine = [row for row in rows if row["section"] == section]
        known = [row for row in mine if row[field] is not None]
        sign = -1 if descending else 1
        if section != "reference":  # pinned, however the rest is sorted
            known.sort(key=lambda row: sign * round(100 * row[field], 1))
            mine = [*known, *(row for row in mine if row[field] is None)]
        order += [row["entry"] for row in mine]
    return order


@pytest.mark.parametrize(("head", "field"), [("K*", "k_star"), ("K(0)", "k_before"), ("Utility", "utility")])
@pytest.mark.parametrize("name", ["usual", "gaps", "forty"])
def test_a_column_is_sorted_as_python_sorts_it_in_both_directions(
    head: str, field: str, name: str, sites: dict[str, Path], page: Page
) -> None:
    page.open(sites[name])
    rows = board_json(sites[name])["rows"]
    ranks = dict(zip(page.do(SHOWN), page.texts(f"{ROWS} td.r"), strict=True))
    button = "return [...document.querySelectorAll('.sort')].find(b => b.textContent.startsWith(arguments[0]))"
    for _ in range(2):
        page.do(f"({button.replace('return ', '')}).click()", head)
        descending = page.do("return document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "descending"
        assert page.do(SHOWN) == expected(rows, field, descending=descending)
        assert page.do("return document.querySelectorAll('[aria-sort]').length") == 1
        assert "ranks are by K*" in page.texts("#sorted")[0]
        assert dict(zip(page.do(SHOWN), page.texts(f"{ROWS} td.r"), strict=True)) == ranks


def test_every_column_can_be_sorted_and_gaps_stay_last(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["gaps"])
    for index in range(page.do("return document.querySelectorAll('.sort').length")):
        for _ in range(2):
            page.do("document.querySelectorAll('.sort')[arguments[0]].click()", index)
            misplaced = page.do(
                "const at = [...document.querySelectorAll('#board thead tr:last-child th')]"
                ".findIndex(h => h.hasAttribute('aria-sort')); if (at < 0) return [];"
                "return [...document.querySelectorAll('#board tbody:not([data-s=reference])')].filter(b => {"
                " const gaps = [...b.querySelectorAll('tr[id]')].map(r => !!r.cells[at].querySelector('.word'));"
                " return gaps.lastIndexOf(false) > gaps.indexOf(true) && gaps.includes(true); }).length"
            )
            assert not misplaced


def test_every_value_of_every_filter_counts_right_and_nothing_found_offers_a_way_back(usual: Path, page: Page) -> None:
    page.open(usual)
    total = page.do("return document.querySelectorAll('#board tbody:not([data-s=reference]) tr[id]').length")
    ranks = dict(zip(page.do(SHOWN), page.texts(f"{ROWS} td.r"), strict=True))
    for name in ("status", "family", "gate"):
        for value in page.do("return [...document.getElementById(arguments[0]).options].map(o => o.value)", name):
            page.do(
                "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
                "e.dispatchEvent(new Event('change'))",
                name,
                value,
            )
            shown = page.do(
                "return [...document.querySelectorAll('#board tbody:not([data-s=reference]) tr[id]')]"
                ".filter(r => r.offsetParent).length"
            )
            assert page.texts("#count")[0].startswith(f"{shown} of {total} shown")
            if name != "gate":
                now = dict(zip(page.do(SHOWN), page.texts(f"{ROWS} td.r"), strict=True))
                assert now.items() <= ranks.items()
    page.do("const e = document.getElementById('find'); e.value = 'no such'; e.dispatchEvent(new Event('input'))")
    assert page.texts("#count")[0].startswith(f"0 of {total} shown: nothing matches.")
    page.do("document.querySelector('#count button').click()")
    assert page.texts("#count") == [f"{total} of {total} shown"]


def test_another_gate_shows_the_ranks_that_were_computed_for_it(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("const e = document.getElementById('gate'); e.value = '3'; e.dispatchEvent(new Event('change'))")
    rows = {row["entry"]: row["rank_gate_95"] for row in board_json(usual)["rows"]}
    shown = dict(zip(page.do(SHOWN), page.texts(f"{ROWS} td.r"), strict=True))
    for entry, rank in rows.items():
        low, _, high = (rank or DASH).partition("-")
        due = low if low in (DASH, high) else f"{low}{DASH}{high}"
        assert shown[entry].split("\n")[0].removesuffix(" tied with best") == due


def test_a_view_is_shared_by_its_address_and_undone_by_the_back_button(usual: Path, page: Page) -> None:
    page.open(usual)
    start = page.do(SHOWN)
    page.do("document.querySelectorAll('.sort')[3].click()")
    page.do("document.querySelector('.columns input').click()")
    page.do("const e = document.getElementById('gate'); e.value = '1'; e.dispatchEvent(new Event('change'))")
    page.do("const e = document.getElementById('find'); e.value = 'f'; e.dispatchEvent(new Event('input'))")
    view, order = page.do("return location.hash"), page.do(SHOWN)
    page.do("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    page.do("document.getElementById('link').click()")
    assert str(page.do("return window.copied")).endswith(view)
    page.open(usual, fragment=view)
    assert page.do(SHOWN) == order
    assert page.do("return document.querySelector('.columns input').checked")
    assert page.do("return ['gate', 'find'].map(i => document.getElementById(i).value)") == ["1", "f"]
    page.open(usual)
    page.do("document.querySelectorAll('.sort')[3].click()")
    page.driver.back()
    assert page.do(SHOWN) == start


@pytest.mark.parametrize(
    "garbage", ["#?sort=__proto__&dir=up&gate=9", "#?%E0%A4%A", "#?sel=x,y&cols=z", "#e-nobody", "#?q"]
)
def test_an_address_that_says_nothing_is_ignored(garbage: str, usual: Path, page: Page) -> None:
    page.open(usual)
    start = page.do(SHOWN)
    page.open(usual, fragment=garbage)
    assert page.do(SHOWN) == start
    assert page.severe() == []


def test_an_address_of_an_entry_shows_it_even_beyond_the_first_hundred(sites: dict[str, Path], page: Page) -> None:
    last = board_json(sites["many"])["rows"][-1]["entry"]
    page.open(sites["many"], fragment=f"#e-{last}")
    seen = page.do(
        "const r = document.getElementById('e-' + arguments[0]), b = r.getBoundingClientRect();"
        "const top = document.elementFromPoint(b.left + 40, b.top + b.height / 2);"
        "return [r.classList.contains('target'), b.top >= 0 && b.bottom <= innerHeight, r.contains(top)]",
        last,
    )
    assert seen == [True, True, True]


# By keyboard.


def focused(page: Page) -> str:
    return str(page.do("return document.activeElement.outerHTML.slice(0, 120)"))


def press(page: Page, *keys: str) -> None:
    ActionChains(page.driver).send_keys(*keys).perform()


def test_the_first_stop_skips_to_the_results(usual: Path, page: Page) -> None:
    page.open(usual)
    press(page, Keys.TAB)
    assert 'class="skip"' in focused(page)
    assert page.do("return document.activeElement.getBoundingClientRect().left >= 0")


REACHED = (
    "[...document.querySelectorAll('#theme, .controls input, .controls select, .controls button, .controls summary,"
    " #compare, .sort, #board tbody a, .pick')].filter(e => e.offsetParent)"
)
FAINT = (
    "return document.activeElement !== document.body"
    " && getComputedStyle(document.activeElement).outlineStyle === 'none'"
)


def test_the_keyboard_reaches_every_control_and_focus_is_visible(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("document.querySelector('.columns').open = true")
    wanted = page.do(f"return {REACHED}.length")
    reached, faint = set(), []
    for _ in range(wanted + 60):
        press(page, Keys.TAB)
        reached.add(page.do(f"return {REACHED}.indexOf(document.activeElement)"))
        faint += [focused(page)] if page.do(FAINT) else []
    assert len(reached - {-1}) == wanted
    assert faint == []


def test_sorting_columns_filtering_and_comparing_are_done_by_keyboard(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("document.querySelectorAll('.sort')[2].focus()")
    press(page, Keys.ENTER)
    assert page.do("return document.querySelectorAll('[aria-sort]').length") == 1
    page.do("document.querySelector('.columns summary').focus()")
    press(page, Keys.ENTER, Keys.TAB, Keys.SPACE)
    assert page.do("return document.getElementById('board').className").endswith("show-og")
    page.do("document.getElementById('find').focus()")
    press(page, "firm")
    assert len(page.do(SHOWN)) == 3
    page.do(
        "[...document.querySelectorAll('#board tbody:not([data-s=reference]) .pick')].find(e => e.offsetParent).focus()"
    )
    press(page, Keys.SPACE)
    assert page.texts("#compare") == ["Compare 1"]


def test_the_drawer_opens_by_keyboard_closes_by_escape_and_gives_focus_back(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("document.querySelector('#board a[href$=\"#evidence\"]').focus()")
    press(page, Keys.ENTER)
    assert page.do("return document.getElementById('drawer').open")
    terms, texts = page.texts("#drawer dt"), page.texts("#drawer dd")
    said = dict(zip(terms, texts, strict=True))
    assert {"Harness", "Device", "Software", "Measure again"} <= set(terms)
    name, digest = re.fullmatch(r"(\S+\.records\.gz), SHA-256 (\w{12})\u2026", said["Records"]).groups()  # type: ignore[union-attr]
    assert hashlib.sha256((usual / "data" / "entries" / name).read_bytes()).hexdigest().startswith(digest)
    press(page, Keys.ESCAPE)
    assert not page.do("return document.getElementById('drawer').open")
    assert "#evidence" in focused(page)


def test_two_rows_picked_are_compared(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("[...document.querySelectorAll('.pick')].slice(0, 2).forEach(b => b.click())")
    picked = page.do("return [...document.querySelectorAll('tr.picked')].map(r => r.id.slice(2))")
    page.driver.get(page.do("return document.getElementById('compare').href"))
    assert set(page.do("return ['a', 'b'].map(i => document.getElementById(i).value)")) == set(picked)
    assert {"Harness", "Device", "Software"} <= set(page.texts("#compared tbody th"))


def test_every_pair_says_its_difference_and_whether_it_can_be_told(usual: Path, page: Page) -> None:
    data = json.loads(
        (usual / "assets" / "board-data.js").read_text().removeprefix("window.LB_DATA=").strip().rstrip(";")
    )
    entries = {e["id"]: e for e in data["boards"][0]["entries"] + data["boards"][1]["entries"]}
    for one, other, low, high, *_ in [pair for board in data["boards"] for pair in board["pairs"]]:
        page.open(usual, "compare.html", fragment=f"#?a={one}&b={other}")
        cells = page.texts("#compared > .scroll:first-child tbody tr:first-child td")
        if entries[one]["bound"] or entries[other]["bound"]:
            assert cells[3] == "attacks are missing"
            continue
        due = f"{100 * (entries[one]['kstar'] - entries[other]['kstar']):.1f}".replace("-", MINUS)
        assert cells[2].startswith(due.replace(f"{MINUS}0.0", "0.0")) or cells[2].startswith(due)
        assert cells[3] == ("not separable" if low <= 0 <= high else "better" if high < 0 else "worse")


def test_curves_of_both_are_laid_over_each_other_with_their_numbers(usual: Path, page: Page) -> None:
    first, second, *_ = (
        row["entry"] for row in board_json(usual)["rows"] if row["t50_tokens"] and row["role"] == "method"
    )
    page.open(usual, "compare.html", fragment=f"#?a={first}&b={second}")
    one, two = page.do(
        "return ['.one', '.two'].map(c => document.querySelector(c).getAttribute('d').split('L').length)"
    )
    rows = page.texts("#compared .plain:last-of-type tbody th.n")
    assert one == two == len(rows) > 3
    assert page.do("return document.querySelector('#compared svg').getAttribute('aria-label')").startswith("Relearning")


def test_an_unknown_entry_is_said_to_be_one(usual: Path, page: Page) -> None:
    page.open(usual, "compare.html", fragment="#?a=nobody&b=x")
    assert page.texts("#compared")[0].startswith("There is no entry nobody")


# Hostile and awkward text.


def test_hostile_text_is_shown_and_never_run(sites: dict[str, Path], page: Page) -> None:
    for address in addresses(sites["hostile"]):
        page.open(sites["hostile"], address)
        assert page.do("return window.harmed === undefined"), address
        assert page.severe() == [], address
    page.open(sites["hostile"])
    assert "</script><img src=x onerror=" in page.do("return document.body.innerText")
    assert "{{7*7}}" in page.do("return document.body.innerText")


def test_a_name_that_turns_text_around_turns_only_itself(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["hostile"])
    assert page.do(
        "return [...document.querySelectorAll('#board tbody th a')].every(a => a.querySelector('bdi') !== null)"
    )


def test_no_word_of_the_machine_stands_for_a_gap(sites: dict[str, Path]) -> None:
    for path in sites["gaps"].rglob("*"):
        if path.suffix in (".html", ".csv", ".json", ".tex", ".js") and path.name not in (
            "app.js",
            "compare.js",
            "theme.js",
        ):
            found = re.search(r"(?<![\w-])(nan|NaN|None|inf|Infinity|undefined)(?![\w-])", path.read_text())
            assert not found, path


def test_every_kind_of_gap_is_shown_and_explained(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["gaps"])
    text = page.do("return document.getElementById('board').innerText")
    for word in ("n/r", "fail", "n/a", "≥", ">"):
        assert word in text
    legend = " ".join(page.texts(".legend li"))
    for word in ("n/r not run", "fail ran and broke: the entry says how", "n/a not applicable", "≥ lower bound"):
        assert word in legend


# Many rows.


@pytest.mark.parametrize(
    ("name", "bytes_", "ready_ms"), [("forty", 120_000, 400), ("many", 700_000, 600), ("most", 1_300_000, 1_200)]
)
def test_many_rows_stay_within_their_budgets(
    name: str, bytes_: int, ready_ms: int, sites: dict[str, Path], page: Page
) -> None:
    assert (sites[name] / "index.html").stat().st_size <= bytes_
    page.open(sites[name])
    assert page.do("return performance.getEntriesByType('navigation')[0].domComplete") < 10 * ready_ms
    sort = page.do(
        "const b = document.querySelectorAll('.sort')[2], t = []; for (let i = 0; i < 9; i++) {"
        " const s = performance.now(); b.click(); document.body.offsetHeight; t.push(performance.now() - s); }"
        " return t.sort((a, b) => a - b)[4]"
    )
    assert sort < 250
    find = page.do(
        "const e = document.getElementById('find'), t = []; for (let i = 0; i < 9; i++) {"
        " e.value = i % 2 ? 'method' : '1'; const s = performance.now(); e.dispatchEvent(new Event('input'));"
        " document.body.offsetHeight; t.push(performance.now() - s); } return t.sort((a, b) => a - b)[4]"
    )
    assert find < 250
    rows = page.do("return document.querySelectorAll(arguments[0]).length", ROWS)
    elements = page.do("return document.querySelectorAll('#board tbody *').length")
    assert elements <= 44 * rows


def test_only_the_first_hundred_of_many_rows_are_shown_until_all_are_asked_for(
    sites: dict[str, Path], page: Page
) -> None:
    page.open(sites["most"])
    first = len(page.do(SHOWN))
    taken = page.do(
        "const s = performance.now(); document.getElementById('all').click(); document.body.offsetHeight;"
        "return performance.now() - s"
    )
    assert (first, len(page.do(SHOWN))) == (102, 1_002)
    assert taken < 1_500


def test_a_search_looks_at_all_rows(sites: dict[str, Path], page: Page) -> None:
    last = board_json(sites["most"])["rows"][-1]
    page.open(sites["most"], fragment=f"#?q={last['method']}")
    assert last["entry"] in page.do(SHOWN)


# Downloads and print.


def downloaded(page: Page, form: str) -> str:
    """What a button would save."""
    page.do(
        "window.saved = null; const make = URL.createObjectURL; URL.createObjectURL = blob => {"
        " blob.text().then(t => window.saved = t); return make(blob); };"
        "HTMLAnchorElement.prototype.click = function () {};"
        "document.querySelector(`[data-as=${arguments[0]}]`).click()",
        form,
    )
    return str(
        page.driver.execute_async_script(
            "const done = arguments[0];"
            "(function wait() { window.saved === null ? setTimeout(wait, 10) : done(window.saved) })()"
        )
    )


def test_this_view_as_csv_has_the_rows_and_columns_of_the_screen(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("document.querySelectorAll('.sort')[3].click()")
    shown = page.texts(f"{ROWS} th a")
    rows = list(csv.reader(io.StringIO(downloaded(page, "csv"))))
    assert [row[1].split(" ")[0] for row in rows[1:]] == [name.split(" ")[0] for name in shown]
    assert rows[0][-1] == "notice"
    assert all("not results on real models" in row[-1] for row in rows[1:])


@pytest.mark.parametrize("form", ["tex", "md"])
def test_this_view_is_inert_in_every_form(form: str, sites: dict[str, Path], page: Page) -> None:
    page.open(sites["hostile"])
    text = downloaded(page, form)
    if form == "tex":
        assert r"\textbackslash{}input\{/etc/passwd\}" in text
    else:
        assert "<img" not in text.replace(r"\<img", "")


A4_ACROSS = 1032  # CSS pixels of the long side less two margins of 12 mm


def test_a_page_is_printed_with_all_rows(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["many"])
    printed = page.command("Page.printToPDF", landscape=True, preferCSSPageSize=True)
    assert len(base64.b64decode(printed["data"])) > 100_000
    page.command("Emulation.setEmulatedMedia", media="print")
    assert len(page.do(SHOWN)) == 502
    assert page.texts(".controls, .nav, #theme") == []
    assert page.do("return getComputedStyle(document.querySelector('#board thead')).display") == "table-header-group"
    page.command("Emulation.setDeviceMetricsOverride", width=A4_ACROSS, height=794, deviceScaleFactor=1, mobile=False)
    assert page.do("return document.querySelector('#board').getBoundingClientRect().right") <= A4_ACROSS
    assert "Newest record" in page.do("return document.querySelector('footer').innerText")


# Small sites, and the form of every page.


def test_an_empty_site_and_a_single_row_make_sense(sites: dict[str, Path], page: Page) -> None:
    page.open(sites["empty"])
    assert "There is no record to show" in page.do("return document.body.innerText")
    page.open(sites["one"])
    assert page.texts("#board tbody[data-s=ranked] td.r") == ["1\ntied with best"]


@pytest.mark.parametrize("name", ["usual", "gaps", "hostile", "empty", "one"])
def test_every_page_is_valid_html(name: str, sites: dict[str, Path]) -> None:
    for path in sites[name].rglob("*.html"):
        html5lib.HTMLParser(strict=True).parse(path.read_text(encoding="utf-8"))


def test_nothing_but_the_theme_is_stored(usual: Path, page: Page) -> None:
    page.open(usual)
    page.do("document.querySelectorAll('.sort')[2].click(); document.getElementById('theme').click()")
    assert page.do("return Object.keys(localStorage)") == ["theme"]
    page.do("localStorage.clear()")


def test_marks_of_a_figure_and_rows_find_each_other(usual: Path, page: Page) -> None:
    page.open(usual)
    entry = page.do(
        "const s = document.querySelector('.scatter [data-e]:not([data-e^=original]):not([data-e^=never])');"
        "s.dispatchEvent(new MouseEvent('click', {bubbles: true})); return s.getAttribute('data-e')"
    )
    page.driver.execute_async_script("setTimeout(arguments[0], 50)")
    assert page.do("return document.querySelector('tr.target').id") == f"e-{entry}"
