"""The table with full precision: one row per line of the page, with everything that the page says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from leaderboard.board import Row
from leaderboard.collection import Submission
from leaderboard.downloads.cells import Cell, columns, leaks_of, stamp
from leaderboard.evidence import Evidence
from leaderboard.labels import parameters
from leaderboard.sampling import Estimate
from leaderboard.standings import GATES
from leaderboard.stats import Rank
from leaderboard.table import Line, Table


def summary_rows(table: Table, ids: Mapping[str, str], evidence: Mapping[str, Evidence]) -> list[dict[str, Cell]]:
    """In the order of the page; shares are 0..1, None where nothing was measured.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
        evidence: By key of the row, what stands behind it; a row without has no status.
    """
    leaks = leaks_of(table)
    return [
        {
            "entry": ids[line.row.key],
            **stamp(table),
            **_place(line),
            **_behind(line.row, evidence.get(line.row.key)),
            **_values(table, line),
            **{key: v for name in leaks for key, v in columns(f"privleak_{name}", _leak(line, name)).items()},
            **_made(table, line),
            **_effort(line),
            "parameters": "; ".join(f"{name}={value}" for name, value in parameters(line.row.spec).items()),
        }
        for line in table.lines
    ]


def _place(line: Line) -> Mapping[str, Cell]:
    row = line.row
    return {
        "section": row.section,
        "rank_low": line.rank.low if line.rank else None,
        "rank_high": line.rank.high if line.rank else None,
        "tied_with_best": line.rank.tied_with_best if line.rank else None,
        "method": row.label.name,
        "variant": row.label.variant,
        "version": row.spec.version,
        "family": row.card.family,
        "role": row.card.role,
        "setting": row.card.setting,
        "fidelity": row.card.fidelity,
    }


def _behind(row: Row, evidence: Evidence | None) -> Mapping[str, Cell]:
    """Who vouches for a row, and who found the attack that left most; a control is no entry."""
    best = row.best_known
    status = (evidence.status if row.card.role == "method" else "control") if evidence else None
    return {
        "status": status,
        "date": evidence.date if evidence else None,
        "submitted_by": _credit(evidence.submissions) if evidence else "",
        "best_known": best.k if best else None,
        "best_known_attack": best.attack.label.text if best else "",
        "best_known_by": _credit(evidence.attackers.get(best.attack.key, ())) if best and evidence else "",
    }


def _credit(submissions: Sequence[Submission]) -> str:
    """Whoever handed it in, with the date; empty for the maintainers' own."""
    return "; ".join(
        f"{', '.join(one.authors) or 'anonymous'} ({one.date})" + (", whose files do not check" if one.problems else "")
        for one in submissions
    )


def _values(table: Table, line: Line) -> Mapping[str, Cell]:
    row, bound = line.row, "lower" if line.row.gaps else ""
    return {
        **columns("k_star", line.k_star),
        "k_star_bound": bound,
        "worst_attack": row.worst.attack.label.text if row.worst else "none",
        **columns("gain", line.gain),
        "gain_bound": bound,
        **columns("k_before", line.k_before),
        **columns("utility", line.utility),
        **dict(_families(table, line)),
        "tier": line.tier,
        "on_frontier": line.on_frontier,
        "aurc": line.aurc,
        **{f"rank_gate_{100 * gate:g}": _rank_words(at.rank) for gate, at in zip(GATES, line.standings, strict=True)},
        "t50_tokens": row.half_life.tokens if row.half_life else None,
        "t50_bound": row.half_life.bound if row.half_life else None,
        **columns("excess_relearn", line.excess),
    }


def _families(table: Table, line: Line) -> Iterator[tuple[str, Cell]]:
    for cell in line.families:
        if cell.family in table.families:
            yield from columns(f"k_{cell.family}", cell.estimate).items()
            yield f"k_{cell.family}_bound", "lower" if cell.bound else ""
            yield f"k_{cell.family}_attack", cell.attack or cell.words[0]


def _leak(line: Line, name: str) -> Estimate:
    return line.leaks.get(name, Estimate())


def _made(table: Table, line: Line) -> Mapping[str, Cell]:
    row = line.row
    return {
        "seeds": " ".join(str(seed) for seed in row.seeds),
        "missing": "; ".join(row.gaps),
        "remarks": "; ".join(row.remarks),
        "share": " ".join(str(share) for share in row.shares.values())
        if table.board.match and row.card.role == "method"
        else None,
    }


def _effort(line: Line) -> Mapping[str, Cell]:
    cost = next(iter(line.row.costs.values()), None)
    return {
        "cost_ratio": line.cost_ratio,
        "seconds": cost.seconds if cost else None,
        "steps": cost.steps if cost else None,
        "forwards": cost.forwards if cost else None,
        "backwards": cost.backwards if cost else None,
        "tokens": cost.tokens if cost else None,
        "peak_memory_bytes": cost.peak_memory_bytes if cost else None,
        "step_seconds": cost.step_seconds if cost else None,
        "trained_parameters": cost.trained_parameters if cost else None,
        "optimizer_bytes": cost.optimizer_bytes if cost else None,
        "visible_share": cost.visible_share if cost else None,
    }


def _rank_words(rank: Rank | None) -> str | None:
    return f"{rank.low}-{rank.high}" if rank else None
