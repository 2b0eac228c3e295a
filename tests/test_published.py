"""The published records are records, complete, and of the benchmarks that ship."""

from pathlib import Path

import pytest

from harness.components import build
from harness.store import Store
from leaderboard.derive import boards_of

PUBLISHED = Path(__file__).parent.parent / "results" / "pocket"


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(PUBLISHED)


def test_every_published_file_is_a_record(store: Store) -> None:
    assert store.problems() == ()
    assert len(store.records()) == 128


def test_published_records_were_measured_on_the_shipped_models(store: Store) -> None:
    identities = {name: build("benchmark", name).identity() for name in ("pocket-wmdp", "pocket-muse")}
    shipped = {name: {k: v for k, v in found.items() if "." in k} for name, found in identities.items()}  # files
    stale = [
        r.id for r in store.records() if not shipped[r.cell.benchmark.name].items() <= r.cell.benchmark.content.items()
    ]
    assert stale == []


def test_published_boards_have_ranked_rows_of_at_least_two_families(store: Store) -> None:
    for board in boards_of(store.records()):
        assert len({row.card.family for row in board.rows if row.section == "ranked"}) >= 2
