"""The values of a derived board: attacks, what each left on each row, rows, sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.record import AttackCard, BenchmarkCard, Cost, Family, Match, Measurement, MethodCard, Record, Spec
from leaderboard.curves import Curve
from leaderboard.knowledge import Crossing, Scale, mean
from leaderboard.labels import Label

Section = Literal["reference", "ranked", "below_utility", "not_unlearned", "incomplete"]
SECTIONS: tuple[Section, ...] = ("reference", "ranked", "below_utility", "not_unlearned", "incomplete")
STAMPS = {
    "pocket": "Pocket benchmark, not results on real models.",
    "slice": "Real records, small model: not results of the models this benchmark is published for.",
    "full": "",
}
SCALE_WORDS = {"pocket": "pocket scale", "slice": "small model", "full": ""}
"""What stands beside a board's title wherever it is named."""
FAMILIES: tuple[Family, ...] = ("relearn", "finetune", "edit", "activation", "embedding", "prompt")


ACCESS = ("none", "text", "logits", "grey", "activations", "weights")
"""From the least to the most that an attacker may do to a model."""
UNTOUCHED = "left as it was"


@dataclass(frozen=True)
class AttackRow:
    """One attack specification as a column of a board.

    Attributes:
        extra: Whether it is no part of the board's panel: handed in by somebody who ran it on rows of others.
    """

    key: str
    label: Label
    spec: Spec
    card: AttackCard
    extra: bool = False

    @property
    def counts(self) -> bool:
        """Whether it counts for K* and must have been run on every row."""
        return self.card.ranked and not self.extra


@dataclass(frozen=True)
class Stop:
    """What one attack left on one seed.

    Attributes:
        measurement: The stop that was selected on dev items.
        k: K there, on test items.
        unbounded: K if any loss of utility were allowed.
        strict: K at the stop that would be selected if 5 % of utility might be lost for nothing, and not 10.
        loose: K if 20 % might.
        gap: K on dev items less K on test items at the selected stop: what the choice among stops made up.
        normalised: K', the share of what the attack leaves of the original model; None if that was not attacked.
        control: The never-learned model at the same stop, None if it was not attacked.
        untouched: Whether that stop is the model before the attack: no other was worth what it cost in utility.
    """

    measurement: Measurement
    k: float
    unbounded: float
    strict: float
    loose: float
    gap: float | None
    normalised: float | None
    control: Measurement | None
    untouched: bool = False

    @property
    def series(self) -> str:
        """Which run of the attack it is on, in words."""
        return UNTOUCHED if self.untouched else self.measurement.point.series


@dataclass(frozen=True)
class Outcome:
    """What one attack left on one row, over its seeds.

    Attributes:
        stops: The selected stop, by seed.
        excused: Why the attack has no meaning here, by seed.
        ran: Seeds on which the attack was run and scored, whether or not K could be formed from the scores.
        failed: Why the cell broke, by seed.
        due: Whether a complete row has it: it counts, and some row of the board was measured under it.
    """

    attack: AttackRow
    stops: Mapping[int, Stop]
    excess: float | None
    excused: Mapping[int, str] = field(default_factory=dict)
    ran: frozenset[int] = frozenset()
    failed: Mapping[int, str] = field(default_factory=dict)
    due: bool = False

    @property
    def why_failed(self) -> str:
        """Why it broke, empty if it did not: the first seed's reason."""
        return next(iter(self.failed.values()), "")

    @property
    def not_applicable(self) -> str:
        """Why the attack has no meaning here, empty if it has: the first seed's reason."""
        return next(iter(self.excused.values()), "")

    @property
    def k(self) -> float | None:
        """K at the selected stops, mean over seeds."""
        return float(mean([s.k for s in self.stops.values()])) if self.stops else None

    @property
    def unbounded(self) -> float | None:
        """K whatever it may cost in utility, mean over seeds."""
        return float(mean([s.unbounded for s in self.stops.values()])) if self.stops else None

    def covers(self, seeds: Sequence[int]) -> bool:
        """Whether it left a K on every one of these seeds."""
        return set(seeds) <= self.stops.keys()

    def mean_of(self, what: Literal["strict", "loose", "gap", "normalised"]) -> float | None:
        """The mean over seeds of what every stop says, None where one says nothing."""
        found = [value for stop in self.stops.values() if (value := getattr(stop, what)) is not None]
        return float(mean(found)) if found and len(found) == len(self.stops) else None

    @property
    def state(self) -> str:
        """``measured``, ``not_applicable``, ``not_defined`` (run, but K is not), ``failed`` or ``not_run``."""
        if self.stops:
            return "measured"
        if self.not_applicable:
            return "not_applicable"
        return "not_defined" if self.ran else "failed" if self.failed else "not_run"


@dataclass(frozen=True)
class Row:
    """One method setting on one board.

    Attributes:
        before: The unlearned model before any attack, by seed.
        k_before: K(0), mean over seeds.
        utility: u, mean over seeds.
        outcomes: One per attack of the board, in the board's order.
        k_star: Largest of K(0) and every ranked attack's K; a lower bound if there are gaps.
        worst: The attack that reaches it, None if none exceeds K(0).
        half_life: T50.
        best_known: An attack outside the panel that left more than K*; None if there is none.
        guest: Whether the whole row was handed in.
        gaps: What is missing, in words.
        remarks: Edge cases worth a word beside K(0).
        costs: Cost of unlearning, by seed.
        shares: At which share of its update the model stands, by seed.
    """

    key: str
    label: Label
    spec: Spec
    card: MethodCard
    seeds: tuple[int, ...]
    section: Section
    before: Mapping[int, Measurement]
    k_before: float | None
    utility: float | None
    outcomes: tuple[Outcome, ...]
    k_star: float | None
    worst: Outcome | None
    best_known: Outcome | None
    guest: bool
    half_life: Crossing | None
    curves: tuple[Curve, ...]
    gaps: tuple[str, ...]
    remarks: tuple[str, ...]
    costs: Mapping[int, Cost]
    shares: Mapping[int, float]

    def worst_with(self, access: str) -> float | None:
        """K*, and no more than K(0) and ranked attacks by those who have at most this access."""
        within = ACCESS[: ACCESS.index(access) + 1]
        mine = [o.k for o in self.outcomes if o.attack.counts and o.attack.card.threat.access in within]
        known = [k for k in (self.k_before, *mine) if k is not None]
        return max(known, default=None)


@dataclass(frozen=True)
class Board:
    """All rows measured on one benchmark by one engine, at one place between the original and the unlearned models.

    Attributes:
        variant: What sets this board apart from others of the same benchmark on this page; empty if nothing must.
        served: The engine that scored it and the dtype it served, in words.
        has_original: Whether the original model was measured before attack, without which K and u are undefined.
        references: The never-learned model before attack, once per seed.
        match: What was made equal for all methods; None if each is as it ended.
        unmatched: Methods that cannot be brought there, each with the reason.
    """

    key: str
    variant: str
    served: str
    benchmark: Spec
    engine: Spec
    card: BenchmarkCard
    scale: Scale
    attacks: tuple[AttackRow, ...]
    rows: tuple[Row, ...]
    records: tuple[Record, ...]
    has_original: bool
    references: tuple[Measurement, ...]
    match: Match | None = None
    unmatched: tuple[tuple[str, str], ...] = ()

    @property
    def has_knowledge(self) -> bool:
        """Whether some headline forget score has a usable range, so that K is defined."""
        return bool(self.scale.forget["test"])

    @property
    def stamp(self) -> str:
        """What the scale itself says; no card can leave it out."""
        return STAMPS[self.card.scale]

    @property
    def scale_words(self) -> str:
        """The scale beside the title; empty at full scale."""
        return SCALE_WORDS[self.card.scale]

    @property
    def notice(self) -> str:
        """What must stand wherever these numbers stand."""
        return f"{self.stamp} {self.card.notice}".strip()
