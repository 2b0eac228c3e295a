"""Data for the comparison of two entries: values of every row, and paired intervals where they were computed."""

from __future__ import annotations

import json
from itertools import combinations

from leaderboard.board import Outcome
from leaderboard.labels import parameters
from leaderboard.site.addresses import board_address, entry_address
from leaderboard.site.panels import main_curve
from leaderboard.site.site import Entry, Site
from leaderboard.site.words import STATE_WORDS
from leaderboard.standings import difference
from leaderboard.stats import interval
from leaderboard.table import Line

TOP_PAIRS = 30
"""The first rows of a board, among which every pair has its interval."""


def board_data(site: Site) -> str:
    """A script that holds the values; a page reads it from a file as well as from a server."""
    boards = []
    for page in site.pages:
        mine = [entry for entry in site.entries if entry.page is page and entry.is_method]
        makings = site.makings(page)
        boards.append(
            {
                "title": page.heading,
                "address": board_address(page.board),
                "attacks": [attack.label.text for attack in page.board.attacks],
                "entries": [_entry(entry) | {"making": makings.index(entry.making)} for entry in mine],
                "makings": makings,
                "leader": site.entry(page, page.leaders[0]).id if page.leaders else "",
                "pairs": _pairs(mine),
            }
        )
    text = json.dumps({"boards": boards}, separators=(",", ":"), allow_nan=False, sort_keys=True)
    return f"window.LB_DATA={_inert(text)};\n"


def _entry(entry: Entry) -> dict[str, object]:
    line, row = entry.line, entry.line.row
    return {
        "id": entry.id,
        "name": entry.name,
        "address": entry_address(entry.id),
        "status": entry.evidence.status,
        "kstar": _rounded(line.k_star.value),
        "bound": bool(row.gaps),
        "before": _rounded(line.k_before.value),
        "utility": _rounded(line.utility.value),
        "cost": _rounded(line.cost_ratio),
        "worst": row.worst.attack.label.text if row.worst else "",
        "attacks": [_left(outcome) for outcome in row.outcomes],
        "apart": [None if gap is None else [round(gap.low, 4), round(gap.high, 4)] for gap in line.to_leader],
        "settings": {**parameters(row.spec), "version": str(row.spec.version)},
        "seeds": len(row.seeds),
        "curve": _curve(entry),
    }


def _curve(entry: Entry) -> list[object] | None:
    """The name of the row's main relearning curve, its forget tokens and its K."""
    curve = main_curve(entry.line)
    if curve is None:
        return None
    attack = next(a.label.text for a in entry.page.board.attacks if a.key == curve.attack)
    return [f"{attack} {curve.series}".strip(), list(curve.budgets), [round(k, 4) for k in curve.ks]]


def _left(outcome: Outcome) -> float | str:
    return STATE_WORDS[outcome.state] if outcome.k is None else round(outcome.k, 6)


def _pairs(entries: list[Entry]) -> list[list[object]]:
    """Paired intervals of K* and of utility of one less another: among the first, and of every entry to the leader.

    Under single attacks, every entry has with itself its intervals to the leader.
    """
    known = [e for e in entries if e.line.k_star.value is not None and e.line.draws.k_star is not None]
    first = {frozenset(pair) for pair in combinations(range(min(TOP_PAIRS, len(known))), 2)}
    wanted = first | {frozenset((0, at)) for at in range(1, len(known))}
    found = []
    for low, high in sorted(tuple(sorted(pair)) for pair in wanted):
        one, other = known[low], known[high]
        values = (one.line.k_star.value or 0.0, other.line.k_star.value or 0.0)
        gap = difference(one.line.draws, other.line.draws, values)
        if gap is not None:
            found.append([one.id, other.id, round(gap.low, 4), round(gap.high, 4), *_utility_gap(one.line, other.line)])
    return found


def _utility_gap(one: Line, other: Line) -> list[float]:
    """The paired interval of the difference in utility; nothing where it is not defined."""
    mine, theirs = one.draws.utility, other.draws.utility
    if mine is None or theirs is None or one.utility.value is None or other.utility.value is None:
        return []
    gap = interval(mine - theirs, one.utility.value - other.utility.value)
    return [round(gap.low, 4), round(gap.high, 4)] if gap else []


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _inert(text: str) -> str:
    """JSON that ends no script and starts no comment wherever it stands."""
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return "".join(escapes.get(character, character) for character in text)
