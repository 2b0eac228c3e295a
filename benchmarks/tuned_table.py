"""The tables of docs/pocket_tuning.md, from the tuned settings that ship.

    python benchmarks/tuned_table.py
    python benchmarks/tuned_table.py results/tuned

Prints one line per benchmark and method: what the search started from, what it chose, and what both came to on dev
items.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parents[1] / "methods" / "tuned"


def row(path: Path) -> str:
    """One line of the table."""
    study = json.loads(path.read_text(encoding="utf-8"))["study"]
    trials = study["trials"]
    attacked = [trial for trial in trials if trial.get("worst") is not None]
    first, best = trials[0], min(attacked, key=lambda trial: trial["worst"])
    kept = sum(trial.get("utility", 0) >= study["discipline"]["least_utility"] for trial in trials)
    chosen = ", ".join(f"{field} {_spelt(value)}" for field, value in sorted(best["set"].items()))
    cells = (
        path.stem,
        f"{_number(first, 'before')} / {_number(first, 'utility')} / {_number(first, 'worst')}",
        f"{_number(best, 'before')} / {_number(best, 'utility')} / {_number(best, 'worst')}",
        f"{kept}",
        chosen,
    )
    return f"| {' | '.join(cells)} |"


def tables(folder: Path) -> Iterator[str]:
    """Every benchmark's table, least K after the attack first."""
    for benchmark in sorted(part for part in folder.iterdir() if part.is_dir() and part.name != "studies"):
        yield f"### {benchmark.name}\n"
        yield "| method | start: K(0) / u / K* | chosen: K(0) / u / K* | trials with utility | chosen setting |"
        yield "|---|---|---|---|---|"
        yield from (row(path) for path in sorted(benchmark.glob("*.json"), key=_worst))
        yield ""


def _worst(path: Path) -> float:
    trials = json.loads(path.read_text(encoding="utf-8"))["study"]["trials"]
    return min(float(trial["worst"]) for trial in trials if trial.get("worst") is not None)


def _number(trial: Mapping[str, Any], key: str) -> str:
    return "-" if trial.get(key) is None else f"{trial[key]:.2f}"


def _spelt(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=SHIPPED)
    given: Any = parser.parse_args()
    if not any(given.folder.glob("*/*.json")):
        parser.error(f"{given.folder} holds no tuned setting; give the folder that `harness tune` wrote")
    print("\n".join(tables(given.folder)))


if __name__ == "__main__":
    main()
