"""Every file that a board or an experiment has for download, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import Protocol

from leaderboard.downloads.attacks import attack_rows
from leaderboard.downloads.cells import newest, stamp
from leaderboard.downloads.curves import curve_rows
from leaderboard.downloads.long import long_rows
from leaderboard.downloads.summary import summary_rows
from leaderboard.downloads.tables import experiment_rows, experiment_slug, score_rows, slug, to_csv, to_json
from leaderboard.downloads.tex import to_tex
from leaderboard.evidence import Evidence
from leaderboard.experiments import Experiment
from leaderboard.table import Table

LICENCE = "CC-BY-4.0"


def names_of(table: Table) -> list[str]:
    """The names alone."""
    stem = slug(table)
    attacks = [f"{stem}-attacks.csv"] if table.board.attacks and table.lines else []
    attacks += [curves_name(table)] if any(curve.drawn for line in table.lines for curve in line.row.curves) else []
    whole = [f"{stem}{end}" for end in (".csv", ".json", ".tex", "-long.csv", "-scores.csv", ".meta.json")]
    return whole + attacks


def curves_name(table: Table) -> str:
    """The file of the numbers behind relearning curves, where there are any."""
    return f"{slug(table)}-curves.csv"


def kind_of(name: str) -> str:
    """What a file of that name is, in words."""
    kinds = {"-scores.csv": "every score of every stop (CSV)", "-attacks.csv": "every attack on every row (CSV)"}
    kinds |= {"-curves.csv": "every stop of every relearning curve (CSV)"}
    kinds |= {"-long.csv": "tidy CSV", ".meta.json": "about the files (JSON)", ".json": "JSON", ".tex": "LaTeX"}
    return next((words for end, words in kinds.items() if name.endswith(end)), "CSV")


class Filed(Protocol):
    """What the files say of an entry beyond its row."""

    @property
    def id(self) -> str:
        """Its permanent id."""

    @property
    def evidence(self) -> Evidence:
        """What stands behind it."""


def board_files(
    table: Table, entries: Mapping[str, Filed], *, release: str, guests: Set[str], repository: str = ""
) -> dict[str, str]:
    """File name -> content.

    Args:
        table: The board.
        entries: By key of the row.
        release: What the site says of itself.
        guests: Ids of records that were handed in.
        repository: Where the site comes from; may be empty.
    """
    stem, ids = slug(table), {key: entry.id for key, entry in entries.items()}
    evidence = {key: entry.evidence for key, entry in entries.items()}
    content = {
        f"{stem}.csv": to_csv(summary_rows(table, ids, evidence)),
        f"{stem}.json": to_json(table, ids, evidence),
        f"{stem}.tex": to_tex(table, release=release, repository=repository),
        f"{stem}-attacks.csv": to_csv(list(attack_rows(table, ids))),
        curves_name(table): to_csv(list(curve_rows(table, ids))),
        f"{stem}-long.csv": to_csv(list(long_rows(table, ids))),
        f"{stem}-scores.csv": to_csv(list(score_rows(table))),
        f"{stem}.meta.json": _meta(table, release, guests),
    }
    return {name: content[name] for name in names_of(table)}


def experiment_files(experiment: Experiment) -> dict[str, str]:
    """File name -> content."""
    return {f"{experiment_slug(experiment)}.csv": to_csv(list(experiment_rows(experiment)))}


def _meta(table: Table, release: str, guests: Set[str]) -> str:
    content = {
        **stamp(table),
        "release": release,
        "newest_record": newest(table.board.records, guests).started,
        "licence": LICENCE,
        "draws": table.draws,
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
