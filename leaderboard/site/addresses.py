"""Where every page of the site lies, and how one page names another: relative, so that any folder can hold the site.

An address is made of lower-case letters, digits and hyphens, whatever a name holds. Names that would share an address
get a piece of their digest, so no two do and none leaves the folder.
"""

from __future__ import annotations

import posixpath

from harness.record import digest
from leaderboard.board import Board, Row
from leaderboard.slugs import distinct_stem, stem

TOP = {
    "index.html": "Board",
    "overview.html": "Overview",
    "methods.html": "Methods",
    "attacks.html": "Attacks",
    "compare.html": "Compare",
    "sharpness.html": "Sharpness",
    "submit.html": "Submit",
    "about.html": "About",
    "changes.html": "Changes",
}
"""Pages that every build has, with their names in the navigation."""


def entry_id(board: Board, row: Row) -> str:
    """Permanent identity of a row: its method, and a digest of everything that it and its board are specified by."""
    return f"{stem(row.label.name)}-{digest([board.key, row.key])[:8]}"


def board_address(board: Board) -> str:
    """One board: benchmark, model, and a piece of its identity."""
    return f"b/{distinct_stem(board.benchmark.name)}/{stem(board.card.model)[:24].strip('-')}-{board.key[:6]}.html"


def details_address(board: Board) -> str:
    """Every attack, score, cost and setting of one board."""
    return board_address(board).removesuffix(".html") + "-details.html"


def entry_address(entry: str) -> str:
    """One row of one board."""
    return f"e/{entry}.html"


def method_address(name: str) -> str:
    """All rows of one method."""
    return f"m/{distinct_stem(name)}.html"


def attack_address(name: str) -> str:
    """One attack on everything."""
    return f"a/{distinct_stem(name)}.html"


def experiment_address(slug: str) -> str:
    """One question over several boards."""
    return f"x/{slug}.html"


def relative(address: str, start: str) -> str:
    """The address as the page at ``start`` writes it; a fragment stays."""
    folder = posixpath.dirname(start)
    if folder and address.startswith(f"{folder}/"):
        return address[len(folder) + 1 :]
    return "../" * start.count("/") + address
