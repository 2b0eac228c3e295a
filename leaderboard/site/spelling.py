"""How values are spelt on the page: percentages with one decimal, a true minus sign, words where there is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping

from leaderboard.knowledge import Crossing
from leaderboard.sampling import Estimate
from leaderboard.stats import Rank
from leaderboard.table import Line

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_SYMMETRIC = 0.15  # sides of an interval that differ by more are written out


def number(value: float, decimals: int = 1) -> str:
    """A number with a fixed count of decimals, thousands separated, and no negative zero."""
    text = f"{value:,.{decimals}f}"
    negative = text.startswith("-") and any(c in "123456789" for c in text)
    return MINUS + text[1:] if negative else text.lstrip("-")


def percent(value: float | None) -> str:
    """A share as a percentage without its sign; a dash where nothing was measured."""
    return NOTHING if value is None else number(100 * value)


def spread(estimate: Estimate) -> str:
    """The interval behind a value: a half-width, or both ends where the sides differ; empty where there is none."""
    if estimate.interval is None or estimate.value is None:
        return ""
    down, up = estimate.value - estimate.interval.low, estimate.interval.high - estimate.value
    if abs(up - down) <= _SYMMETRIC * max(up, down, 1e-12) or max(up, down) < 0.0005:
        return f"\N{PLUS-MINUS SIGN}{number(100 * (up + down) / 2)}"
    return f"[{percent(estimate.interval.low)}, {percent(estimate.interval.high)}]"


def rank(line: Line) -> str:
    """Rank interval of a ranked row, a dash for all others."""
    return rank_words(line.rank)


def rank_words(found: Rank | None) -> str:
    """A rank interval, a dash where there is none."""
    if found is None:
        return NOTHING
    return str(found.low) if found.low == found.high else f"{found.low}{NOTHING}{found.high}"


def tokens(crossing: Crossing | None) -> str:
    """T50 in forget tokens, with the sign that says it is a bound."""
    signs = {"exact": "", "at_most": "\N{LESS-THAN OR EQUAL TO} ", "more_than": "> "}
    return NOTHING if crossing is None else signs[crossing.bound] + number(crossing.tokens, 0)


def shares(by_seed: Mapping[int, float]) -> str:
    """Shares of an update, lowest and highest over seeds."""
    low, high = number(min(by_seed.values()), 2), number(max(by_seed.values()), 2)
    return low if low == high else f"{low} to {high}"


def ratio(value: float | None) -> str:
    """A cost ratio."""
    return NOTHING if value is None else f"{number(value)}\N{MULTIPLICATION SIGN}"


def seconds(value: float) -> str:
    """A duration, to a tenth below a minute."""
    if value < 60:
        return f"{number(value)}\N{NO-BREAK SPACE}s"
    return f"{number(value / 60)}\N{NO-BREAK SPACE}min"


def count(value: float) -> str:
    """A count; a fraction (half a forward pass) keeps one decimal."""
    return number(value, 0 if math.isclose(value, round(value)) else 1)


def milliseconds(value: float) -> str:
    """Seconds as milliseconds; nothing where they were not measured."""
    return f"{number(1000 * value, 0)} ms" if value else NOTHING


def mebibytes(value: float) -> str:
    """Bytes as MiB."""
    return f"{number(value / 2**20, 0)} MiB"


def raw_score(pair: tuple[float, float] | None) -> str:
    """A raw score in its own unit."""
    return NOTHING if pair is None else number(pair[0], 3)


def raw_error(pair: tuple[float, float] | None) -> str:
    """The standard error of a raw score."""
    return "" if pair is None else f"\N{PLUS-MINUS SIGN}{number(pair[1], 3)}"


def signed(value: float) -> str:
    """A share as a percentage with its sign."""
    return f"+{percent(value)}" if value > 0.0005 else percent(value)


def plural(count: int, noun: str, several: str = "") -> str:
    """A count and what is counted."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def sentence(text: str) -> str:
    """A text with a capital letter in front, if it begins with a word of small ones, and one full stop behind."""
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text
    return begun.rstrip(" .") + "."
