"""Rows, sections, gaps and worst cases of a derived board."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from synthetic import CARD, controls, demo, record, stop

from harness.record import BenchmarkCard, Match, Record, Spec
from leaderboard.board import Board, Row
from leaderboard.derive import boards_of
from leaderboard.knowledge import Crossing

AT_QUARTER = Match("forget", 0.25)


def board(*records: Record) -> Board:
    (only,) = boards_of(records)
    return only


def row(records: list[Record], name: str = "alpha") -> Row:
    (found,) = [r for r in board(*records).rows if r.label.name == name]
    return found


def attacked(k: float, name: str = "relearn", *, seed: int = 0, method: str = "alpha") -> Record:
    return record(method, [stop(k, budget=0), stop(k, budget=50)], attack=name, family="relearn", seed=seed)


@pytest.mark.parametrize(
    ("k", "u", "section"),
    [
        (0.25, 0.90, "ranked"),
        (0.10, 0.895, "below_utility"),
        (0.10, 0.905, "ranked"),
        (0.255, 0.95, "not_unlearned"),
        (0.90, 0.10, "below_utility"),
        (-0.0, 0.90, "ranked"),
    ],
)
def test_gates_decide_the_section_and_utility_is_asked_first(k: float, u: float, section: str) -> None:
    assert row([*controls(), record(stops=[stop(k, u)])]).section == section


@pytest.mark.parametrize(("u", "section"), [(0.899, "below_utility"), (0.901, "ranked")])
def test_a_thousandth_on_either_side_of_the_gate_decides(u: float, section: str) -> None:
    measured = stop(0.1)
    exact = replace(measured.scores["use"], value=u, items=())
    near = replace(measured, scores={**measured.scores, "use": exact})
    assert row([*controls(), record(stops=[near])]).section == section


def test_a_model_that_did_nothing_is_not_unlearned_and_said_to_be_unchanged() -> None:
    lazy = row([*controls(), record(stops=[stop(1.0)])])
    assert (lazy.section, lazy.remarks) == ("not_unlearned", ("not measurably below the original",))


def test_the_controls_have_their_own_section_whatever_they_score() -> None:
    assert [r.section for r in board(*controls()).rows] == ["reference", "reference"]


def test_k_star_is_the_largest_over_attacks_and_names_it() -> None:
    records = [*controls(), record(stops=[stop(0.1)]), attacked(0.3), attacked(0.6, "lora")]
    found = row(records)
    assert found.k_star == pytest.approx(0.6)
    assert found.worst is not None
    assert found.worst.attack.label.text == "lora"


def test_k_star_is_never_below_k_before_attack() -> None:
    found = row([*controls(), record(stops=[stop(0.2)]), attacked(0.05)])
    assert found.k_star == pytest.approx(0.2)
    assert found.worst is None


def test_an_attack_that_needs_the_original_model_does_not_count() -> None:
    diagnostic = record(stops=[stop(0.9)], attack="merge", family="edit", base_model=True)
    found = row([*controls(), record(stops=[stop(0.1)]), diagnostic])
    assert found.k_star == pytest.approx(0.1)


def test_a_diagnostic_that_is_missing_is_no_gap() -> None:
    diagnostic = record("other", [stop(0.9)], attack="merge", family="edit", base_model=True)
    found = row([*controls(), record(stops=[stop(0.1)]), record("other", [stop(0.1)]), diagnostic])
    assert (found.section, found.gaps) == ("ranked", ())


def test_a_row_without_an_attack_that_others_have_is_incomplete_and_says_which() -> None:
    others = [record("other", [stop(0.1)]), attacked(0.3, method="other")]
    found = row([*controls(), record(stops=[stop(0.1)]), *others])
    assert (found.section, found.gaps) == ("incomplete", ("relearn",))


def test_a_gap_does_not_save_a_row_from_the_utility_gate() -> None:
    others = [record("other", [stop(0.1)]), attacked(0.3, method="other")]
    assert row([*controls(), record(stops=[stop(0.1, 0.5)]), *others]).section == "below_utility"


def test_an_attack_missing_on_one_seed_is_a_gap() -> None:
    records = [record(stops=[stop(0.1)], seed=s) for s in (0, 1)]
    found = row([*controls(), *records, attacked(0.3, seed=0)])
    assert found.gaps == ("relearn (seed 1)",)


def test_an_attack_without_meaning_for_anybody_is_no_gap() -> None:
    excused = [record(m, attack="relearn", family="relearn", not_applicable="no text") for m in ("alpha", "other")]
    found = row([*controls(), record(stops=[stop(0.1)]), record("other", [stop(0.1)]), *excused])
    assert (found.section, found.outcomes[0].state) == ("ranked", "not_applicable")


def test_whoever_cannot_be_attacked_as_others_were_is_not_ranked_beside_them() -> None:
    others = [record("other", [stop(0.1)]), attacked(0.3, method="other")]
    excused = record(attack="relearn", family="relearn", not_applicable="a pair of models")
    found = row([*controls(), record(stops=[stop(0.1)]), excused, *others])
    assert (found.section, found.gaps) == ("incomplete", ("relearn (not applicable)",))


def test_a_row_never_measured_before_attack_is_incomplete() -> None:
    found = row([*controls(), attacked(0.3)])
    assert (found.section, found.k_before, found.gaps) == ("incomplete", None, ("the measurement before attack",))


def test_without_the_original_nothing_is_ranked() -> None:
    found = row([record(stops=[stop(0.1)]), attacked(0.3)])
    assert (found.section, found.k_star) == ("incomplete", None)


def test_rows_average_over_seeds() -> None:
    records = [record(stops=[stop(k, u)], seed=s) for s, (k, u) in enumerate([(0.1, 0.9), (0.2, 1.0)])]
    found = row([*controls(), *records, attacked(0.3, seed=0), attacked(0.7, seed=1)])
    assert [found.k_before, found.utility, found.k_star] == pytest.approx([0.15, 0.95, 0.5])


def test_two_settings_of_one_method_are_two_rows_named_by_their_difference() -> None:
    two = [record(stops=[stop(0.1)], params={"beta": b, "lr": 0.001}) for b in (0.1, 0.2)]
    texts = {r.label.text for r in board(*controls(), *two).rows}
    assert {"alpha (beta=0.1)", "alpha (beta=0.2)"} <= texts


def test_the_unbounded_maximum_ignores_utility() -> None:
    ruined = record(stops=[stop(0.2), stop(0.9, 0.1)], attack="round", family="edit")
    (outcome,) = row([*controls(), record(stops=[stop(0.1)]), ruined]).outcomes
    assert [outcome.k, outcome.unbounded] == pytest.approx([0.2, 0.9])


def test_excess_pairs_the_stop_with_the_never_learned_model_at_the_same_budget() -> None:
    taught = [stop(0.0, budget=0), stop(0.25, budget=50)]
    mine = record(stops=[stop(0.1, budget=0), stop(0.6, budget=50)], attack="relearn", family="relearn")
    records = [*controls({"relearn": ("relearn", taught)}), record(stops=[stop(0.1)]), mine]
    assert row(records).outcomes[0].excess == pytest.approx(0.6 - 0.1 - 0.25)


RELEARN: dict[str, Any] = {"attack": "relearn", "family": "relearn"}
SWEPT: dict[str, Any] = {"attack": "swept", "family": "relearn"}


def test_t50_is_the_earliest_over_relearning_curves() -> None:
    slow = record(stops=[stop(0.0, budget=10), stop(0.5, budget=1000)], attack="slow", family="relearn")
    fast = record(stops=[stop(0.0, budget=10), stop(0.5, budget=100)], attack="fast", family="relearn")
    half = row([*controls(), record(stops=[stop(0.0)]), slow, fast]).half_life
    assert half is not None
    assert half.tokens == pytest.approx(100)


def test_t50_is_read_off_series_that_every_seed_and_the_control_have() -> None:
    usual = [record(stops=[stop(0.0, budget=10), stop(0.5, budget=1000)], seed=s, **RELEARN) for s in (0, 1)]
    own = record(
        stops=[stop(0.0, budget=10, series="trial 7"), stop(0.9, budget=20, series="trial 7")], seed=0, **SWEPT
    )
    before = [record(stops=[stop(0.0)], seed=seed) for seed in (0, 1)]
    half = row([*controls(), *before, *usual, own]).half_life
    assert half is not None
    assert half.tokens == pytest.approx(1000)


def test_a_stop_that_broke_the_model_is_no_half_life() -> None:
    stops = [stop(0.0, budget=10), stop(0.9, 0.2, budget=20), stop(0.6, budget=1000)]
    half = row([*controls(), record(stops=[stop(0.0)]), record(stops=stops, **RELEARN)]).half_life
    assert half is not None
    assert half.tokens > 300


def test_a_stop_that_counts_for_the_worst_case_counts_for_the_half_life() -> None:
    dear = [stop(0.0), stop(0.2, budget=10), stop(0.8, 0.89, budget=100), stop(0.95, 0.2, budget=200)]
    short = record(stops=dear, attack="short", family="relearn")
    long = record(stops=[stop(0.0), stop(0.1, budget=1000)], attack="long", family="relearn")
    found = row([*controls(), record(stops=[stop(0.0)]), short, long])
    assert found.k_star == pytest.approx(0.8)
    assert found.half_life is not None
    assert found.half_life.bound == "exact"
    assert 10 < found.half_life.tokens < 100


def test_whether_a_stop_counts_for_the_half_life_is_seen_on_dev_items() -> None:
    start, far = stop(0.0, dev=(0.0, 1.0)), stop(0.9, 1.0, budget=100, dev=(0.4, 0.8))  # J = .4 - 10 (.2 - .1) < 0
    found = row([*controls(), record(stops=[start]), record(stops=[far], **RELEARN)])
    assert found.k_star == pytest.approx(0.0)
    assert found.half_life == Crossing(100, "more_than")


def test_t50_is_a_bound_where_one_curve_had_half_back_by_its_first_budget() -> None:
    exact = record(stops=[stop(0.4, budget=10), stop(0.6, budget=1000)], attack="fine", family="relearn")
    early = record(stops=[stop(0.9, budget=5000)], attack="coarse", family="relearn")
    half = row([*controls(), record(stops=[stop(0.0)]), exact, early]).half_life
    assert half == Crossing(pytest.approx(100), "at_most")
    kept = row([*controls(), record(stops=[stop(0.6)]), exact, early]).half_life
    assert kept == Crossing(0.0)


def test_t50_is_censored_at_the_largest_budget() -> None:
    short = record(stops=[stop(0.0, budget=0), stop(0.2, budget=10)], attack="short", family="relearn")
    long = record(stops=[stop(0.0, budget=0), stop(0.2, budget=1000)], attack="long", family="relearn")
    assert row([*controls(), record(stops=[stop(0.0)]), short, long]).half_life == Crossing(1000, "more_than")


def test_a_curve_starts_from_the_unattacked_model_even_if_the_attack_did_not_measure_it() -> None:
    late = record(stops=[stop(0.3, budget=100), stop(0.4, budget=200)], attack="slow", family="relearn")
    (curve,) = row([*controls(), record(stops=[stop(0.1)]), late]).curves
    assert curve.budgets == (0, 100, 200)
    assert curve.ks[0] == pytest.approx(0.1)


def test_the_order_is_controls_then_ranked_by_worst_case_then_the_other_sections() -> None:
    names = [r.label.name for r in board(*demo()).rows]
    assert names == ["original", "never", "steady", "firm", "fragile", "gradient_up", "lazy", "patchy"]


def test_neither_the_order_of_records_nor_repetition_matters() -> None:
    records = demo()
    shuffled = [*records, *records[:5]]
    random.Random(0).shuffle(shuffled)
    assert boards_of(shuffled) == boards_of(records)


def test_benchmarks_are_separate_boards() -> None:
    records = [record(stops=[stop(0.1)]), record(stops=[stop(0.1)], benchmark="other")]
    assert [b.benchmark.name for b in boards_of(records)] == ["other", "toy"]


def test_two_versions_of_one_benchmark_are_told_apart() -> None:
    first = record(stops=[stop(0.1)])
    second = replace(first, cell=replace(first.cell, benchmark=Spec("toy", 2)), id="2")
    assert sorted(b.variant for b in boards_of([first, second])) == ["v1", "v2"]


def test_one_record_cannot_lift_the_pocket_stamp_of_another() -> None:
    proud = BenchmarkCard("Toy", "full", "a giant", "")
    assert board(*controls(), record(stops=[stop(0.1)], card=proud)).card == CARD


def test_a_curve_runs_over_stops_whose_budgets_differ_by_seed() -> None:
    stops = {seed: [stop(0.0), stop(0.4, budget=100 + seed), stop(0.8, budget=300 + 3 * seed)] for seed in (0, 2)}
    before = [record(stops=[stop(0.0)], seed=seed) for seed in stops]
    relearned = [record(stops=s, attack="relearn", family="relearn", seed=seed) for seed, s in stops.items()]
    (curve,) = row([*controls(), *before, *relearned]).curves
    assert (curve.budgets, curve.ks) == ((0, 101, 303), pytest.approx((0.0, 0.4, 0.8)))


def test_an_attack_that_is_not_applicable_on_one_seed_excuses_no_other_seed() -> None:
    before = [record(stops=[stop(0.1)], seed=seed) for seed in (0, 1)]
    elsewhere = record("other", [stop(0.2)], attack="relearn", family="relearn")
    excused = record(attack="relearn", family="relearn", not_applicable="no text", seed=0)
    found = row([*controls(), *before, elsewhere, excused])
    assert (found.section, found.gaps) == ("incomplete", ("relearn (not applicable)",))


def matched(made: Record, match: Match = AT_QUARTER, share: float = 0.5) -> Record:
    cell = replace(made.cell, match=match)
    return replace(made, cell=cell, id=cell.id, share=share)


def test_matched_models_have_a_board_of_their_own_with_the_controls() -> None:
    reteach = {"relearn": ("relearn", [stop(0.0, budget=0), stop(0.1, budget=50)])}
    extra = controls({"round": ("edit", [stop(0.0)])})[2:]
    here = [matched(record(stops=[stop(0.27)])), matched(attacked(0.6))]
    as_is, at_quarter = boards_of([*controls(reteach), *extra, record(stops=[stop(0.05)]), attacked(0.4), *here])
    assert (as_is.match, at_quarter.match) == (None, AT_QUARTER)
    (there,) = [r for r in at_quarter.rows if r.card.role == "method"]
    assert (there.k_before, there.k_star, there.shares) == (0.27, 0.6, {0: 0.5})
    assert (
        there.section == "ranked"
    )  # K(0) was made equal, so its gate does not bar it; nor does an attack not met there
    assert [a.spec.name for a in at_quarter.attacks] == ["relearn"]
    assert {r.label.name for r in at_quarter.rows} == {"original", "never", "alpha"}
    assert [r.k_star for r in as_is.rows if r.label.name == "alpha"] == [0.4]
    assert at_quarter.variant == "matched at K(0) = 0.25"


def test_a_method_that_cannot_be_matched_is_named_with_the_reason() -> None:
    nowhere = [matched(replace(r, not_applicable="K stays up")) for r in (record("lazy"), record("lazy", seed=1))]
    (_, at_quarter) = boards_of([*controls(), record(stops=[stop(0.1)]), matched(record(stops=[stop(0.25)])), *nowhere])
    assert at_quarter.unmatched == (("lazy", "K stays up"),)
    assert "lazy" not in {r.label.name for r in at_quarter.rows}


def test_a_seed_that_cannot_be_matched_is_a_gap() -> None:
    one = matched(replace(record(seed=1), not_applicable="K stays up"))
    (only,) = boards_of([*controls(), matched(record(stops=[stop(0.25)])), one])
    (there,) = [r for r in only.rows if r.label.name == "alpha"]
    assert (there.section, there.gaps) == ("incomplete", ("a match on seed 1: K stays up",))


def test_matched_utility_keeps_the_gate_on_forgetting() -> None:
    high = matched(record(stops=[stop(0.6, 0.95)]), Match("utility", 0.95))
    (only,) = boards_of([*controls(), high])
    assert [r.section for r in only.rows if r.label.name == "alpha"] == ["not_unlearned"]


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        ([], "broken, and nothing mended it"),
        ([(0.9, 0.5), (0.3, 0.59)], "broken; mending brought u to 59 % only"),
        ([(0.9, 0.7), (0.61, 0.85), (0.4, 0.95)], "broken; mended (u 85 %) and attacked it shows K 61 %"),
    ],
)
def test_a_broken_model_is_called_so_and_what_it_shows_is_said_only_where_it_was_mended(
    stops: list[tuple[float, float]], said: str
) -> None:
    near = [stop(0.0, 0.1), *(stop(k, u, series="repaired, then near") for k, u in stops)]
    wreck = [record("wreck", [stop(0.0, 0.1)]), record("wreck", near, attack="near", family="finetune")]
    assert said in row([*controls(), *wreck], "wreck").remarks
