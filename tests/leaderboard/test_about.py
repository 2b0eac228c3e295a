"""The file that is written by hand: whatever stands in it, the check ends with a line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.notes import NotesError, changes_in
from leaderboard.submissions import about, toml
from leaderboard.submissions.about import About, Problem, read_about
from leaderboard.submissions.texts import named, plain, public

MINE = 'method = "Mine"\nauthors = ["Me"]\n'


def said(folder: Path, text: str) -> str:
    """The problems of a file in one line."""
    (folder / "entry.toml").write_text(text, encoding="utf-8")
    found = read_about(folder)
    return "" if isinstance(found, About) else "; ".join(map(str, found))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"z = {'1' * 5_000}", "is no TOML file: Exceeds the limit"),
        (f"z = 0x{'1' * 5_000}", "is no TOML file: Exceeds the limit"),
        (f"{'.'.join('a' * 1_200)} = 1", "is nested too deeply"),
        (f"z = {'[' * 1_200}{']' * 1_200}", "is nested too deeply"),
        ("z = 1\nz = 2", "is no TOML file: Cannot overwrite a value"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(line: str, what: str, tmp_path: Path) -> None:
    assert what in said(tmp_path, MINE + line)


def test_a_file_that_is_too_large_is_never_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(tmp_path, MINE + "#" * (about.LARGEST - len(MINE))) == ""
    monkeypatch.setattr(toml.tomllib, "loads", lambda text: pytest.fail("parsed"))
    assert said(tmp_path, MINE + "#" * about.LARGEST) == "entry.toml: is larger than 16 KiB; shorten it"


@pytest.mark.parametrize("text", ["x = " + "1" * 5_000, f"{'.'.join('a' * 1_200)} = 1", "#" * 2**20 + "#"])
def test_notes_that_cannot_be_read_are_one_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "changes.toml").write_text(text)
    with pytest.raises(NotesError, match=r"changes\.toml: is "):
        list(changes_in(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "   ",
        "\u200d\u200d",
        "\u00a0\u3164",
        "\u3164",
        "\u2800",
        "\u0301",
        "np\u200do",
        "npo\ufe0f",
        " npo",
        "npo\u00a0",
    ],
)
def test_a_name_that_is_not_seen_as_it_is_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds U\+|is a name"):
        named(name)
    assert "method: " in said(tmp_path, f'method = "{name}"\n')


@pytest.mark.parametrize("name", ["NPO", "Ünlü Şahin", "می‌خواهم", "👩‍🔬", "☁️ wipe", "葛󠄀城", "A. Author"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert named(name) == name


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/",
        "https://10.0.0.8/paper",
        "https://0x7f.1/",
        "https://127.1",
        "https://[::ffff:127.0.0.1]/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "https://localhost./",
        "https://printer.local/",
        "https://router.home.arpa",
        "https://wiki.internal/x",
        "https://a_b.c/",
        "https://.org",
        "https://evil.org\\@arxiv.org/",
        "https://[",
        " https://arxiv.org/",
        "HTTPS://arxiv.org/",
        "https://arxiv.org/a b",
        "https://arxiv.org/a}b",
        "https://arxiv.org/\\input{x}",
    ],
)
def test_an_address_that_is_not_everybodys_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        public(address)


@pytest.mark.parametrize(
    "address", ["https://arxiv.org/abs/1", "https://xn--e1afmkfd.xn--p1ai/", "https://a.b.co:8443/x"]
)
def test_an_address_of_a_public_host_is_taken(address: str) -> None:
    assert public(address) == address


def test_what_is_not_seen_is_spelled_out_in_the_line_of_a_problem(tmp_path: Path) -> None:
    found = said(tmp_path, MINE + '[links]\n"a\u202eb" = "https://a.org"\n"c\\u001b" = "x"\n')
    assert "links.a\\u202eb.[key]: holds U+202E" in found
    assert "c\\x1b" in found
    assert str(Problem("x\n\u2066y", "", "is a link")) == "x\\n\\u2066y: is a link"


def test_plain_text_may_have_any_script() -> None:
    assert plain("Größe 大きさ حجم") == "Größe 大きさ حجم"
