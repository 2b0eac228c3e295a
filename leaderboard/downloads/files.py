"""Every file that a board or an experiment has for download, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from leaderboard.downloads.attacks import attack_rows
from leaderboard.downloads.long import long_rows
from leaderboard.downloads.tables import (
    experiment_rows,
    experiment_slug,
    score_rows,
    slug,
    stamp,
    summary_rows,
    to_csv,
    to_json,
)
from leaderboard.downloads.tex import to_tex
from leaderboard.experiments import Experiment
from leaderboard.table import Table

LICENCE = "CC-BY-4.0"


def names_of(table: Table) -> list[str]:
    """The names alone."""
    stem = slug(table)
    attacks = [f"{stem}-attacks.csv"] if table.board.attacks and table.lines else []
    whole = [f"{stem}{end}" for end in (".csv", ".json", ".tex", "-long.csv", "-scores.csv", ".meta.json")]
    return whole + attacks


def board_files(table: Table, ids: Mapping[str, str], *, release: str) -> dict[str, str]:
    """File name -> content.

    Args:
        table: The board.
        ids: By key of the row, the entry's id.
        release: What the site says of itself.
    """
    stem = slug(table)
    content = {
        f"{stem}.csv": to_csv(summary_rows(table, ids)),
        f"{stem}.json": to_json(table, ids),
        f"{stem}.tex": to_tex(table, release=release),
        f"{stem}-attacks.csv": to_csv(list(attack_rows(table, ids))),
        f"{stem}-long.csv": to_csv(list(long_rows(table, ids))),
        f"{stem}-scores.csv": to_csv(list(score_rows(table))),
        f"{stem}.meta.json": _meta(table, release),
    }
    return {name: content[name] for name in names_of(table)}


def experiment_files(experiment: Experiment) -> dict[str, str]:
    """File name -> content."""
    return {f"{experiment_slug(experiment)}.csv": to_csv(list(experiment_rows(experiment)))}


def _meta(table: Table, release: str) -> str:
    newest = max((record.provenance.started for record in table.board.records), default="")
    content = {**stamp(table), "release": release, "newest_record": newest, "licence": LICENCE, "draws": table.draws}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
