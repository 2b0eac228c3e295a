"""What maintainers write beside records: read strictly, shown where it belongs, and never ranked."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import pages, site
from synthetic import controls, record, stop

from harness.registry import installed
from leaderboard.notes import NotesError, changes_in, defects_in, reported_in

SHIPPED = Path(__file__).parents[2] / "results" / "reported"
NUMBER = """
[[number]]
benchmark = "wmdp-bio"
model = "m<b>"
method = "alpha"
quantity = "accuracy"
value = "31 %"
source = "a card"
link = "https://a.org/x"
"""
DEFECT = """
[[defect]]
method = "alpha"
source = "they/code, loss<b>.py"
link = "https://a.org/loss"
text = "It means over padding."
effect = "A weaker loss."
"""
WITHDRAWN = """
[[change]]
date = "2026-11-27"
kind = "withdrawn"
entry = "gone-12345678"
text = "Its author found an error."
"""


def test_a_reported_number_stands_on_its_method_s_page_with_its_source_and_moves_nothing(tmp_path: Path) -> None:
    (tmp_path / "reported.toml").write_text(NUMBER)
    records = [*controls(), record(stops=[stop(0.1)])]
    plain = pages(site(records, tmp_path / "plain"))
    found = pages(site(records, tmp_path / "site", reported=tuple(reported_in(tmp_path))))
    assert "m&lt;b&gt;" in found["m/alpha.html"]
    assert 'href="https://a.org/x" rel="noopener nofollow ugc"' in found["m/alpha.html"]
    assert {name for name in found if found[name] != plain[name]} == {"m/alpha.html"}


def test_a_defect_of_public_code_stands_on_its_method_s_page_alone(tmp_path: Path) -> None:
    (tmp_path / "reported.toml").write_text(NUMBER + DEFECT)
    records = [*controls(), record(stops=[stop(0.1)])]
    plain = pages(site(records, tmp_path / "plain"))
    found = pages(site(records, tmp_path / "site", defects=tuple(defects_in(tmp_path))))
    assert 'href="https://a.org/loss" rel="noopener nofollow ugc"' in found["m/alpha.html"]
    assert "they/code, loss&lt;b&gt;.py" in found["m/alpha.html"]
    assert {name for name in found if found[name] != plain[name]} == {"m/alpha.html"}


def test_shipped_defects_are_of_shipped_methods() -> None:
    shipped = {entry.name for entry in installed("method")}
    assert {defect.method for defect in defects_in(SHIPPED)} <= shipped


def test_a_withdrawn_entry_keeps_a_page(tmp_path: Path) -> None:
    (tmp_path / "changes.toml").write_text(WITHDRAWN)
    found = pages(site([*controls(), record(stops=[stop(0.1)])], tmp_path / "s", changes=tuple(changes_in(tmp_path))))
    assert "Its author found an error." in found["e/gone-12345678.html"]
    assert "gone-12345678" in found["changes.html"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('link = "http://a.org"', r"reported\.toml: number\.0\.link: .*no https address"),
        ('value = "31\\u202e"', r"number\.0\.value: .*U\+202E"),
        ('rank = "1"', r"number\.0\.rank"),
        ('value = ""', r"number\.0\.value: .*at least 1"),
        ("value = [", r"reported\.toml: "),
    ],
)
def test_a_mistake_is_named_with_file_and_field(line: str, said: str, tmp_path: Path) -> None:
    key = line.split(" ")[0]
    kept = "\n".join(one for one in NUMBER.splitlines() if not one.startswith(key))
    (tmp_path / "reported.toml").write_text(f"{kept}\n{line}\n")
    with pytest.raises(NotesError, match=said):
        list(reported_in(tmp_path))


def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "changes.toml").write_text(WITHDRAWN.replace("gone-12345678", "../../index"))
    with pytest.raises(NotesError, match=r"change\.0\.entry"):
        list(changes_in(tmp_path))


def test_the_numbers_that_ship_are_read_and_sourced() -> None:
    found = list(reported_in(SHIPPED))
    assert {one.method for one in found} == {"rmu"}
    assert all(one.link.startswith("https://") and one.note for one in found)
