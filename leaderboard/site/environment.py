"""Templates with escaping always on, and every spelling that a page may use.

An expression that would print None or an unformatted float is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.record import Cost, Spec
from leaderboard.board import AttackRow, Outcome, Section
from leaderboard.gates import UTILITY_GATE
from leaderboard.labels import parameters
from leaderboard.site import spelling, words
from leaderboard.site.addresses import (
    TOP,
    attack_address,
    board_address,
    details_address,
    entry_address,
    experiment_address,
    method_address,
)
from leaderboard.site.board_page import BoardPage
from leaderboard.site.experiment_page import ExperimentPage
from leaderboard.site.figures import tint
from leaderboard.site.panels import spark
from leaderboard.site.site import Entry
from leaderboard.standings import GATES, Standing
from leaderboard.stats import Rank
from leaderboard.table import Line

HERE = Path(__file__).parent
_COLUMN = 12  # letters that a column of names shows in one line
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, and halves of characters
LETTERS: Mapping[Section, str] = {
    "reference": "c",
    "ranked": "r",
    "below_utility": "b",
    "not_unlearned": "n",
    "incomplete": "i",
}


def environment() -> Environment:
    """The one environment of a build."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # a name ending in .j2 would switch a selective one off
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.globals |= {
        "access_words": words.ACCESS_WORDS,
        "control_names": words.CONTROL_NAMES,
        "data_words": words.DATA_WORDS,
        "default_gate": GATES.index(UTILITY_GATE),
        "family_names": words.FAMILY_NAMES,
        "fidelity_words": words.FIDELITY_WORDS,
        "gates": GATES,
        "role_names": words.ROLE_NAMES,
        "section_words": words.SECTION_WORDS,
        "state_words": words.STATE_WORDS,
        "status_words": words.STATUS_WORDS,
        "top": TOP,
    }
    env.filters |= {
        "address": _address,
        "breakable": breakable,
        "cited": _cited,
        "coordinate": lambda value: f"{value:.1f}".removesuffix(".0"),
        "cost_peak": lambda cost: spelling.number(cost.peak_memory_bytes / 2**20, 0) if cost else spelling.NOTHING,
        "cost_seconds": lambda cost: spelling.number(cost.seconds) if cost else spelling.NOTHING,
        "count_of": spelling.count,
        "details": lambda page: details_address(page.board),
        "first_cost": _first_cost,
        "gate": words.gate,
        "link": link,
        "mebibytes": spelling.mebibytes,
        "method": method_address,
        "milliseconds": spelling.milliseconds,
        "percent": spelling.percent,
        "rank": spelling.rank,
        "rank_words": spelling.rank_words,
        "ratio": spelling.ratio,
        "raw_error": spelling.raw_error,
        "raw_score": spelling.raw_score,
        "seconds": spelling.seconds,
        "settings": _settings,
        "sentence": spelling.sentence,
        "shares": spelling.shares,
        "signed": spelling.signed,
        "signed_or_dash": lambda value: spelling.NOTHING if value is None else spelling.signed(value),
        "spark": _spark,
        "spread": spelling.spread,
        "standings": _standings,
        "stop": _stop,
        "tint": tint,
        "tokens": spelling.tokens,
    }
    return env


def link(address: str, text: str = "") -> Markup:
    """A link to somebody else's page if it is an https one, else the text alone."""
    if not address.startswith("https://"):
        return escape(text or address)
    return Markup('<a href="{}" rel="noopener nofollow ugc"><bdi>{}</bdi></a>').format(address, text or address)


def breakable(name: str) -> Markup:
    """A name; one too long for its column may be broken after an underscore rather than within a word."""
    between = Markup("_<wbr>") if len(name) > _COLUMN else Markup("_")
    return between.join(escape(_printable(part)) for part in name.split("_"))


def _printable(value: object) -> object:
    """Let through what a page may print; control characters become visible."""
    if value is None or isinstance(value, float):
        raise TypeError(f"The page was about to print {value!r}; give the template a spelling for it.")
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def _address(thing: BoardPage | ExperimentPage | Entry | AttackRow) -> str:
    if isinstance(thing, BoardPage):
        return board_address(thing.board)
    if isinstance(thing, ExperimentPage):
        return experiment_address(thing.slug)
    return entry_address(thing.id) if isinstance(thing, Entry) else attack_address(thing.label.name)


def _cited(citation: str) -> Markup:
    """A source; an arXiv id is a link to its abstract."""
    plain = citation.removeprefix("arXiv:")
    is_id = len(plain) in (9, 10) and plain[4:5] == "." and plain.replace(".", "").isascii() and plain[:4].isdigit()
    return (
        link(f"https://arxiv.org/abs/{plain}", f"arXiv:{plain}") if is_id else Markup("<bdi>{}</bdi>").format(citation)
    )


def _first_cost(costs: Mapping[int, Cost]) -> Cost | None:
    return next(iter(costs.values()), None)


def _settings(spec: Spec) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters(spec).items())


def _spark(line: Line) -> Markup:
    path = spark(line)
    if not path:
        return Markup(spelling.NOTHING)
    return Markup('<svg class="spark" viewBox="0 0 96 24"><path d="{}"/></svg>').format(path)


def _standings(line: Line) -> str:
    """Section, rank and tie under every gate, for the script that only shows them."""
    return "|".join(_standing(standing) for standing in line.standings)


def _standing(standing: Standing) -> str:
    rank = standing.rank
    return LETTERS[standing.section] + (f"{_short(rank)}{'*' * int(rank.tied_with_best)}" if rank else "")


def _short(rank: Rank) -> str:
    return str(rank.low) if rank.low == rank.high else f"{rank.low}-{rank.high}"


def _stop(outcome: Outcome) -> str:
    """Where the attack was at its selected stop; of several seeds, where it left most."""
    stop = max(outcome.stops.values(), key=lambda stop: stop.k)
    budget = stop.measurement.point.budget
    return ", ".join(part for part in (stop.series, f"{spelling.number(budget, 0)} tokens" if budget else "") if part)
