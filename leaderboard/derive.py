"""Records to boards: who is compared with whom, what each row left after each attack, what is missing, which section.

Everything relative is derived here, from records alone, so that a definition can change without running anything.
Missing may only hurt: a gap bars a row from the ranking and never improves a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from harness.failure import Failure
from harness.record import Cost, Match, Measurement, Record, digest
from leaderboard.board import FAMILIES, SECTIONS, AttackRow, Board, Outcome, Row, Stop
from leaderboard.caveats import caveats
from leaderboard.curves import curves_of, half_life
from leaderboard.gates import section_of
from leaderboard.groups import broken, card_of, compared, distinct, latest, nowhere, outside
from leaderboard.knowledge import Ruler, Value, mean, number_of, scale_of, value_of
from leaderboard.labels import Label, key_of, labels_of, method_labels, served_of
from leaderboard.stops import Twins, by_attack, series_of, stop_of


@dataclass(frozen=True)
class _Context:
    """What every row of a board needs from the board."""

    ruler: Ruler
    has_original: bool
    attacks: tuple[AttackRow, ...]
    required: frozenset[str]
    controls: Twins
    series: Mapping[str, frozenset[str]]
    originals: Twins
    labels: Mapping[str, Label]
    match: Match | None
    failed: Mapping[tuple[str, str], Mapping[int, str]]
    guests: frozenset[str]


def boards_of(
    records: Iterable[Record],
    *,
    extra: frozenset[str] = frozenset(),
    guests: frozenset[str] = frozenset(),
    failures: Sequence[Failure] = (),
) -> tuple[Board, ...]:
    """One board per benchmark, engine specification and match, in order of name; a record given twice counts once.

    Args:
        records: In any order.
        extra: Keys of attacks that are no part of any panel: what they leave is best known, and moves no rank.
        guests: Ids of records that were handed in; attacks that only they have on a board are no part of its panel.
        failures: Cells that ran and broke: still missing, but said to be so.
    """
    found = distinct(records)
    benchmarks = labels_of([r.cell.benchmark for r in found])
    engines = served_of(found, guests)
    return tuple(
        _board(group, _Part(match, benchmarks[key], engines[engine], len(engines) > 1, extra, guests, failures))
        for key, engine, match, group in compared(found)
    )


@dataclass(frozen=True)
class _Part:
    """What a board takes from the whole site."""

    match: Match | None
    benchmark: Label
    served: str
    apart: bool
    extra: frozenset[str]
    guests: frozenset[str]
    failures: Sequence[Failure]


def _board(records: list[Record], part: _Part) -> Board:
    match = part.match
    cell = records[0].cell
    original_records = _controls(records, "original")
    originals = _before(original_records)
    reference_records = _controls(records, "reference")
    references = _before(reference_records)
    scale = scale_of(originals, references)
    attacks = _attacks(records, part.extra | outside(records, match, part.guests))
    context = _Context(
        ruler=Ruler(scale, value_of),
        has_original=bool(originals),
        attacks=attacks,
        required=frozenset(key_of(r.cell.attack) for r in records if r.measurements)
        & {attack.key for attack in attacks if attack.counts},
        controls=by_attack(reference_records),
        series=series_of(reference_records),
        originals=by_attack(original_records),
        labels=method_labels(records, part.guests),
        match=match,
        failed=broken(part.failures, cell, match),
        guests=part.guests,
    )
    by_method: dict[str, list[Record]] = {}
    for record in records:
        by_method.setdefault(key_of(record.cell.method), []).append(record)
    unmatched = {key: reason for key, group in by_method.items() if match and (reason := nowhere(group))}
    rows = sorted((_row(group, context) for key, group in by_method.items() if key not in unmatched), key=_order)
    apart_by = (part.benchmark.variant, part.served if part.apart else "", f"matched at {match.words}" if match else "")
    return Board(
        key=digest([key_of(cell.benchmark), key_of(cell.engine), *([asdict(match)] if match else [])]),
        variant=", ".join(part for part in apart_by if part),
        served=part.served,
        benchmark=cell.benchmark,
        engine=cell.engine,
        card=card_of(records),
        scale=scale,
        attacks=attacks,
        rows=tuple(rows),
        records=tuple(records),
        has_original=bool(originals),
        references=references,
        match=match,
        unmatched=tuple(sorted((context.labels[key].text, reason) for key, reason in unmatched.items())),
    )


def _controls(records: Sequence[Record], role: str) -> list[Record]:
    """Records of the one method in that role; of several versions, the one with most records, then the latest."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.method.role == role:
            groups.setdefault(key_of(record.cell.method), []).append(record)
    ranked = sorted(groups.items(), key=lambda pair: (len(pair[1]), pair[1][0].cell.method.version, pair[0]))
    return ranked[-1][1] if ranked else []


def _before(records: Sequence[Record]) -> tuple[Measurement, ...]:
    """The measurements before any attack, in order of seed."""
    unattacked = [r for r in records if r.attack.family == "none" and r.measurements]
    return tuple(r.measurements[0] for r in sorted(unattacked, key=lambda r: (r.cell.seed, r.id)))


def _attacks(records: Sequence[Record], extra: frozenset[str]) -> tuple[AttackRow, ...]:
    """The board's attacks by family, then name; the identity (no attack) is not one of them."""
    labels = labels_of([r.cell.attack for r in records], guests=extra)
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.attack.family != "none":
            found.setdefault(key_of(record.cell.attack), []).append(record)
    speaking = {key: latest(group) for key, group in found.items()}
    rows = [AttackRow(key, labels[key], r.cell.attack, r.attack, extra=key in extra) for key, r in speaking.items()]
    return tuple(sorted(rows, key=lambda a: (FAMILIES.index(a.card.family), a.label.text, a.key)))


def _row(records: Sequence[Record], context: _Context) -> Row:
    own = [r for r in records if r.id not in context.guests] or records
    is_method = own[0].method.role == "method"
    seeds = tuple(sorted({r.cell.seed for r in records}))
    before = {r.cell.seed: r.measurements[0] for r in records if r.attack.family == "none" and r.measurements}
    outcomes = tuple(_outcome(a, records, before, context) for a in context.attacks)
    counted = frozenset(attack.key for attack in context.attacks if attack.counts)
    curves = curves_of(records, before, context.ruler, controls=context.series, counted=counted)
    k_before = _mean_or_none([context.ruler.knowledge(before[s]) for s in sorted(before)])
    utility = _mean_or_none([context.ruler.utility(before[s]) for s in sorted(before)])
    k_star, worst = _worst(k_before, outcomes)
    unmatched = {r.cell.seed: r.not_applicable for r in records if r.attack.family == "none" and r.not_applicable}
    gaps = (*_unmatched(unmatched), *_gaps([s for s in seeds if s not in unmatched], before, outcomes, context))
    key = key_of(own[0].cell.method)
    return Row(
        key=key,
        label=context.labels[key],
        spec=own[0].cell.method,
        card=own[0].method,
        seeds=seeds,
        section=section_of(own[0].method, k_before, utility, gaps=gaps, match=context.match),
        before=before,
        k_before=k_before,
        utility=utility,
        outcomes=outcomes,
        k_star=k_star,
        worst=worst,
        best_known=_best_known(k_star, outcomes, controlled=bool(context.controls)) if is_method else None,
        guest=all(record.id in context.guests for record in records),
        half_life=half_life(curves),
        curves=curves,
        gaps=gaps,
        remarks=tuple(caveats(utility, own, before, context.ruler)) if is_method else (),
        costs=_costs(own),
        shares={r.cell.seed: r.share for r in sorted(own, key=lambda r: r.cell.seed) if r.measurements},
    )


def _outcome(
    attack: AttackRow, records: Sequence[Record], before: Mapping[int, Measurement], context: _Context
) -> Outcome:
    mine = [r for r in records if key_of(r.cell.attack) == attack.key]
    stops = {
        r.cell.seed: stop_of(r, before.get(r.cell.seed), context.ruler, context.controls, context.originals)
        for r in sorted(mine, key=lambda r: r.cell.seed)
    }
    found = {seed: stop for seed, stop in stops.items() if stop is not None}
    excused = {r.cell.seed: r.not_applicable for r in mine if r.not_applicable}
    ran = frozenset(r.cell.seed for r in mine if r.measurements)
    broke = context.failed.get((key_of(records[0].cell.method), attack.key), {})
    failed = {seed: why for seed, why in sorted(broke.items()) if seed not in ran and seed not in excused}
    due = attack.key in context.required
    return Outcome(attack, found, _excess(found, before, context.ruler), excused, ran, failed, due)


def _excess(stops: Mapping[int, Stop], before: Mapping[int, Measurement], ruler: Ruler) -> float | None:
    values = [
        ruler.excess(stop.measurement, before[seed], stop.control) if seed in before and stop.control else None
        for seed, stop in stops.items()
    ]
    return _mean_or_none(values)


def _worst(k_before: float | None, outcomes: Sequence[Outcome]) -> tuple[float | None, Outcome | None]:
    """K* and the ranked attack that reaches it; no attack at all is the first candidate."""
    candidates: list[tuple[float, Outcome | None]] = [] if k_before is None else [(k_before, None)]
    candidates += [(o.k, o) for o in outcomes if o.attack.counts and o.k is not None]
    return max(candidates, key=lambda pair: pair[0], default=(None, None))


def _best_known(k_star: float | None, outcomes: Sequence[Outcome], *, controlled: bool) -> Outcome | None:
    """The attack outside the panel that leaves most, if that is more than the panel left.

    Where there is a never-learned model, it must have met the attack too: what was taught is not what was left.
    """
    found = [
        (o.k, o)
        for o in outcomes
        if o.attack.extra and o.attack.card.ranked and o.k is not None
        if not controlled or all(stop.control is not None for stop in o.stops.values())
    ]
    most = max(found, key=lambda pair: pair[0], default=None)
    return most[1] if most and (k_star is None or most[0] > k_star) else None


def _gaps(
    seeds: Sequence[int], before: Mapping[int, Measurement], outcomes: Sequence[Outcome], context: _Context
) -> Iterator[str]:
    """What a complete row would have and this one has not, in words; what was run is not called missing.

    An attack that other rows met and this one cannot meet is missing too: a model that keeps an attacker out by its
    form has not been shown to withstand him.
    """
    defined = bool(context.ruler.scale.forget["test"])
    if not context.has_original:
        yield "the original model before attack"
    elif not defined:
        yield "a headline forget score with a usable range"
    if context.has_original and not context.ruler.scale.utility["test"]:
        yield "a headline utility score with a usable range"
    measured = {seed for seed, m in before.items() if not defined or context.ruler.knowledge(m) is not None}
    yield from _missing_seeds("the measurement before attack", seeds, measured)
    for outcome in outcomes:
        if outcome.due:
            scored = set(outcome.stops) if defined else set(outcome.ran)
            why = " (failed)" if outcome.failed else " (not applicable)" if outcome.excused else ""
            yield from _missing_seeds(outcome.attack.label.text + why, seeds, scored)


def _unmatched(reasons: Mapping[int, str]) -> Iterator[str]:
    """On which seeds a row could not be brought to the board's place, and why."""
    for reason in dict.fromkeys(reasons.values()):
        seeds = ", ".join(str(seed) for seed in sorted(reasons) if reasons[seed] == reason)
        yield f"a match on seed {seeds}: {reason}"


def _missing_seeds(what: str, seeds: Sequence[int], found: set[int]) -> Iterator[str]:
    missing = [seed for seed in seeds if seed not in found]
    if missing and not found:
        yield what
    elif missing:
        yield f"{what} (seed {', '.join(str(seed) for seed in missing)})"


def _costs(records: Sequence[Record]) -> dict[int, Cost]:
    """The cost of unlearning by seed; all records of one seed share the unlearned model, the first by attack speaks."""
    ordered = sorted(records, key=lambda r: (r.attack.family != "none", r.id))
    costs: dict[int, Cost] = {}
    for record in ordered:
        costs.setdefault(record.cell.seed, record.unlearn_cost)
    return dict(sorted(costs.items()))


def _mean_or_none(values: Sequence[Value | None]) -> float | None:
    """The mean of all values, None where one is missing: no mean over gaps."""
    known = [v for v in values if v is not None]
    return number_of(mean(known)) if known and len(known) == len(values) else None


def _order(row: Row) -> tuple[int, int, bool, bool, float, str]:
    """Sections in their order; controls with the original first; best K* first, then bounds, then unknown; by name."""
    control = {"original": 0, "reference": 1, "method": 2}[row.card.role]
    best = 0.0 if row.k_star is None else row.k_star
    return SECTIONS.index(row.section), control, row.k_star is None, bool(row.gaps), best, row.label.text
