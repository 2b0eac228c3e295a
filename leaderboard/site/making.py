"""What made the numbers of some records: which code ran where, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.record import Provenance, Record
from leaderboard.board import Board
from leaderboard.downloads.cells import suite
from leaderboard.labels import parameters
from leaderboard.site.spelling import plural

_SHOWN = ("torch", "transformers", "lm-eval", "numpy", "peft")


def provenance_of(records: Sequence[Record], board: Board | None = None) -> list[tuple[str, str]]:
    """What made these numbers, as (heading, text); the date is the newest record's, so that builds repeat exactly."""
    if not records:
        return []
    newest = max(r.provenance.started for r in records)
    facts = [("Newest record", newest), ("Cells", str(len({r.id for r in records}))), *making_of(records)]
    return [("Suite", _suite(board)), *facts] if board else facts


def _suite(board: Board) -> str:
    """What K* is a worst case over; rows of another suite are not compared with these, and downloads name it too."""
    spec = board.benchmark
    settings = [f"version {spec.version}", *(f"{name}={value}" for name, value in parameters(spec).items())]
    settings += [f"matched at {board.match.words}"] if board.match else []
    ranked = sum(attack.counts for attack in board.attacks)
    return f"{suite(board)}: {spec.name} {', '.join(settings)}, {plural(ranked, 'ranked attack')}"


def making_of(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """The part of their provenance that many rows share: what ran where."""
    stamps = [r.provenance for r in records]
    packages = sorted({f"{name} {p.packages[name]}" for p in stamps for name in _SHOWN if name in p.packages})
    return (
        ("Harness", _counted(_source(p) for p in stamps)),
        ("Device", _counted(f"{p.device}, {p.dtype}, {plural(p.threads, 'thread')}" for p in stamps)),
        ("Software", ", ".join([*sorted({f"Python {p.python}" for p in stamps}), *packages])),
        (
            "Plugins",
            ", ".join(sorted({f"{name} {v}" for p in stamps for name, v in p.distributions.items()})) or "none",
        ),
    )


def _source(stamp: Provenance) -> str:
    changed = " with uncommitted changes" if stamp.dirty else ""
    return f"{stamp.harness_version}, commit {stamp.commit[:12] or 'unknown'}{changed}"


def _counted(texts: Iterable[str]) -> str:
    counts = sorted(Counter(texts).items())
    return "; ".join(text if len(counts) == 1 else f"{text} ({plural(n, 'cell')})" for text, n in counts)
