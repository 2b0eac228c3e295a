"""May a record that somebody handed in stand beside the maintainers' own?

It is measured by what they have in common. Nothing of it may speak for others: neither a name that is theirs, nor a
seed of theirs, nor a score, a budget or a cost that would make columns and axes of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.record import AttackCard, Match, Measurement, Record
from leaderboard.groups import compared
from leaderboard.submissions.about import LONGEST_NAME
from leaderboard.submissions.panel import Panel, PanelAttack, effort, panel_of, stops_of

BUDGETS_APART = 2.0
"""A stop may have so many times the forget tokens of the panel's: seeds draw other documents."""
BUDGETS_BEYOND = 100.0
"""The same of an attack outside the panel, which may be stronger."""
COSTS_APART = 1000.0
"""So much cheaper or dearer than every method of the maintainers may unlearning be."""


class Gate:
    """Says of a record that somebody handed in whether it may stand beside the maintainers' own."""

    def __init__(self, own: Sequence[Record]) -> None:
        self._panels: dict[tuple[str, str, Match | None], Panel] = {
            (benchmark, engine, match): panel_of(records) for benchmark, engine, match, records in compared(own)
        }
        self._cards: dict[str, list[AttackCard]] = {}
        for record in own:
            self._cards.setdefault(record.cell.attack.name, []).append(record.attack)
        self._controls = {record.cell.method.name for record in own if record.method.role != "method"}
        self._brought: dict[str, AttackCard] = {}

    def in_panel(self, record: Record) -> bool:
        """Whether the attack is one that the board has."""
        panel = self._of(record)
        return panel is not None and record.cell.attack.key in panel.attacks

    def has_row(self, record: Record) -> bool:
        """Whether the maintainers have its row; where they have nothing, nobody's row is missed."""
        panel = self._of(record)
        return not self._panels or (panel is not None and record.cell.method.key in panel.methods)

    def carded(self, record: Record) -> Record:
        """The record with the board's own cards and words: what it says of others is not repeated, nor is its badge.

        An attack with the name of one of theirs has its card, and one that several handed in has the first one's.
        """
        panel = self._of(record)
        if panel is None:
            return record
        attack, method = panel.attacks.get(record.cell.attack.key), panel.methods.get(record.cell.method.key)
        card = attack.card if attack else next(iter(self._alike(record)), record.attack)
        return replace(
            record,
            benchmark=panel.card,
            attack=card if attack else self._brought.setdefault(record.cell.attack.key, card),
            method=method or replace(record.method, fidelity=""),
            measurements=tuple(_quiet(m, panel) for m in record.measurements),
        )

    def refusal(self, record: Record) -> str:
        """Why a record may not stand; empty if it may. Without records of the maintainers everything may."""
        return next(iter(self._reasons(record)), "") if self._panels else ""

    def _of(self, record: Record) -> Panel | None:
        return self._panels.get((record.cell.benchmark.key, record.cell.engine.key, record.cell.match))

    def _alike(self, record: Record) -> list[AttackCard]:
        """Cards of the maintainers' attacks of that name, of the same family and with the same threat."""
        mine = record.attack
        cards = self._cards.get(record.cell.attack.name, [])
        return [card for card in cards if (card.family, card.threat) == (mine.family, mine.threat)]

    def _reasons(self, record: Record) -> Iterator[str]:
        panel = self._of(record)
        if panel is None:
            yield "no board has its benchmark, model, engine and match; the maintainers measure the controls first"
            return
        attack = panel.attacks.get(record.cell.attack.key)
        yield from self._on_others(record, panel, attack)
        yield from self._namesakes(record, panel, attack)
        if attack is not None and attack.applies and record.not_applicable:
            yield "says that the attack does not apply, and it does to every control"
        if attack is not None and record.measurements:
            here = stops_of(record)
            for series, least in attack.stops.items():
                if here[series] < least:
                    yield f"has {here[series]} stops of the series '{series}', and every model has {least}"
        yield from _other_items(record, attack.items if attack else panel.items)
        yield from _other_scores(record, panel)
        yield from _out_of_bounds(record, panel, attack)

    def _on_others(self, record: Record, panel: Panel, attack: PanelAttack | None) -> Iterator[str]:
        known = panel.methods.get(record.cell.method.key)
        if attack is None and record.attack.family == "none":
            yield "says that it is under no attack, and the board's own records of that have another name"
        if known is None and record.method.role != "method":
            yield "is a control; the controls of a board are its maintainers'"
        if known is not None and attack is not None:
            yield "is a cell of a row that the board has; only attacks outside its panel may be added to that"
        seeds = panel.seeds.get(record.cell.method.key, frozenset())
        if known is not None and record.cell.seed not in seeds:
            has = ", ".join(str(seed) for seed in sorted(seeds))
            yield f"is of seed {record.cell.seed}, and the board has this row with seed {has} alone"

    def _namesakes(self, record: Record, panel: Panel, attack: PanelAttack | None) -> Iterator[str]:
        """Another specification of what a name stands for is welcome, and called so; another thing is not."""
        name = record.cell.method.name
        if record.cell.method.key not in panel.methods and name in self._controls:
            yield f"is called '{name}' like a control of the board; give the method a name of its own"
        name = record.cell.attack.name
        if attack is None and name in self._cards and not self._alike(record):
            yield f"is of another family or threat than the board's attack '{name}'; give the attack a name of its own"


def _quiet(measurement: Measurement, panel: Panel) -> Measurement:
    """With what the board itself says of its scores, and no more: such sentences stand on the page as the board's."""
    excused = {name: panel.excuses[name] for name in measurement.not_applicable if name in panel.excuses}
    remarks = tuple(text for text in measurement.remarks if text in panel.remarks)
    return replace(measurement, not_applicable=excused, remarks=remarks)


def _other_items(record: Record, items: Mapping[str, int]) -> Iterator[str]:
    for measurement in record.measurements:
        for name, n in items.items():
            score = measurement.scores.get(name)
            if score is None or not score.headline:
                yield f"lacks the headline score {name} at a stop"
            elif len(score.items) != n:
                yield f"has {len(score.items)} items of {name}, and the board has {n}"


def _other_scores(record: Record, panel: Panel) -> Iterator[str]:
    """Scores that the board has not, or has as something else: each would be a column for everybody."""
    for measurement in record.measurements:
        for name, score in measurement.scores.items():
            known, sizes = panel.scores.get(name), panel.sizes.get(name, frozenset())
            if known is None:
                yield f"has a score {name[:LONGEST_NAME]!r}, which no record of the board has"
            elif (score.axis, score.better, score.split, score.headline, score.chance) not in known:
                yield f"has {name} with another axis, direction, split or chance than the board"
            elif len(sizes) == 1 and score.n not in sizes:
                yield f"has {score.n} items of {name}, and the board has {next(iter(sizes))}"


def _out_of_bounds(record: Record, panel: Panel, attack: PanelAttack | None) -> Iterator[str]:
    """Budgets and costs that would stretch the axes of every row."""
    for measurement in record.measurements:
        series, budget = measurement.point.series, measurement.point.budget
        span = attack.budgets[series] if attack and series in attack.stops else attack.budget if attack else None
        if span is not None and span.most:
            if not span.holds(budget, BUDGETS_APART):
                has = f"{'0, or ' if span.zero else ''}{span.least} to {span.most}"
                yield f"has {budget} forget tokens at a stop of '{series[:LONGEST_NAME]}', and the board has {has}"
        elif panel.budget.most and budget > panel.budget.most * BUDGETS_BEYOND:
            yield f"has {budget} forget tokens at a stop, and no attack of the board more than {panel.budget.most}"
    mine, others = effort(record), panel.effort
    if mine and others.most and not others.holds(mine, COSTS_APART):
        has = f"{others.least:g} to {others.most:g}"
        yield f"says that unlearning took {mine:g} token passes, and the board's methods take {has}"
