"""The page and its files: self-contained, escaped, repeatable."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import PROVENANCE, controls, demo, record, stop

from harness.record import BenchmarkCard, Record, Spec
from leaderboard.derive import boards_of
from leaderboard.site.build import build

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{7*7}}"
VOID = {"meta", "link", "br", "img"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects ids, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: Counter[str] = Counter()
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def page(records: list[Record], out: Path, **options: list[str]) -> str:
    return build(records, out, **options).read_text()


@pytest.fixture
def boards() -> list[Record]:
    return [*demo(), *(record(stops=[stop(0.1)], benchmark="second"),)]


def test_the_page_nests_and_its_ids_are_unique(boards: list[Record], tmp_path: Path) -> None:
    outline = Outline(page(boards, tmp_path))
    assert outline.open == []
    assert [key for key, n in Counter(outline.ids).items() if n > 1] == []


def test_two_engines_on_one_benchmark_do_not_share_files_or_ids(tmp_path: Path) -> None:
    first = record(stops=[stop(0.1)])
    second = replace(first, cell=replace(first.cell, engine=Spec("other", 1)), id="2")
    ids = Outline(page([first, second], tmp_path)).ids
    assert len(ids) == len(set(ids))
    assert len(list((tmp_path / "data").iterdir())) == 6


def test_every_reference_inside_the_page_has_its_target(boards: list[Record], tmp_path: Path) -> None:
    outline = Outline(page(boards, tmp_path))
    wanted = {v[1:] for n, v in outline.attributes if n == "href" and v and v.startswith("#")}
    wanted |= {key for n, v in outline.attributes if n == "aria-labelledby" and v for key in v.split()}
    assert wanted <= set(outline.ids)


def test_every_download_of_the_page_is_there(boards: list[Record], tmp_path: Path) -> None:
    outline = Outline(page(boards, tmp_path))
    links = [v for n, v in outline.attributes if n == "href" and v and v.startswith("data/")]
    assert len(links) == 7
    assert all((tmp_path / link).is_file() for link in links)


def test_the_page_has_no_script_and_loads_nothing(boards: list[Record], tmp_path: Path) -> None:
    text = page(boards, tmp_path)
    outline = Outline(text)
    assert outline.tags["script"] + outline.tags["img"] + outline.tags["iframe"] == 0
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:|//)", text)


def test_no_gap_is_printed_as_a_word_of_the_machine(boards: list[Record], tmp_path: Path) -> None:
    text = " ".join(Outline(page(boards, tmp_path)).text)
    assert not re.search(r"\b(nan|NaN|None|inf|undefined|True|False)\b", text)


def test_two_builds_are_byte_identical_in_any_order_of_records(boards: list[Record], tmp_path: Path) -> None:
    build(boards, tmp_path / "one")
    build(boards[::-1], tmp_path / "two")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) == 8
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_build_leaves_no_temporary_file_and_replaces_the_old_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("old")
    assert "old" not in page([], tmp_path)[:20]
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]


def hostile() -> list[Record]:
    card = BenchmarkCard(HOSTILE, "slice", HOSTILE, HOSTILE, (HOSTILE,))
    made = [record("o", [stop(1.0)], role="original"), record("r", [stop(0.0)], role="reference")]
    made += [record(HOSTILE, [stop(0.1)], params={"p": HOSTILE}), record(HOSTILE, [stop(0.1)], params={"p": "q"})]
    curve = [stop(0.1, budget=0, series=HOSTILE), stop(0.4, budget=9, series=HOSTILE)]
    made += [record(HOSTILE, curve, attack=HOSTILE, family="relearn", params={"p": "q"})]
    made += [record("x", attack="y", family="edit", not_applicable=HOSTILE)]
    return [replace(r, benchmark=card) for r in made]


def test_hostile_text_is_printed_and_not_obeyed(tmp_path: Path) -> None:
    text = page(hostile(), tmp_path, problems=[HOSTILE])
    outline = Outline(text)
    assert outline.tags["img"] + outline.tags["script"] == 0
    assert "<img" not in text
    assert "".join(outline.text).count(HOSTILE) > 8


def test_control_characters_become_visible(tmp_path: Path) -> None:
    assert "a\x00b" not in page([*controls(), record("a\x00b", [stop(0.1)])], tmp_path)
    assert "a\ufffdb" in (tmp_path / "index.html").read_text()


def test_what_a_perturbation_moves_in_16_bits_is_said_and_every_cost_is_among_the_downloads(tmp_path: Path) -> None:
    made = record("faint", [stop(0.1)])
    cost = replace(made.unlearn_cost, step_seconds=0.25, optimizer_bytes=8, trained_parameters=4, visible_share=0.125)
    text = page([*controls(), replace(made, unlearn_cost=cost)], tmp_path)
    assert "a perturbation moves 12.5 % in 16 bits" in text
    path = next(p for p in (tmp_path / "data").glob("*.csv") if p.stem.count("-") == 3)
    (row,) = (row for row in csv.DictReader(io.StringIO(path.read_text())) if row["method"] == "faint")
    shown = [row[key] for key in ("step_seconds", "optimizer_bytes", "trained_parameters", "visible_share", "setting")]
    assert shown == ["0.25", "8", "4", "0.125", made.method.setting]


def test_no_notice_of_a_pocket_board_can_be_left_out(tmp_path: Path) -> None:
    bare = BenchmarkCard("Bare", "pocket", "toy", "")
    text = page([record(stops=[stop(1.0)], role="original", card=bare)], tmp_path)
    assert "Pocket benchmark, not results on real models." in text
    for path in (tmp_path / "data").iterdir():
        assert "pocket-scale" in path.name
        assert "not results on real models" in path.read_text()


def test_an_empty_board_says_how_to_make_records(tmp_path: Path) -> None:
    text = page([], tmp_path)
    assert "harness run --methods all" in text
    assert Outline(text).open == []


def test_a_board_of_one_row_is_rank_one(tmp_path: Path) -> None:
    page([*controls(), record(stops=[stop(0.1)])], tmp_path)
    (path,) = (tmp_path / "data").glob("*.json")
    assert [row["rank_high"] for row in json.loads(path.read_text())["rows"]] == [None, None, 1]


def test_a_lone_record_makes_a_page(tmp_path: Path) -> None:
    assert "nothing is ranked" in page([record(stops=[stop(0.1)])], tmp_path)


def test_problems_are_listed(tmp_path: Path) -> None:
    assert "x.json: not a record" in page(demo(), tmp_path, problems=["x.json: not a record"])


def test_cells_of_the_table_equal_the_data_rounded(tmp_path: Path) -> None:
    text = page(demo(), tmp_path)
    (path,) = (tmp_path / "data").glob("*.json")
    printed = re.findall(r'class="n star">.*?<span class="v">([\d.]+)</span>', text)
    assert printed == [f"{100 * row['k_star']:.1f}" for row in json.loads(path.read_text())["rows"]]


def test_a_method_named_like_a_formula_is_inert_in_the_csv(tmp_path: Path) -> None:
    page([*controls(), record('=cmd(),"x"', [stop(0.1)])], tmp_path)
    path = next(p for p in (tmp_path / "data").glob("*.csv") if p.stem.count("-") == 3)
    names = [row["method"] for row in csv.DictReader(io.StringIO(path.read_text()))]
    assert names == ["original", "never", '\'=cmd(),"x"']


def test_a_benchmark_named_like_a_path_stays_inside_the_folder(tmp_path: Path) -> None:
    page([record(stops=[stop(0.1)], benchmark="../../x")], tmp_path / "site")
    assert {p.parent.name for p in tmp_path.rglob("*") if p.is_file()} == {"site", "data"}


def test_the_date_is_the_newest_records(tmp_path: Path) -> None:
    assert PROVENANCE.started in page(demo(), tmp_path)


def test_a_row_adds_less_than_three_kilobytes(tmp_path: Path) -> None:
    few = [*controls(), *(record(f"m{i:03}", [stop(0.1)]) for i in range(10))]
    many = [*few, *(record(f"m{i:03}", [stop(0.1)]) for i in range(10, 40))]
    assert len(page(many, tmp_path)) - len(page(few, tmp_path)) < 30 * 3_000


def test_every_attack_on_every_row_is_among_the_downloads(tmp_path: Path) -> None:
    attack = {"attack": "relearn", "family": "relearn"}
    made = [*controls(), record("m", [stop(0.1)]), record("m", [stop(0.1), stop(0.6)], **attack)]
    made += [record("original", [stop(0.8)], role="original", **attack)]
    page(made, tmp_path)
    (path,) = (tmp_path / "data").glob("*-attacks.csv")
    (row,) = (row for row in csv.DictReader(io.StringIO(path.read_text())) if row["method"] == "m")
    assert (row["k"], row["k_unbounded"], row["access"], row["ranked"]) == ("0.6", "0.6", "weights", "True")
    assert float(row["k_normalised"]) == pytest.approx(0.75)


def test_the_worst_case_is_told_by_what_the_attacker_may_do(tmp_path: Path) -> None:
    made = [*controls(), record("m", [stop(0.1)])]
    made += [record("m", [stop(0.3)], attack="ask", family="prompt", access="text")]
    made += [record("m", [stop(0.7)], attack="train", family="relearn")]
    text = page(made, tmp_path)
    (board,) = boards_of(made)
    (row,) = (row for row in board.rows if row.label.name == "m")
    assert [row.worst_with(access) for access in ("none", "text", "weights")] == pytest.approx([0.1, 0.3, 0.7])
    assert "Worst case by what the attacker may do" in text
