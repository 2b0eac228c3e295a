from __future__ import annotations

from pathlib import Path

import pytest

from harness.cell import Match
from harness.errors import UserError
from harness.grid import Grid, matches_of, overrides_of, read_grid


def grid_file(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("typed", "seeds"), [("2", (0, 1)), (1, (0,)), ("3,5", (3, 5)), ([4], (4,)), ("7,", (7,))])
def test_seeds_are_a_number_of_them_or_a_list(typed: object, seeds: tuple[int, ...]) -> None:
    assert read_grid(None, {"seeds": typed}).seeds == seeds


def test_names_may_be_separated_by_commas() -> None:
    assert read_grid(None, {"methods": "npo, rmu"}).methods == ("npo", "rmu")


def test_flags_win_over_the_file_and_settings_are_merged(tmp_path: Path) -> None:
    path = grid_file(tmp_path, 'methods = ["npo"]\nseeds = 3\n[set.method.npo]\nbeta = 0.2\nlr = 1.0\n')
    grid = read_grid(path, {"methods": "rmu", "set": {"method.npo.beta": "0.3"}})
    assert (grid.methods, grid.seeds) == (("rmu",), (0, 1, 2))
    assert overrides_of(grid) == {("method", "npo"): {"beta": "0.3", "lr": 1.0}}


def test_settings_may_be_written_in_one_string(tmp_path: Path) -> None:
    path = grid_file(tmp_path, '[set]\n"benchmark.muse-news.data_root" = "somewhere"\n')
    assert overrides_of(read_grid(path, {})) == {("benchmark", "muse-news"): {"data_root": "somewhere"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method = ['npo']", r"no key 'method'\. Did you mean 'methods'"),
        ("methods = 3", r"grid's methods .* is 3"),
        ("methods = [", r"is not TOML"),
        ("set = 3", r"grid's set of .* is 3, which is no table\. Write"),
        ("seeds = [true]", r"seeds of .*: give a number of seeds"),
        ("seeds = true", r"seeds of .*: give a number of seeds"),
        ("seeds = -1", r"seeds of .*: give a number of seeds"),
        ("seeds = 1.5", r"seeds of .*: give a number of seeds"),
    ],
)
def test_a_wrong_grid_file_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_grid(grid_file(tmp_path, text), {})


def test_a_missing_grid_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml cannot be read"):
        read_grid(tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("key", ["npo.beta", "methods.npo.beta", "method.npo", "method..beta", "beta"])
def test_a_setting_that_is_not_kind_name_field_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=r"not of the form kind\.name\.field"):
        overrides_of(Grid(overrides={key: 1}))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("abc", r"^--seeds abc: give a number of seeds \(3 means 0, 1, 2\) or a list such as 0,5\.$"),
        ("1,x", r"^--seeds 1,x: give a number of seeds"),
        ("4294967296,1", r"^--seeds 4294967296,1: a seed is at most 4294967295"),
        ("10001", r"^--seeds 10001: these are 10001 seeds, and 10000 are the most"),
    ],
)
def test_wrong_seeds_are_refused_in_the_words_of_the_flag(typed: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_grid(None, {"seeds": typed})


def test_the_largest_seed_is_accepted() -> None:
    assert read_grid(None, {"seeds": "4294967295,"}).seeds == (2**32 - 1,)


def test_a_grid_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_bytes(b"\xef\xbb\xbfseeds = 2\n")
    assert read_grid(path, {}).seeds == (0, 1)


def test_a_grid_file_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_bytes(b"# caf\xe9\nseeds = 2\n")
    with pytest.raises(UserError, match=r"cannot be decoded\. Save it as UTF-8"):
        read_grid(path, {})


@pytest.mark.parametrize("typed", ["forgot", "forget=", "forget=2", "utility=x", "off=1", "forget=nan", "u"])
def test_a_match_that_is_no_place_is_refused(typed: str) -> None:
    with pytest.raises(UserError, match=r"no place to measure at: write off, forget, utility, or a level"):
        matches_of(read_grid(None, {"match": typed}))


def test_a_match_has_a_level_of_its_own_or_the_usual_one() -> None:
    found = matches_of(read_grid(None, {"match": "off,forget,utility=0.9,forget=0.25"}))
    assert found == (None, Match("forget", 0.25), Match("utility", 0.9))


def test_an_empty_match_is_refused() -> None:
    with pytest.raises(UserError, match="match is empty"):
        matches_of(read_grid(None, {"match": ","}))
