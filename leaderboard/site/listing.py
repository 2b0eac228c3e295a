"""Pages that list others: methods, attacks, and the overview of all boards."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.board import SECTIONS
from leaderboard.labels import parameters
from leaderboard.site.addresses import attack_address, method_address
from leaderboard.site.site import Entry, MethodPage, Site
from leaderboard.site.spelling import NOTHING
from leaderboard.site.words import ACCESS_WORDS, DATA_WORDS, FAMILY_NAMES


def methods_index(site: Site) -> dict[str, object]:
    """Every method with what it is."""
    rows = []
    for method in site.methods:
        card = method.entries[0].line.row.card
        boards = len({entry.page.board.key for entry in method.entries})
        rows.append((method_address(method.name), method.name, (card.family, card.fidelity, card.summary, str(boards))))
    return {
        "title": "Methods",
        "lead": "Every unlearning method on this site, with all of its entries and curves.",
        "heads": ("Method", "Family", "Fidelity", "What it is", "Boards"),
        "rows": rows,
    }


def attacks_index(site: Site) -> dict[str, object]:
    """Every attack with its threat model."""
    rows = []
    for attack in site.attacks:
        card = attack.first.card
        counts = "ranked" if attack.first.counts else "outside the panel" if attack.first.extra else "diagnostic"
        texts = (
            " ".join(FAMILY_NAMES[card.family]).lower(),
            ACCESS_WORDS[card.threat.access],
            DATA_WORDS[card.threat.data],
            counts,
            card.summary,
        )
        rows.append((attack_address(attack.name), attack.name, texts))
    return {
        "title": "Attacks",
        "lead": "Who attacks, what he may do to the model, what he owns, and what it brings back.",
        "heads": ("Attack", "Family", "Access", "Data", "Counts", "What it does"),
        "rows": rows,
    }


def settings_of(method: MethodPage) -> tuple[list[Entry], list[tuple[str, list[str], bool]]]:
    """The distinct settings of a method side by side: one entry for each, then name, values and whether they differ."""
    entries = list({entry.line.row.key: entry for entry in reversed(method.entries)}.values())[::-1]
    found = [
        {"setting": e.line.row.card.setting or NOTHING, "version": str(e.line.row.spec.version)}
        | parameters(e.line.row.spec)
        for e in entries
    ]
    names = dict.fromkeys(name for one in found for name in one)
    rows = [(name, [one.get(name, NOTHING) for one in found]) for name in names]
    return entries, [(name, values, len(set(values)) > 1) for name, values in rows]


def overview_rows(site: Site) -> list[tuple[str, list[Entry | None]]]:
    """By method, its best entry on every board that is not a matched one; best overall standing first."""
    boards = [page for page in site.pages if page.board.match is None]
    rows = [(m.name, [_best([e for e in m.entries if e.page is page]) for page in boards]) for m in site.methods]
    return sorted((row for row in rows if any(row[1])), key=lambda row: (*_standing(row[1]), row[0]))


def _best(entries: Sequence[Entry]) -> Entry | None:
    """The entry that stands best: by tier and section, a value of K* before a bound of it, then the least."""
    return min(entries, key=_merit, default=None)


def _merit(entry: Entry) -> tuple[float, int, bool, bool, float, str]:
    line, k = entry.line, entry.line.k_star.value
    section = SECTIONS.index(line.row.section)
    return line.tier or math.inf, section, bool(line.row.gaps), k is None, 0.0 if k is None else k, entry.id


def _standing(entries: Sequence[Entry | None]) -> tuple[int, int]:
    """On how many boards it has no tier, and the sum of those that it has."""
    tiers = [entry.line.tier if entry else None for entry in entries]
    return sum(tier is None for tier in tiers), sum(tier or 0 for tier in tiers)
