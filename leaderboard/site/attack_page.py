"""What the page of one attack says of each board: what it left on every entry and control, and how that is spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from leaderboard.board import AttackRow, Outcome
from leaderboard.sampling import Estimate
from leaderboard.site.board_page import BoardPage
from leaderboard.site.panels import Panels
from leaderboard.site.site import AttackPage, Entry
from leaderboard.site.spelling import percent

WIDTH, HEIGHT, LEFT, BASE, TOP = 480, 170, 20, 128, 18
BINS = 12  # a tenth of K each, from -.1 to 1.1; what lies beyond stands in the outermost


@dataclass(frozen=True)
class Histogram:
    """Entries by K after one attack: bars as (x, y, width, height, count in words)."""

    key: str
    bars: tuple[tuple[float, float, float, float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - LEFT
    base: int = BASE


@dataclass(frozen=True)
class View:
    """One attack on one board.

    Attributes:
        rows: Entries with what was left and what was brought back, most left first.
        seconds: Mean over models of the time it took, scoring not counted.
        controls: What it did to the original and to the never-learned model, in sentences.
    """

    page: BoardPage
    attack: AttackRow
    rows: tuple[tuple[Entry, Outcome, Estimate], ...]
    seconds: float | None
    controls: tuple[str, ...]
    histogram: Histogram | None
    panels: tuple[Panels, ...]


def views_of(attack: AttackPage) -> tuple[View, ...]:
    """One view per board and specification."""
    return tuple(_view(page, row, pairs) for page, row, pairs in attack.rows)


def _view(page: BoardPage, attack: AttackRow, pairs: Sequence[tuple[Entry, Outcome]]) -> View:
    at = [a.key for a in page.board.attacks].index(attack.key)
    rows = sorted(((e, o, e.line.gains[at]) for e, o in pairs), key=lambda row: (row[1].k is None, -(row[1].k or 0.0)))
    costs = [r.attack_cost.seconds for r in page.board.records if r.cell.attack == attack.spec and r.measurements]
    ks = [outcome.k for entry, outcome in pairs if entry.is_method and outcome.k is not None]
    return View(
        page=page,
        attack=attack,
        rows=tuple(rows),
        seconds=fmean(costs) if costs else None,
        controls=tuple(_controls(pairs)),
        histogram=_histogram(f"h-{page.slug}-{attack.key[:6]}", ks) if len(ks) > 1 else None,
        panels=tuple(p for p in page.panels if p.attack == attack.label.text),
    )


def _controls(pairs: Sequence[tuple[Entry, Outcome]]) -> Iterator[str]:
    for entry, outcome in pairs:
        if outcome.k is not None and entry.line.row.card.role == "original":
            yield f"It leaves {percent(outcome.k)} % of the original model's own knowledge."
        if outcome.k is not None and entry.line.row.card.role == "reference":
            taught = "so much is taught and not recovered" if outcome.k > 0 else "it teaches nothing that is asked"
            yield f"It takes the never-learned model to {percent(outcome.k)} %: {taught}."


def _histogram(key: str, ks: Sequence[float]) -> Histogram:
    counts = [0] * BINS
    for k in ks:
        counts[min(BINS - 1, max(0, int((k + 0.1) * 10)))] += 1
    step = (WIDTH - 2 * LEFT) / BINS
    tall = (BASE - TOP) / max(counts)
    bars = [
        (LEFT + at * step + 1, BASE - count * tall, step - 2, count * tall, str(count) if count else "")
        for at, count in enumerate(counts)
    ]
    ticks = tuple((LEFT + (0.1 + k / 100) * 10 * step, str(k)) for k in (0, 50, 100))
    shown = [f"{count} from {10 * at - 10} to {10 * at} %" for at, count in enumerate(counts) if count]
    return Histogram(key, tuple(bars), ticks, ", ".join(shown))
