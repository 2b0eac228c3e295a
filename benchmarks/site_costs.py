"""What the site weighs and takes: bytes of the board, of scripts and styles, seconds to build, milliseconds to sort.

    python benchmarks/site_costs.py [--rows 40,200,500,1000]

Boards of synthetic rows under three attacks; the browser's part needs chromium and chromedriver and is left out where
they are not. Exits with 1 if a budget is exceeded.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "leaderboard")]

from synthetic import many  # noqa: E402 - it lies where the path above says

from leaderboard.collection import Collection  # noqa: E402
from leaderboard.site.build import build  # noqa: E402

RAW = {40: 120_000, 200: 320_000, 500: 700_000, 1_000: 1_300_000}
PACKED = {40: 25_000, 200: 60_000, 500: 120_000, 1_000: 220_000}
READY = {200: 400.0, 500: 600.0, 1_000: 1_200.0}
SCRIPT, STYLE, BUILD_S, SORT_MS, PER_ROW = 20_000, 16_000, 10.0, 250.0, 44.0
_SORT = (
    "const b = document.querySelectorAll('.sort')[2], t = []; for (let i = 0; i < 9; i++) {"
    " const s = performance.now(); b.click(); document.body.offsetHeight; t.push(performance.now() - s); }"
    " return t.sort((a, b) => a - b)[4]"
)
_FIND = (
    "const e = document.getElementById('find'), t = []; for (let i = 0; i < 9; i++) { e.value = i % 2 ? 'method' : '1';"
    " const s = performance.now(); e.dispatchEvent(new Event('input')); document.body.offsetHeight;"
    " t.push(performance.now() - s); } return t.sort((a, b) => a - b)[4]"
)
_ELEMENTS = (
    "return document.querySelectorAll('#board tbody *').length / document.querySelectorAll('#board tr[id]').length"
)


def board(rows: int, out: Path) -> Iterator[tuple[str, float, float | None]]:
    """Measures of one board: name, value, budget."""
    records = tuple(many(rows))
    started = time.perf_counter()
    build(Collection(records), out)
    seconds = time.perf_counter() - started
    page = (out / "index.html").read_bytes()
    yield f"{rows} rows, bytes", len(page), RAW.get(rows)
    yield f"{rows} rows, gzip", len(gzip.compress(page)), PACKED.get(rows)
    yield f"{rows} rows, all pages, s", seconds, BUILD_S if rows == 500 else None
    yield f"{rows} rows, files", sum(path.is_file() for path in out.rglob("*")), None


def assets(out: Path) -> Iterator[tuple[str, float, float | None]]:
    """Scripts and styles that a board loads."""
    scripts = sum((out / "assets" / name).stat().st_size for name in ("app.js", "theme.js"))
    yield "scripts of a board, bytes", scripts, SCRIPT
    yield "style, bytes", (out / "assets" / "app.css").stat().st_size, STYLE


def browser(sites: dict[int, Path]) -> Iterator[tuple[str, float, float | None]]:
    """Time until a board is ready, and to sort it."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        return
    from selenium import webdriver  # noqa: PLC0415 - not needed for the rest
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, Service(chromedriver))
    try:
        for rows, site in sites.items():
            driver.get(f"file://{site}/index.html")
            ready = driver.execute_script("return performance.getEntriesByType('navigation')[0].domComplete")
            yield f"{rows} rows, ready, ms", float(ready), READY.get(rows)
            yield f"{rows} rows, sort, ms", float(driver.execute_script(_SORT)), SORT_MS
            yield f"{rows} rows, filter, ms", float(driver.execute_script(_FIND)), SORT_MS
            yield f"{rows} rows, elements per row", float(driver.execute_script(_ELEMENTS)), PER_ROW
    finally:
        driver.quit()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="40,200,500,1000")
    counts = [int(text) for text in parser.parse_args().rows.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        sites = {rows: Path(folder) / str(rows) for rows in counts}
        found = [measure for rows, out in sites.items() for measure in board(rows, out)]
        found += [*assets(sites[counts[0]]), *browser(sites)]
    for name, value, budget in found:
        limit = "" if budget is None else f"of {budget:,.0f}{'  EXCEEDED' if value > budget else ''}"
        print(f"{name:28} {value:12,.1f} {limit}")
    sys.exit(any(budget is not None and value > budget for _, value, budget in found))


if __name__ == "__main__":
    main()
