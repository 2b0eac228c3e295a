"""The board as data: one CSV row per measured score, and JSON of the table.

Every file carries the benchmark's notice, and a pocket board's file name says that it is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from leaderboard.board import Board
from leaderboard.downloads.cells import Cell, columns, inert, stamp
from leaderboard.downloads.summary import summary_rows
from leaderboard.evidence import Evidence
from leaderboard.experiments import Experiment
from leaderboard.remarks import metric_gaps, remarks_of
from leaderboard.slugs import stem
from leaderboard.table import Table

SCHEMA = 2
"""Of a board's JSON, as ``board.schema.json`` beside this file describes it."""


def slug(table: Table) -> str:
    """A safe stem for file names and anchors: name, scale and identity of the board."""
    return f"{_stem(table.board)}-{table.board.key[:6]}"


def experiment_slug(experiment: Experiment) -> str:
    """A safe stem for an experiment: name and scale of its boards, what is asked, and its identity."""
    return f"{_stem(experiment.first)}-{experiment.question.title.lower()}-{experiment.key[:6]}"


def _stem(board: Board) -> str:
    return f"{stem(board.benchmark.name)}-{board.card.scale}-scale"


def score_rows(table: Table) -> Iterator[dict[str, Cell]]:
    """Every score of every stop of every record of the board, in order of method, attack, seed, stop and score."""
    head = stamp(table)
    ordered = sorted(table.board.records, key=lambda r: (r.cell.method.name, r.cell.attack.name, r.cell.seed, r.id))
    for record in ordered:
        for measurement in record.measurements:
            about: dict[str, Cell] = {
                **head,
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


def to_json(table: Table, ids: Mapping[str, str], evidence: Mapping[str, Evidence]) -> str:
    """JSON text of the table, as ``board.schema.json`` describes it; gaps are null.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
        evidence: By key of the row, what stands behind it; the schema asks for that of every row.
    """
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
        "rows": summary_rows(table, ids, evidence),
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
