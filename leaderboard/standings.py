"""Who stands where: sections, ranks and tiers under each utility gate, and how surely a row is on the frontier.

All of it is read off joint draws, once, in Python: whatever sorts or filters the page later never ranks anew.
R rows, B draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.board import Board, Row, Section
from leaderboard.gates import UTILITY_GATE, section_of
from leaderboard.knowledge import Draws
from leaderboard.stats import Interval, Rank, interval, ranks

GATES = (0.0, 0.80, UTILITY_GATE, 0.95)
"""Least utility of a ranked row; 0 asks nothing of it."""


@dataclass(frozen=True)
class RowDraws:
    """Joint draws of one row: (B,) each, None where the value is not defined."""

    k_star: Draws | None
    utility: Draws | None


@dataclass(frozen=True)
class Standing:
    """Where a row stands under one gate.

    Attributes:
        tier: 1 for the leader and all that are not separable from it; who is separable opens the next; None: unranked.
    """

    section: Section
    rank: Rank | None
    tier: int | None


def standings(board: Board, draws: Mapping[str, RowDraws]) -> dict[str, tuple[Standing, ...]]:
    """By key of the row, its standing under each of `GATES`."""
    by_gate = [_under(gate, board, draws) for gate in GATES]
    return {row.key: tuple(found[row.key] for found in by_gate) for row in board.rows}


def _under(gate: float, board: Board, draws: Mapping[str, RowDraws]) -> dict[str, Standing]:
    sections = {row.key: _section(row, board, gate) for row in board.rows}
    ranked = sorted((row for row in board.rows if sections[row.key] == "ranked"), key=_by_k_star)
    stars = [star for row in ranked if (star := draws[row.key].k_star) is not None]
    found = dict(zip((row.key for row in ranked), zip(ranks(stars), tiers(stars), strict=True), strict=True))
    return {key: Standing(section, *found.get(key, (None, None))) for key, section in sections.items()}


def _section(row: Row, board: Board, gate: float) -> Section:
    return section_of(row.card, row.k_before, row.utility, gaps=row.gaps, match=board.match, gate=gate)


def _by_k_star(row: Row) -> tuple[float, str]:
    return row.k_star if row.k_star is not None else np.inf, row.label.text


def tiers(stars: Sequence[Draws]) -> list[int]:
    """Tiers of rows, best first: a row that is separable from the one that opened the last tier opens the next.

    Overlaps are not chained: every member is compared with the first of its tier, never with its neighbour.
    """
    found: list[int] = []
    anchor = 0
    for place, star in enumerate(stars):
        apart = interval(star - stars[anchor], float(np.mean(star - stars[anchor])))
        if place and apart is not None and apart.low > 0:
            anchor = place
            found.append(found[-1] + 1)
        else:
            found.append(found[-1] if found else 1)
    return found


def frontier(draws: Mapping[str, RowDraws], eligible: Sequence[str]) -> dict[str, float]:
    """Share of the draws in which a row is dominated by no other: none keeps as much utility and has less left.

    Args:
        draws: By key of the row.
        eligible: Keys of the rows that may stand on a frontier.
    """
    keys = [key for key in eligible if draws[key].k_star is not None and draws[key].utility is not None]
    if not keys:
        return {}
    k = np.stack([_present(draws[key].k_star) for key in keys])  # (R, B)
    u = np.stack([_present(draws[key].utility) for key in keys])  # (R, B)
    return dict(zip(keys, _undominated(u, k).mean(axis=1).tolist(), strict=True))


def _undominated(u: Draws, k: Draws) -> Draws:
    """Which rows no other row dominates, by draw: (R, B) of zeros and ones."""
    order = np.argsort(k, axis=0, kind="stable")
    order = np.take_along_axis(order, np.argsort(-np.take_along_axis(u, order, 0), axis=0, kind="stable"), 0)
    sorted_k, sorted_u = np.take_along_axis(k, order, 0), np.take_along_axis(u, order, 0)
    least = np.minimum.accumulate(sorted_k, axis=0)
    places = np.arange(len(k))[:, None]
    opened = np.vstack([np.ones((1, k.shape[1]), bool), sorted_k[1:] < least[:-1]])
    first = np.maximum.accumulate(np.where(opened, places, 0), axis=0)  # who set the least so far, with most utility
    kept = (sorted_k == least) & (sorted_u == np.take_along_axis(sorted_u, first, 0))
    member = np.zeros(k.shape)
    np.put_along_axis(member, order, kept.astype(np.float64), 0)
    return member


def difference(one: RowDraws, other: RowDraws, values: tuple[float, float]) -> Interval | None:
    """The paired interval of K* of one row less that of another.

    Args:
        one: Draws of the row.
        other: Draws of the row that it is compared with.
        values: Their point values.
    """
    if one.k_star is None or other.k_star is None:
        return None
    return interval(one.k_star - other.k_star, values[0] - values[1])


def _present(draws: Draws | None) -> Draws:
    if draws is None:
        raise ValueError("Draws were expected where none were made.")
    return draws
