"""The site and its files: complete by itself, escaped, repeatable."""

from __future__ import annotations

import csv
import hashlib
import io
import posixpath
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sites import board, data, everything, pages, site
from synthetic import PROVENANCE, controls, demo, record, stop

from harness.record import BenchmarkCard, Record, Spec
from leaderboard.derive import boards_of

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{7*7}}"
VOID = {"meta", "link", "br", "wbr", "img", "input"}


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
        self.text.append(data)


@pytest.fixture
def boards() -> list[Record]:
    return [*demo(), *(record(stops=[stop(0.1)], benchmark="second"),)]


def outlines(out: Path) -> dict[str, Outline]:
    return {name: Outline(text) for name, text in pages(out).items()}


def table_of(out: Path) -> list[dict[str, str]]:
    """The board's own CSV."""
    (path,) = (p for p in (out / "data").glob("*.csv") if p.stem.count("-") == 3)
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_every_page_nests_and_its_ids_are_unique(boards: list[Record], tmp_path: Path) -> None:
    for outline in outlines(site(boards, tmp_path)).values():
        assert outline.open == []
        assert [key for key, n in Counter(outline.ids).items() if n > 1] == []


def test_two_engines_on_one_benchmark_share_no_files(tmp_path: Path) -> None:
    first = record(stops=[stop(0.1)])
    second = replace(first, cell=replace(first.cell, engine=Spec("other", 1)), id="2")
    out = site([first, second], tmp_path)
    assert len(list((out / "b").rglob("*-details.html"))) == 2
    assert len([p for p in (out / "data").glob("*.json") if not p.name.endswith(".meta.json")]) == 2


def test_every_relative_address_has_its_file_and_every_fragment_its_place(boards: list[Record], tmp_path: Path) -> None:
    found = outlines(site(boards, tmp_path))
    for name, outline in found.items():
        wanted = [
            v for n, v in outline.attributes if n in ("href", "src") and v and not v.startswith(("data:", "https:"))
        ]
        for address in wanted:
            path, _, fragment = address.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert (tmp_path / target).is_file(), f"{name} names {address}"
            if fragment and target in found:
                assert fragment in found[target].ids, f"{name} names {address}"


def test_what_labels_a_part_is_on_the_page(boards: list[Record], tmp_path: Path) -> None:
    for outline in outlines(site(boards, tmp_path)).values():
        labels = {key for n, v in outline.attributes if n == "aria-labelledby" and v for key in v.split()}
        assert labels <= set(outline.ids)


def test_scripts_and_styles_are_the_site_s_own_files(boards: list[Record], tmp_path: Path) -> None:
    for text in pages(site(boards, tmp_path)).values():
        assert not re.search(r"(src|url)\s*[=(]\s*[\"']?(https?:|//)", text)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        assert re.findall(r"<script(?![^>]*src=)", text) == []
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in text


def test_no_gap_is_printed_as_a_word_of_the_machine(boards: list[Record], tmp_path: Path) -> None:
    for name, outline in outlines(site(boards, tmp_path)).items():
        assert not re.search(r"\b(nan|NaN|None|inf|undefined|True|False)\b", " ".join(outline.text)), name


def test_two_builds_are_byte_identical_in_any_order_of_records(boards: list[Record], tmp_path: Path) -> None:
    site(boards, tmp_path / "one")
    site(boards[::-1], tmp_path / "two")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 50
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_build_leaves_no_temporary_file_and_replaces_the_old_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("old")
    site([], tmp_path)
    assert "old" not in board(tmp_path)[:20]
    assert list(tmp_path.rglob("*.tmp")) == []


def test_the_checksums_are_those_of_the_files(boards: list[Record], tmp_path: Path) -> None:
    folder = site(boards, tmp_path) / "data"
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert len(lines) > 10
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for digest, name in lines)


def hostile() -> list[Record]:
    card = BenchmarkCard(HOSTILE, "slice", HOSTILE, HOSTILE, (HOSTILE,))
    made = [record("o", [stop(1.0)], role="original"), record("r", [stop(0.0)], role="reference")]
    made += [record(HOSTILE, [stop(0.1)], params={"p": HOSTILE}), record(HOSTILE, [stop(0.1)], params={"p": "q"})]
    curve = [
        stop(0.1, budget=0, series=HOSTILE),
        stop(0.2, budget=5, series=HOSTILE),
        stop(0.4, budget=9, series=HOSTILE),
    ]
    made += [record(HOSTILE, curve, attack=HOSTILE, family="relearn", params={"p": "q"})]
    made += [record("x", attack="y", family="edit", not_applicable=HOSTILE)]
    return [replace(r, benchmark=card) for r in made]


def test_hostile_text_is_printed_and_not_obeyed_on_any_page(tmp_path: Path) -> None:
    for name, text in pages(site(hostile(), tmp_path, problems=(HOSTILE,))).items():
        outline = Outline(text)
        assert outline.tags["img"] == 0, name
        assert "<img" not in text
    assert "".join(outlines(tmp_path)["index.html"].text).count(HOSTILE) > 8
    assert "<" not in (tmp_path / "assets" / "board-data.js").read_text()


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    made = [
        *controls(),
        record("../../m", [stop(0.1)]),
        record("../../m", [stop(0.2)], attack="../../a", family="edit"),
    ]
    site([replace(r, cell=replace(r.cell, benchmark=Spec("../../x", 1))) for r in made], tmp_path / "site")
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize(
    "names", [("a b", "a-b"), ("A", "a"), ("\N{CYRILLIC SMALL LETTER A}", "\N{GREEK SMALL LETTER ALPHA}")]
)
def test_names_that_look_alike_in_an_address_have_addresses_of_their_own(
    names: tuple[str, str], tmp_path: Path
) -> None:
    out = site([*controls(), *(record(name, [stop(0.1)]) for name in names)], tmp_path)
    assert len(list((out / "m").iterdir())) == 2


def test_control_characters_become_visible(tmp_path: Path) -> None:
    text = everything([*controls(), record("a\x00b", [stop(0.1)])], tmp_path)
    assert "a\x00b" not in text
    assert "a\ufffdb" in board(tmp_path)


def test_what_a_perturbation_moves_in_16_bits_is_said_and_every_cost_is_among_the_downloads(tmp_path: Path) -> None:
    made = record("faint", [stop(0.1)])
    cost = replace(made.unlearn_cost, step_seconds=0.25, optimizer_bytes=8, trained_parameters=4, visible_share=0.125)
    text = everything([*controls(), replace(made, unlearn_cost=cost)], tmp_path)
    assert "a perturbation moves 12.5 % in 16 bits" in text
    (row,) = (row for row in table_of(tmp_path) if row["method"] == "faint")
    shown = [row[key] for key in ("step_seconds", "optimizer_bytes", "trained_parameters", "visible_share", "setting")]
    assert shown == ["0.25", "8", "4", "0.125", made.method.setting]


def test_no_notice_of_a_pocket_board_can_be_left_out(tmp_path: Path) -> None:
    bare = BenchmarkCard("Bare", "pocket", "toy", "")
    out = site([record(stops=[stop(1.0)], role="original", card=bare)], tmp_path)
    for name, text in pages(out).items():
        assert "Pocket benchmark, not results on real models." in text, name
    for path in (out / "data").glob("bare-*"):
        assert "pocket-scale" in path.name
        assert "not results on real models" in path.read_text()


def test_an_empty_site_says_how_to_make_records(tmp_path: Path) -> None:
    found = outlines(site([], tmp_path))
    assert "harness run --methods all" in board(tmp_path)
    assert all(outline.open == [] for outline in found.values())


def test_a_board_of_one_row_is_rank_one(tmp_path: Path) -> None:
    site([*controls(), record(stops=[stop(0.1)])], tmp_path)
    assert [row["rank_high"] for row in data(tmp_path)["rows"]] == [None, None, 1]


def test_a_lone_record_makes_a_page(tmp_path: Path) -> None:
    site([record(stops=[stop(0.1)])], tmp_path)
    assert "nothing is ranked" in board(tmp_path)


def test_problems_are_listed(tmp_path: Path) -> None:
    assert "x.json: not a record" in everything(demo(), tmp_path, problems=("x.json: not a record",))


def test_cells_of_the_table_equal_the_data_rounded(tmp_path: Path) -> None:
    site(demo(), tmp_path)
    printed = re.findall(r'<td class="k">(?:<span class="bound">≥ </span>)?([\d.]+)', board(tmp_path))
    assert printed == [f"{100 * row['k_star']:.1f}" for row in data(tmp_path)["rows"]]


def test_a_method_named_like_a_formula_is_inert_in_the_csv(tmp_path: Path) -> None:
    site([*controls(), record('=cmd(),"x"', [stop(0.1)])], tmp_path)
    assert [row["method"] for row in table_of(tmp_path)] == ["original", "never", '\'=cmd(),"x"']


def test_a_method_named_like_a_command_is_inert_in_the_tex(tmp_path: Path) -> None:
    site([*controls(), record("\\input{x}_%", [stop(0.1)])], tmp_path)
    (path,) = (tmp_path / "data").glob("*.tex")
    assert r"\textbackslash{}input\{x\}\_\%" in path.read_text()


def test_all_rows_that_are_tied_with_the_best_are_bold_in_the_tex(tmp_path: Path) -> None:
    site([*controls(), record("one", [stop(0.1)]), record("two", [stop(0.1)]), record("three", [stop(0.24)])], tmp_path)
    (path,) = (tmp_path / "data").glob("*.tex")
    bold = [line.split(" & ")[1] for line in path.read_text().splitlines() if "textbf" in line]
    assert bold == ["one", "two"]


def test_the_date_is_the_newest_records(tmp_path: Path) -> None:
    assert f"Newest record {PROVENANCE.started[:10]}" in everything(demo(), tmp_path)


@pytest.mark.parametrize("address", ["relearn", "round", "ask"])
def test_every_attack_has_a_page_with_every_entry(address: str, tmp_path: Path) -> None:
    site(demo(), tmp_path)
    text = (tmp_path / "a" / f"{address}.html").read_text()
    assert all(f"<bdi>{name}</bdi>" in text for name in ("steady", "firm", "fragile", "patchy"))


def test_a_row_adds_little_to_the_board(tmp_path: Path) -> None:
    few = [*controls(), *(record(f"m{i:03}", [stop(0.1)]) for i in range(10))]
    many = [*few, *(record(f"m{i:03}", [stop(0.1)]) for i in range(10, 40))]
    sizes = [len(board(site(made, tmp_path / str(len(made))))) for made in (few, many)]
    assert sizes[1] - sizes[0] < 30 * 2_200


def test_every_attack_on_every_row_is_among_the_downloads(tmp_path: Path) -> None:
    attack = {"attack": "relearn", "family": "relearn"}
    made = [*controls(), record("m", [stop(0.1)]), record("m", [stop(0.1), stop(0.6)], **attack)]
    made += [record("original", [stop(0.8)], role="original", **attack)]
    site(made, tmp_path)
    (path,) = (tmp_path / "data").glob("*-attacks.csv")
    (row,) = (row for row in csv.DictReader(io.StringIO(path.read_text())) if row["method"] == "m")
    assert (row["k"], row["k_unbounded"], row["access"], row["ranked"]) == ("0.6", "0.6", "weights", "True")
    assert float(row["k_normalised"]) == pytest.approx(0.75)


def test_the_worst_case_is_told_by_what_the_attacker_may_do(tmp_path: Path) -> None:
    made = [*controls(), record("m", [stop(0.1)])]
    made += [record("m", [stop(0.3)], attack="ask", family="prompt", access="text")]
    made += [record("m", [stop(0.7)], attack="train", family="relearn")]
    (derived,) = boards_of(made)
    (row,) = (row for row in derived.rows if row.label.name == "m")
    assert [row.worst_with(access) for access in ("none", "text", "weights")] == pytest.approx([0.1, 0.3, 0.7])
    assert "Worst case by what the attacker may do" in everything(made, tmp_path)
