"""Pages that list: the settings of a method side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sites import pages, site
from synthetic import controls, moved, record, stop

from leaderboard.collection import Collection
from leaderboard.downloads.bib import methods_bibtex
from leaderboard.site.listing import overview_rows, settings_of
from leaderboard.site.site import Site, site_of
from leaderboard.site.spelling import NOTHING


def test_settings_stand_side_by_side_and_what_differs_is_marked(tmp_path: Path) -> None:
    two = [record(stops=[stop(0.1)], params={"beta": beta, "lr": 0.001}) for beta in (0.1, 0.25)]
    page = pages(site([*controls(), *two], tmp_path))["m/alpha.html"]
    assert (
        '<tr class="differs"><th scope="row"><code>beta</code></th><td><bdi>0.1</bdi></td><td><bdi>0.25</bdi>' in page
    )
    assert '<tr><th scope="row"><code>lr</code></th><td><bdi>0.001</bdi></td><td><bdi>0.001</bdi>' in page


def test_one_setting_on_two_boards_is_one_column() -> None:
    here = [*controls(), record(stops=[stop(0.1)], params={"lr": 0.001})]
    there = [moved(one, {"facts": 7}) for one in here]
    (method,) = site_of(Collection((*here, *there))).methods
    entries, rows = settings_of(method)
    assert len(method.entries) == 2
    assert len(entries) == 1
    assert not any(differ for _, _, differ in rows)


def test_a_parameter_that_one_setting_lacks_is_a_dash() -> None:
    two = [record(stops=[stop(0.1)], params=params) for params in ({"lr": 0.1}, {"lr": 0.1, "rho": 2.0})]
    (method,) = site_of(Collection((*controls(), *two))).methods
    _, rows = settings_of(method)
    assert [(sorted(values), differ) for name, values, differ in rows if name == "rho"] == [(["2", NOTHING], True)]


def two_settings(*rows: tuple[float, float, float | None]) -> Site:
    """A site of one method in settings that differ in K and u before attack and in K after, None if not attacked."""
    made = controls({"relearn": ("relearn", [stop(0.0)])})
    for number, (k, u, after) in enumerate(rows):
        made.append(record(stops=[stop(k, u)], params={"beta": number}))
        if after is not None:
            relearned = [stop(after, u)]
            made.append(record(stops=relearned, params={"beta": number}, attack="relearn", family="relearn"))
    return site_of(Collection(tuple(made)))


@pytest.mark.parametrize(
    "rows",
    [
        [(0.1, 0.95, 0.6), (0.05, 0.95, None)],  # ranked before incomplete
        [(0.1, 0.95, 0.6), (0.0, 0.5, 0.05)],  # before broken
        [(0.0, 0.5, 0.6), (0.0, 0.5, None)],  # of two that are broken, a value before a bound
        [(0.5, 0.95, 0.6), (0.4, 0.95, None)],  # of two that forgot too little as well
        [(0.5, 0.95, 0.6), (0.4, 0.95, 0.7)],  # then the least
    ],
)
def test_the_overview_takes_no_bound_for_the_best_entry(rows: list[tuple[float, float, float | None]]) -> None:
    ((_, (best,)),) = overview_rows(two_settings(*rows))
    assert best is not None
    assert best.line.k_star.value == pytest.approx(0.6)


def test_references_have_keys_of_their_own_and_close_their_braces() -> None:
    named = [
        ("method", "npo_sam", "2502.05374"),
        ("method", "npo-sam", "a talk, 50 % {off"),
        ("attack", "npo_sam", "x"),
    ]
    text = methods_bibtex([*named, ("method", "bare", "")])
    keys = re.findall(r"^@misc\{([a-z0-9-]+),$", text, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == 3
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_the_file_to_fill_in_has_a_published_schema(tmp_path: Path) -> None:
    out = site([*controls(), record(stops=[stop(0.1)])], tmp_path)
    schema = json.loads((out / "data" / "schema" / "entry.schema.json").read_text())
    validator = Draft202012Validator(schema)
    validator.validate({"method": "Mine", "links": {"code": "https://a.org"}})
    assert [error.message for error in validator.iter_errors({"authors": "me"})]
