"""The board as data: one CSV row per line of the table, one per measured score, and JSON of the table.

Every file carries the benchmark's notice, and a pocket board's file name says that it is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from leaderboard.board import Board
from leaderboard.experiments import Experiment
from leaderboard.labels import parameters
from leaderboard.remarks import metric_gaps, remarks_of
from leaderboard.sampling import Estimate
from leaderboard.slugs import stem
from leaderboard.standings import GATES
from leaderboard.stats import Rank
from leaderboard.table import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
SCHEMA = 1
"""Of a board's JSON, as ``board.schema.json`` beside this file describes it."""
Cell = str | int | float | bool | None


def slug(table: Table) -> str:
    """A safe stem for file names and anchors: name, scale and identity of the board."""
    return f"{_stem(table.board)}-{table.board.key[:6]}"


def experiment_slug(experiment: Experiment) -> str:
    """A safe stem for an experiment: name and scale of its boards, what is asked, and its identity."""
    return f"{_stem(experiment.first)}-{experiment.question.title.lower()}-{experiment.key[:6]}"


def _stem(board: Board) -> str:
    return f"{stem(board.benchmark.name)}-{board.card.scale}-scale"


def summary_rows(table: Table, ids: Mapping[str, str]) -> list[dict[str, Cell]]:
    """The table with full precision, in the order of the page; shares are 0..1, None where nothing was measured.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
    """
    return [{"entry": ids[line.row.key], **_summary(table, i)} for i, line in enumerate(table.lines)]


def _summary(table: Table, index: int) -> dict[str, Cell]:
    line, row = table.lines[index], table.lines[index].row
    cost = next(iter(row.costs.values()), None)
    families = {
        key: value
        for cell in line.families
        if cell.family in table.families
        for key, value in {
            **columns(f"k_{cell.family}", cell.estimate),
            f"k_{cell.family}_bound": "lower" if cell.bound else "",
            f"k_{cell.family}_attack": cell.attack or cell.words[0],
        }.items()
    }
    return {
        **stamp(table),
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
        **columns("k_star", line.k_star),
        "k_star_bound": "lower" if row.gaps else "",
        "worst_attack": row.worst.attack.label.text if row.worst else "none",
        **columns("gain", line.gain),
        **columns("k_before", line.k_before),
        **columns("utility", line.utility),
        **families,
        "tier": line.tier,
        "on_frontier": line.on_frontier,
        "aurc": line.aurc,
        **{f"rank_gate_{100 * gate:g}": _rank_words(at.rank) for gate, at in zip(GATES, line.standings, strict=True)},
        "t50_tokens": row.half_life.tokens if row.half_life else None,
        "t50_bound": row.half_life.bound if row.half_life else None,
        **columns("excess_relearn", line.excess),
        "seeds": " ".join(str(seed) for seed in row.seeds),
        "missing": "; ".join(row.gaps),
        "remarks": "; ".join(row.remarks),
        "share": " ".join(str(share) for share in row.shares.values())
        if table.board.match and row.card.role == "method"
        else None,
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
        "parameters": "; ".join(f"{name}={value}" for name, value in parameters(row.spec).items()),
    }


def _rank_words(rank: Rank | None) -> str | None:
    return f"{rank.low}-{rank.high}" if rank else None


def score_rows(table: Table) -> Iterator[dict[str, Cell]]:
    """Every score of every stop of every record of the board, in order of method, attack, seed, stop and score."""
    ordered = sorted(table.board.records, key=lambda r: (r.cell.method.name, r.cell.attack.name, r.cell.seed, r.id))
    for record in ordered:
        for measurement in record.measurements:
            about: dict[str, Cell] = {
                **stamp(table),
                "record": record.id,
                "method": record.cell.method.name,
                "attack": record.cell.attack.name,
                "seed": record.cell.seed,
                "series": measurement.point.series,
                "budget_tokens": measurement.point.budget,
            }
            for name, score in sorted(measurement.scores.items()):
                yield {
                    **about,
                    "score": name,
                    "axis": score.axis,
                    "split": score.split,
                    "headline": score.headline,
                    "value": score.value,
                    "stderr": score.stderr,
                    "n": score.n,
                }
            for name, value in sorted(measurement.point.readings.items()):
                yield {
                    **about,
                    "score": f"reading: {name}",
                    "axis": "diagnostic",
                    "split": None,
                    "headline": False,
                    "value": value,
                    "stderr": None,
                    "n": None,
                }


def experiment_rows(experiment: Experiment) -> Iterator[dict[str, Cell]]:
    """Every method at every step with full precision, None where nothing was measured."""
    board = experiment.first
    for course in experiment.courses:
        for i, step in enumerate(experiment.steps):
            raw = {name: course.raw[name][i] or (None, None) for name in experiment.scores}
            yield {
                "benchmark": board.benchmark.name,
                "experiment": experiment.question.title.lower(),
                "variant": experiment.variant,
                "scale": board.card.scale,
                "notice": " ".join(experiment.notices),
                "parameter": experiment.question.parameter,
                "step": step,
                "method": course.label.name,
                "method_variant": course.label.variant,
                "role": course.role,
                "seeds": " ".join(str(seed) for seed in course.seeds[i]),
                **columns("utility", course.utility[i]),
                **columns("k_before", course.k_before[i]),
                **{f"score_{name}": value for name, (value, _) in raw.items()},
                **{f"score_{name}_stderr": error for name, (_, error) in raw.items()},
            }


def to_csv(rows: list[dict[str, Cell]]) -> str:
    """CSV text; a text that a spreadsheet would run as a formula starts with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow(rows[0].keys())
    writer.writerows([[inert(value) for value in row.values()] for row in rows])
    return out.getvalue()


def to_json(table: Table, ids: Mapping[str, str]) -> str:
    """JSON text of the table, as ``board.schema.json`` describes it; gaps are null."""
    board = table.board
    content: Mapping[str, object] = {
        "schema": SCHEMA,
        **stamp(table),
        "title": board.card.title,
        "model": board.card.model,
        "draws": table.draws,
        "detectable_difference": table.detectable,
        "cost_unit": table.unit,
        "engine": board.served,
        "match": asdict(board.match) if board.match else None,
        "unmatched": [{"method": method, "reason": reason} for method, reason in board.unmatched],
        "ranked": table.ranked,
        "not_applicable": [{"metric": name, "reason": reason} for name, reason in metric_gaps(board)],
        "unusable_scores": dict(board.scale.unusable),
        "remarks": [asdict(remark) for remark in remarks_of(board)],
        "rows": summary_rows(table, ids),
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def inert(value: Cell) -> Cell:
    """A text that no spreadsheet takes for a formula; numbers pass."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def stamp(table: Table) -> dict[str, Cell]:
    """What every row of a download says of its board, the notice among it."""
    board = table.board
    return {
        "benchmark": board.benchmark.name,
        "board": board.variant,
        "match": board.match.words if board.match else "off",
        "scale": board.card.scale,
        "notice": board.notice,
    }


def columns(name: str, estimate: Estimate) -> dict[str, Cell]:
    """A value and its interval; the ends are rounded to what the draws support, so that machines agree."""
    low, high = (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    ends = {f"{name}_low": low, f"{name}_high": high}
    return {name: estimate.value, **{key: None if end is None else round(end, 6) for key, end in ends.items()}}
