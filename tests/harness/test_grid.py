from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.grid import Grid, overrides_of, read_grid


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
