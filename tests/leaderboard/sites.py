"""A site built from synthetic records, read back as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.record import Record
from leaderboard.collection import Collection
from leaderboard.site.build import build


def site(records: Iterable[Record], out: Path, **more: Any) -> Path:
    """The folder of a site."""
    build(Collection(tuple(records), **more), out)
    return out


def pages(out: Path) -> dict[str, str]:
    """Every page by its address."""
    return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*.html"))}


def everything(records: Iterable[Record], out: Path, **more: Any) -> str:
    """All pages of a site as one text."""
    return "\n".join(pages(site(records, out, **more)).values())


def data(out: Path) -> Any:
    """The JSON of the only board."""
    (path,) = (p for p in (out / "data").glob("*.json") if not p.name.endswith(".meta.json"))
    return json.loads(path.read_text())


def board(out: Path) -> str:
    """The first page."""
    return (out / "index.html").read_text()
