"""What the check says of a submission beside the board that it is for."""

from __future__ import annotations

import pytest
from synthetic import record, stop
from test_admit import RELEARN, handed, own, row

from harness.record import Record
from leaderboard.submissions.beside import Beside, beside

SLY = {"attack": "sly", "family": "prompt"}
NEVER = record("never", [stop(0.0)], role="reference", **SLY)
UNTAUGHT = "toy, sly: was not run on the never-learned model"


def said(records: list[Record], *others: list[Record], board: list[Record] | None = None) -> Beside:
    """Of one submission beside others that stand on the board."""
    standing = [handed(one, f"other{at}") for at, one in enumerate(others)]
    return beside([("mine", records)], own() if board is None else board, standing)[0]


def test_an_attack_without_the_never_learned_control_is_told_that_it_never_counts() -> None:
    (problem,) = said([record("npo", [stop(0.9)], **SLY)]).problems
    assert UNTAUGHT in str(problem)
    assert "pack it with --attack" in str(problem)


@pytest.mark.parametrize(
    ("records", "board"),
    [
        ([record("npo", [stop(0.9)], **SLY), NEVER], own()),
        ([record("npo", [stop(0.9)], base_model=True, **SLY)], own()),
        ([record("npo", [stop(0.9)], **SLY)], [r for r in own() if r.method.role != "reference"]),
    ],
)
def test_an_attack_that_met_it_or_need_not_is_told_nothing(records: list[Record], board: list[Record]) -> None:
    assert said(records, board=board).problems == ()


def test_a_name_of_the_board_is_noted_and_is_no_problem() -> None:
    mine = row("npo", 0.2, params={"lr": 1.0})
    attack = [record(m, [stop(0.5, budget=9)], attack_params={"n": 2}, **RELEARN) for m in ("npo", "graddiff")]
    found = said([*mine, *attack, record("never", [stop(0.0)], role="reference", attack_params={"n": 2}, **RELEARN)])
    assert found.problems == ()
    assert [str(note) for note in found.notes] == [
        "records: toy: 'npo' is the board's, with another specification; this one will be called 'npo (lr=1)'",
        "records: toy: 'relearn' is the board's, with another specification; this one will be called 'relearn (n=2)'",
    ]


def test_a_name_of_ones_own_is_noted_nowhere() -> None:
    assert said(row("guest", 0.2)) == Beside()


def test_an_attack_that_somebody_handed_in_is_missing_nowhere() -> None:
    assert said(row("guest", 0.2), [record("npo", [stop(0.9)], **SLY), NEVER]) == Beside()


def test_a_row_that_somebody_handed_in_already_is_told() -> None:
    problems = said([*row("guest", 0.2, seed=1), *row("guest", 0.3)], row("guest", 0.2)).problems
    told = [str(problem).partition(": ")[2] for problem in problems]
    assert sum("was handed in by other0 already" in line for line in told) == 2
    assert sum("is on the board already" in line for line in told) == 2
    assert sum("with other numbers" in line for line in told) == 1
