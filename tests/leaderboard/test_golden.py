"""The first page as others read it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from sites import board, site
from synthetic import controls, record, stop

from harness.record import Match

GOLDEN = Path(__file__).parent / "golden" / "page.html"
RENEW = "RENEW_GOLDEN=1 python -m pytest tests/leaderboard/test_golden.py"


def test_the_page_of_a_small_board_is_the_golden_one(tmp_path: Path) -> None:
    curve = [stop(0.1, 0.96, budget=0), stop(0.2, budget=100), stop(0.6, 0.95, budget=1_000)]
    taught = [stop(0.0, budget=0), stop(0.0, budget=100), stop(0.1, budget=1_000)]
    attacked = record(stops=curve, attack="relearn", family="relearn")
    records = [*controls({"relearn": ("relearn", taught)}), record(stops=[stop(0.1, 0.96)]), attacked]
    alphas = [r for r in records if r.method.role == "method"]
    cells = [replace(r.cell, match=Match("forget", 0.25)) for r in alphas]
    matched = [replace(r, id=cell.id, cell=cell, share=0.75) for r, cell in zip(alphas, cells, strict=True)]
    page = board(site([*records, record("beta", [stop(0.05, 0.5)]), *matched], tmp_path))
    page = re.sub(r'data-h="\w{12}"', 'data-h=""', page)  # a digest of packed bytes, which another zlib packs otherwise
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(page)
    assert page == GOLDEN.read_text(), f"If the change is meant, renew it: {RENEW}"
