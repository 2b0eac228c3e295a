"""What the page of one board says and draws, assembled from its table; every sentence here is derived from records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.record import BY_OTHER, Score
from leaderboard.board import ACCESS, SECTIONS, Board, Outcome, Section
from leaderboard.downloads.tables import slug
from leaderboard.knowledge import Gauge, value_of
from leaderboard.labels import parameters
from leaderboard.remarks import Remark, metric_gaps, remarks_of
from leaderboard.site.cost_figure import CostFigure, cost_figure
from leaderboard.site.figures import Scatter, Strip, scatter, strip
from leaderboard.site.panels import Panels, small_multiples
from leaderboard.site.spelling import number, percent, plural, sentence
from leaderboard.site.words import DATA_WORDS, called
from leaderboard.table import Line, Table

SECTION_TITLES: dict[Section, str] = {
    "reference": "Controls",
    "ranked": "Ranked",
    "below_utility": "Below the utility gate (u < 90 %)",
    "not_unlearned": "Not unlearned (K(0) > 25 %)",
    "incomplete": "Incomplete: K* is a lower bound",
}
_ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}", "zero": "nearest to the never-learned"}
_UNDEFINED_TITLE = "Not ranked: K is not defined here"
_FIXED_COLUMNS = 13
_FEW = 4  # names that are listed rather than counted


@dataclass(frozen=True)
class ScoreColumn:
    """A raw score as a column of the table of other scores; a diagnostic one says no direction."""

    name: str
    words: str
    diagnostic: bool


@dataclass(frozen=True)
class BoardPage:
    """Everything the templates need for one board."""

    slug: str
    table: Table
    sections: tuple[tuple[Section, str, tuple[tuple[Line, Strip], ...]], ...]
    scatter: Scatter | None
    costs: CostFigure | None
    panels: tuple[Panels, ...]
    scores: tuple[ScoreColumn, ...]
    leaks: tuple[str, ...]
    remarks: tuple[Remark, ...]

    @property
    def board(self) -> Board:
        """The derived board."""
        return self.table.board

    @property
    def heading(self) -> str:
        """Title of the board with what sets it apart."""
        parts = (self.board.card.title, self.board.scale_words, self.board.variant)
        return ", ".join(part for part in parts if part)

    @property
    def relearns(self) -> bool:
        """Whether a ranked relearning attack was run, so that T50 and X have columns."""
        return "relearn" in self.table.families

    @property
    def columns(self) -> int:
        """Columns of the main table."""
        fixed = _FIXED_COLUMNS + (self.board.match is not None)
        return fixed + len(self.table.families) + 4 * self.relearns + len(self.leaks)

    @property
    def optional(self) -> tuple[tuple[str, str], ...]:
        """Groups of columns that are hidden until asked for: their key and what they hold."""
        relearning = (("or", "Relearning curve, excess, AURC"),) if self.relearns else ()
        return (("og", "Gain"), *relearning, ("oc", "Seconds and memory"))

    @property
    def families(self) -> tuple[str, ...]:
        """Families of the methods, to filter by."""
        return tuple(sorted({row.card.family for row in self.board.rows if row.card.role == "method"}))

    @property
    def matched(self) -> str:
        """Where the models of a matched board stand; empty on others."""
        match = self.board.match
        if match is None:
            return ""
        if match.axis == "forget":
            place = f"the first point at which at most {percent(match.level)} % of the knowledge is left"
        else:
            place = f"the last point that keeps at least {percent(match.level)} % of the utility"
        return f"Not the models that the methods made: {place}, on dev items, on the way from the original to each."

    @property
    def accesses(self) -> tuple[str, ...]:
        """What attackers of this board's ranked attacks may do, from the least to the most."""
        met = {attack.card.threat.access for attack in self.board.attacks if attack.counts}
        return tuple(access for access in ACCESS if access in met)

    @property
    def threats(self) -> tuple[list[str], list[str]]:
        """Access and data of this board's attacks, each from the least to the most."""
        threats = [attack.card.threat for attack in self.board.attacks]
        met, owned = {threat.access for threat in threats}, {threat.data for threat in threats}
        return [access for access in ACCESS if access in met], [kind for kind in DATA_WORDS if kind in owned]

    @property
    def components(self) -> tuple[str, ...]:
        """Headline forget scores."""
        return tuple(gauge.name for gauge in self.board.scale.forget["test"])

    @property
    def selection(self) -> str:
        """Which items attacks were selected on."""
        return self.board.scale.selection_split

    @property
    def most_seeds(self) -> int:
        """How many seeds the method with most has; controls may have more."""
        methods = [row for row in self.board.rows if row.card.role == "method"] or self.board.rows
        return max((len(row.seeds) for row in methods), default=0)

    @property
    def not_applicable(self) -> tuple[tuple[str, str], ...]:
        """Why attacks have no meaning on some rows: which on which, and the reason, which is said once."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for row in self.board.rows:
            for outcome in row.outcomes:
                if outcome.not_applicable:
                    attacks, rows = found.setdefault(sentence(outcome.not_applicable), (set(), set()))
                    attacks.add(outcome.attack.label.text)
                    rows.add(called(row))
        listed = (
            (f"{_named(attacks, 'attack')} on {_named(rows, 'row')}", why) for why, (attacks, rows) in found.items()
        )
        return tuple(sorted(listed))

    @property
    def states(self) -> frozenset[str]:
        """Every state that an attack on some row is in."""
        return frozenset(outcome.state for outcome in _outcomes(self.board))

    @property
    def starts(self) -> str:
        """From where to where the ranked rows start; empty where they start alike."""
        return "" if self.table.starts is None else " to ".join(percent(k) for k in self.table.starts)

    @property
    def scope(self) -> str:
        """How many rows, attacks and seeds the board compares."""
        methods = [row for row in self.board.rows if row.card.role == "method"]
        attacks = sum(a.counts for a in self.board.attacks)
        seeds = {seed for row in methods or self.board.rows for seed in row.seeds}
        counted = f"{plural(len(methods), 'method row')} under {plural(attacks, 'ranked attack')}"
        return f"{counted}, {plural(len(seeds), 'unlearning seed')}."

    @property
    def unranked(self) -> str:
        """Why nothing is ranked, in one sentence."""
        board = self.board
        if not board.has_original:
            return "The original model was not measured before attack, so K is not defined and nothing is ranked."
        if not board.has_knowledge:
            return f"Nothing is ranked, since K is not defined: no headline forget score is usable ({_reasons(board)})."
        if not any(row.card.role == "method" for row in board.rows):
            why = "No method could be matched" if board.unmatched else "No unlearning method was run"
            return f"{why}, so nothing is ranked."
        return "No row passes both gates with all attacks run, so nothing is ranked."

    @property
    def diagnostics(self) -> bool:
        """Whether some column holds a score that explains others and is not compared."""
        return any(column.diagnostic for column in self.scores)

    @cached_property
    def leaders(self) -> tuple[Line, ...]:
        """The first ranked row and all that are tied with it; empty where nothing is ranked."""
        return tuple(line for line in self.table.lines if line.rank and line.rank.tied_with_best)

    @property
    def notes(self) -> tuple[str, ...]:
        """Statements about the scale: the ends of every gauge, what could not be used, how attacks were selected."""
        found = [_gauge_words(gauge) for gauge in self.board.scale.forget["test"]]
        found += [f"{name} is not used for K or u: {reason}." for name, reason in self.board.scale.unusable.items()]
        return (*found, *_absences(self.board), _engine_words(self.board))

    @property
    def metric_gaps(self) -> tuple[tuple[str, str], ...]:
        """Metrics that have no meaning on this benchmark, with the reason."""
        return metric_gaps(self.board)


def _gauge_words(gauge: Gauge) -> str:
    """Between which values K is measured on one score."""
    never = f", never-learned {number(float(gauge.control(value_of)), 3)}" if gauge.references else ""
    return (
        f"{gauge.name}: original {number(float(gauge.top(value_of)), 3)}, floor "
        f"{number(float(gauge.floor(value_of)), 3)} (chance {number(gauge.chance, 3)}{never})."
    )


def _reasons(board: Board) -> str:
    """Why each headline forget score of the reported items cannot carry K."""
    scores = [pair for r in board.records for m in r.measurements for pair in m.scores.items()]
    names = {n for n, score in scores if score.headline and score.axis == "forget" and score.split == "test"}
    found = [f"{name}: {reason}" for name, reason in sorted(board.scale.unusable.items()) if name in names]
    return "; ".join(found) or "the original model has none"


def _absences(board: Board) -> Iterator[str]:
    """What the board lacks, and what follows from it."""
    scores = [score for r in board.records for m in r.measurements for score in m.scores.values()]
    if not board.has_original:
        yield "The original model has no record without attack, so K and u are not defined."
    if not board.references:
        yield "There is no never-learned model before attack: the floor is chance, and X is not defined."
        if any(score.axis == "privacy" for score in scores):
            yield "PrivLeak is not defined either: it is relative to the never-learned model."
    if board.has_knowledge and board.scale.selection_split == "test":
        kind = "usable dev scores on both axes" if any(score.split == "dev" for score in scores) else "dev scores"
        yield f"There are no {kind}: the stop of each attack was selected on the reported items."


def _engine_words(board: Board) -> str:
    """What scored this board, whole: a variant in the heading says only what differs."""
    settings = "".join(f", {name}={value}" for name, value in parameters(board.engine).items())
    return f"Scored by the engine {board.served} (version {board.engine.version}{settings})."


def page_of(table: Table) -> BoardPage:
    """Assemble one board's page."""
    grouped: dict[Section, list[tuple[Line, Strip]]] = {section: [] for section in SECTIONS}
    for line in table.lines:
        grouped[line.row.section].append((line, strip(line)))
    titles = SECTION_TITLES if table.board.has_knowledge else SECTION_TITLES | {"incomplete": _UNDEFINED_TITLE}
    sections = tuple((s, titles[s], tuple(grouped[s])) for s in SECTIONS)
    return BoardPage(
        slug=slug(table),
        table=table,
        sections=sections,
        scatter=scatter(table),
        costs=cost_figure(table),
        panels=small_multiples(table),
        scores=_score_columns(table),
        leaks=tuple(sorted({name for line in table.lines for name in line.leaks})),
        remarks=remarks_of(table.board),
    )


def _named(names: Collection[str], noun: str) -> str:
    """The names of a few, the number of many."""
    return ", ".join(sorted(names)) if len(names) <= _FEW else plural(len(names), noun)


def _outcomes(board: Board) -> list[Outcome]:
    return [outcome for row in board.rows for outcome in row.outcomes]


def _score_columns(table: Table) -> tuple[ScoreColumn, ...]:
    """Every test score before attack once, in order of name, the diagnostics last."""
    found = {}
    for row in table.board.rows:
        for measurement in row.before.values():
            for name, score in measurement.scores.items():
                if score.split == "test" and not name.endswith(BY_OTHER):
                    found[name] = ScoreColumn(name, _score_words(score), score.axis == "diagnostic")
    return tuple(sorted(found.values(), key=lambda column: (column.diagnostic, column.name)))


def _score_words(score: Score) -> str:
    if score.axis == "diagnostic":
        return f"diagnostic, n = {score.n}"
    role = "headline " if score.headline else ""
    return f"{role}{score.axis} {_ARROWS[score.better]}, n = {score.n}"
