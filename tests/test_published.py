"""The published records are records, complete, and of the benchmarks that ship."""

from pathlib import Path

import pytest

from harness.components import build
from harness.registry import installed
from harness.store import Store
from leaderboard.derive import boards_of

PUBLISHED = Path(__file__).parent.parent / "results" / "pocket"


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(PUBLISHED)


def test_every_published_file_is_a_record(store: Store) -> None:
    assert store.problems() == ()
    assert store.records()


def test_published_records_were_measured_on_the_shipped_models(store: Store) -> None:
    identities = {name: build("benchmark", name).identity() for name in ("pocket-wmdp", "pocket-muse")}
    shipped = {name: {k: v for k, v in found.items() if "." in k} for name, found in identities.items()}  # files
    stale = [
        r.id for r in store.records() if not shipped[r.cell.benchmark.name].items() <= r.cell.benchmark.content.items()
    ]
    assert stale == []


def test_every_method_that_ships_stands_on_both_boards_with_nothing_missing(store: Store) -> None:
    boards = boards_of(store.records())
    assert [board.benchmark.name for board in boards if board.match is None] == ["pocket-muse", "pocket-wmdp"]
    shipped = {entry.name for entry in installed("method") if entry.distribution == "unlearning-harness"}
    for board in boards:
        if board.match is None:
            assert {row.label.name for row in board.rows} == shipped
            gaps = {(row.label.text, gap) for row in board.rows for gap in row.gaps}
            assert {gap for gap in gaps if not gap[1].endswith(" (not applicable)")} == set()
            assert {name for name, _ in gaps} <= {"whp"}  # a pair of networks, which takes no vectors
            assert len({row.card.family for row in board.rows if row.section == "ranked"}) >= 4
