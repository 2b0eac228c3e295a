"""The folder of a site after several builds: nothing stale, and nothing of others' touched."""

from __future__ import annotations

from pathlib import Path

from sites import data, pages, site
from synthetic import controls, record, stop

from harness.record import Record
from leaderboard.collection import Change
from leaderboard.site.folder import NOTE, sha256, tidy, write

STAMP = "Pocket benchmark, not results on real models."


def two() -> list[Record]:
    return [*controls(), record("alpha", [stop(0.1)]), record("beta", [stop(0.2)])]


def entry_of(out: Path, method: str) -> str:
    (found,) = (row["entry"] for row in data(out)["rows"] if row["method"] == method)
    return str(found)


def withdrawn(out: Path) -> str:
    """A site from which an entry is withdrawn by a second build into the same folder."""
    entry = entry_of(site(two(), out), "beta")
    site(two(), out, changes=(Change("2026-11-27", "withdrawn", "An error was found.", entry),))
    return entry


def test_a_withdrawn_entry_leaves_no_page_of_its_method_and_no_records(tmp_path: Path) -> None:
    entry = withdrawn(tmp_path)
    assert "An error was found." in (tmp_path / "e" / f"{entry}.html").read_text()
    assert not (tmp_path / "m" / "beta.html").exists()
    assert not (tmp_path / "data" / "entries" / f"{entry}.records.gz").exists()


def test_a_build_over_an_older_one_is_the_build_into_an_empty_folder(tmp_path: Path) -> None:
    site(two(), tmp_path / "twice")
    for name in ("twice", "once"):
        site(two()[:3], tmp_path / name)
    found = [sorted(p.relative_to(root) for p in root.rglob("*")) for root in (tmp_path / "twice", tmp_path / "once")]
    assert found[0] == found[1]


def test_the_page_of_a_withdrawn_entry_carries_the_stamp_of_the_site(tmp_path: Path) -> None:
    entry = withdrawn(tmp_path)
    assert STAMP in pages(tmp_path)[f"e/{entry}.html"]


def test_files_of_others_and_files_that_were_changed_stay(tmp_path: Path) -> None:
    site(two(), tmp_path)
    (tmp_path / "m" / "mine.html").write_text("mine")
    (tmp_path / "m" / "beta.html").write_text("changed by hand")
    site(two()[:3], tmp_path)
    assert (tmp_path / "m" / "mine.html").read_text() == "mine"
    assert (tmp_path / "m" / "beta.html").read_text() == "changed by hand"


def test_a_note_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("precious")
    digest = sha256(outside.read_bytes())
    write(tmp_path / "site" / NOTE, f"{digest}  ../precious\n{digest}  {outside}\n".encode())
    tidy(tmp_path / "site", {})
    assert outside.exists()


def test_a_folder_that_is_left_empty_goes(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "c.html", b"c")
    tidy(tmp_path, {"a/b/c.html": sha256(b"c")})
    tidy(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == [NOTE]
