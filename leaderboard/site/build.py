"""Records to a folder: one self-contained page and its data files, written whole or not at all.

The page holds no script and asks nothing of the network; its style sheet is inside it, allowed by its hash. Everything
that a record says is escaped, and an expression that would print None or an unformatted float is an error here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.record import Cost, Record, Spec
from leaderboard.site import spelling
from leaderboard.downloads.attacks import attack_rows
from leaderboard.board import Outcome
from leaderboard.derive import boards_of
from leaderboard.site.experiment_page import ExperimentPage, experiment_page_of
from leaderboard.experiments import experiments_of
from leaderboard.downloads.tables import experiment_rows, score_rows, summary_rows, to_csv, to_json
from leaderboard.site.figures import tint
from leaderboard.labels import parameters
from leaderboard.site.board_page import SECTION_WORDS, BoardPage, page_of, provenance_of
from leaderboard.stats import DRAWS
from leaderboard.table import tabulate

HERE = Path(__file__).parent
FAMILY_NAMES = {
    "relearn": ("Relearn", "forget text"),
    "finetune": ("Fine-tune", "other text"),
    "edit": ("Edit", "of weights"),
    "activation": ("Activation", "directions"),
    "embedding": ("Embedding", "soft prompts"),
    "prompt": ("Prompt", "only"),
}
ROLE_NAMES = {"original": "original model", "reference": "never-learned model"}


def build(records: Sequence[Record], out: Path, *, problems: Sequence[str] = ()) -> Path:
    """Write ``out/index.html`` and ``out/data/``.

    Args:
        records: All records to show, in any order.
        out: Folder to write into; made if absent. Other files in it are left alone.
        problems: Files that held no record to be trusted, each with the reason.

    Returns:
        Path of the page.
    """
    tables = [tabulate(board) for board in boards_of(records)]
    pages = tuple(page_of(table) for table in tables)
    experiments = tuple(experiment_page_of(experiment) for experiment in experiments_of(tables))
    files = [_downloads(page) for page in pages]
    files += [{f"{e.slug}.csv": to_csv(list(experiment_rows(e.experiment)))} for e in experiments]
    for name, text in ((name, text) for some in files for name, text in some.items()):
        _write(out / "data" / name, text)
    _write(out / "index.html", html(pages, records, experiments=experiments, problems=problems))
    return out / "index.html"


def html(
    pages: Sequence[BoardPage],
    records: Sequence[Record],
    *,
    experiments: Sequence[ExperimentPage] = (),
    problems: Sequence[str] = (),
) -> str:
    """The whole page as text."""
    style = (HERE / "assets" / "app.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = environment().get_template("page.html.j2")
    return template.render(
        pages=pages,
        experiments=experiments,
        problems=sorted(problems),
        provenance=provenance_of(records),
        draws=spelling.number(pages[0].table.draws if pages else DRAWS, 0),
        style=Markup(style),  # our own file, not data
        style_hash=f"sha256-{digest}",
    )


def environment() -> Environment:
    """Templates with escaping always on (a name ending in .j2 would switch a selective one off)."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.globals |= {"family_names": FAMILY_NAMES, "role_names": ROLE_NAMES, "section_words": SECTION_WORDS}
    env.filters |= {
        "coordinate": lambda value: f"{value:.1f}".removesuffix(".0"),
        "count_of": spelling.count,
        "first_cost": _first_cost,
        "mebibytes": spelling.mebibytes,
        "milliseconds": spelling.milliseconds,
        "percent": spelling.percent,
        "rank": spelling.rank,
        "ratio": spelling.ratio,
        "raw_error": spelling.raw_error,
        "raw_score": spelling.raw_score,
        "seconds": spelling.seconds,
        "signed": spelling.signed,
        "settings": _settings,
        "shares": spelling.shares,
        "spread": spelling.spread,
        "stop": _stop,
        "tint": tint,
        "tokens": spelling.tokens,
    }
    return env


def _printable(value: object) -> object:
    """Let through what a page may print; control characters become visible."""
    if value is None or isinstance(value, float):
        raise TypeError(f"The page was about to print {value!r}; give the template a spelling for it.")
    if isinstance(value, str) and not isinstance(value, Markup):
        return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in value)
    return value


def _first_cost(costs: Mapping[int, Cost]) -> Cost | None:
    return next(iter(costs.values()), None)


def _settings(spec: Spec) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters(spec).items())


def _stop(outcome: Outcome) -> str:
    """Where the attack was at its selected stop; of several seeds, where it left most."""
    point = max(outcome.stops.values(), key=lambda stop: stop.k).measurement.point
    tokens = f"{spelling.number(point.budget, 0)} tokens" if point.budget else ""
    return ", ".join(part for part in (point.series, tokens) if part)


def _downloads(page: BoardPage) -> dict[str, str]:
    attacks = list(attack_rows(page.table))
    return {
        f"{page.slug}.csv": to_csv(summary_rows(page.table)),
        f"{page.slug}-scores.csv": to_csv(list(score_rows(page.table))),
        **({f"{page.slug}-attacks.csv": to_csv(attacks)} if attacks else {}),
        f"{page.slug}.json": to_json(page.table),
    }


def _write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
