from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import write_distribution

from harness.errors import UserError
from harness.registry import broken, find, installed, listing, load, working

BROKEN = {"broken_plugin.py": "raise ImportError('needs a GPU compiler')\n"}
HEAD = "from dataclasses import dataclass\n@dataclass(frozen=True)\n"
FINE = {
    "fine_plugin.py": f"""{HEAD}class Fine:
    '''Does no harm.'''
    version = 1
    size: int = 2
    presets = {{'bench': {{'size': 3}}}}
    def unlearn(self, lm, corpora, *, seed): ...
"""
}
MALFORMED = [
    (HEAD, "", "is not a frozen dataclass"),
    ("version = 1", "version = 'one'", "has version 'one', no whole number"),
    ("version = 1", "version = True", "has version True, no whole number"),
    ("{'bench': {'size': 3}}", "5", "has presets 5"),
    ("{'size': 3}", "4", "has presets {'bench': 4}"),
    ("{'size': 3}", "{'sise': 3}", "has no field 'sise', which its preset for 'bench' sets"),
    ("size: int", "size: 'Unknown'", "has annotations that cannot be read"),
    ("def unlearn", "def forget", r"has no method unlearn\(\)"),
]
Install = Callable[..., Path]


def test_listing_names_does_not_import_them(distribution: Install) -> None:
    distribution("broken-dist", {"harness.methods": {"brk": "broken_plugin:M"}}, version="3.1", files=BROKEN)
    entry = next(entry for entry in installed("method") if entry.name == "brk")
    assert (entry.distribution, entry.version, entry.path) == ("broken-dist", "3.1", "broken_plugin:M")
    assert "broken_plugin" not in sys.modules


def test_what_is_installed_into_a_folder_already_looked_at_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = installed("attack")
    write_distribution(tmp_path, "late-dist", {"attacks": {"late": "late_plugin:Late"}})
    assert [entry.name for entry in installed("attack") if entry not in before] == ["late"]
    shutil.rmtree(tmp_path / "late_dist-1.2.3.dist-info")
    assert installed("attack") == before


def test_an_unknown_name_is_answered_with_the_nearest_and_with_what_exists() -> None:
    with pytest.raises(
        UserError, match=r"No attack named 'relern' .* Did you mean 'relearn'\? Installed attacks: .*none"
    ):
        load("attack", "relern")


def test_a_plugin_that_raises_on_import_is_blamed_by_distribution_version_and_cause(distribution: Install) -> None:
    distribution("broken-dist", {"harness.methods": {"brk": "broken_plugin:M"}}, version="3.1", files=BROKEN)
    with pytest.raises(UserError, match=r"broken-dist 3\.1 .*ImportError: needs a GPU compiler"):
        load("method", "brk")


def test_a_broken_plugin_is_listed_with_its_reason_and_harms_no_other(distribution: Install) -> None:
    points = {"harness.methods": {"brk": "broken_plugin:M", "fine": "fine_plugin:Fine"}}
    distribution("mixed-dist", points, files=BROKEN | FINE)
    listed = {item.entry.name: item for item in listing("method")}
    assert "needs a GPU compiler" in listed["brk"].broken
    assert (listed["fine"].broken, listed["fine"].summary) == ("", "Does no harm.")


def test_a_broken_plugin_is_not_part_of_all(distribution: Install) -> None:
    distribution("broken-dist", {"harness.methods": {"brk": "broken_plugin:M"}}, files=BROKEN)
    assert "brk" not in working("method")
    assert "brk" in broken("method")


@pytest.mark.parametrize("raised", ["SystemExit(1)", "RuntimeError('x')", "KeyError('y')"])
def test_whatever_a_plugin_raises_stays_a_sentence(distribution: Install, raised: str) -> None:
    module = f"raises_{abs(hash(raised))}"
    distribution("odd-dist", {"harness.methods": {"odd": f"{module}:M"}}, files={f"{module}.py": f"raise {raised}\n"})
    with pytest.raises(UserError, match=r"odd-dist 1\.0"):
        load("method", "odd")


def test_an_entry_point_to_a_missing_class_is_blamed_too(distribution: Install) -> None:
    distribution("gone-dist", {"harness.methods": {"gone": "fine_plugin:Gone"}}, files=FINE)
    with pytest.raises(UserError, match=r"gone-dist 1\.0 .*AttributeError"):
        load("method", "gone")


def test_a_name_claimed_by_two_distributions_is_an_error_that_names_both(distribution: Install) -> None:
    distribution("first-dist", {"harness.methods": {"twin": "fine_plugin:Fine"}}, version="1.0", files=FINE)
    distribution("second-dist", {"harness.methods": {"twin": "fine_plugin:Fine"}}, version="2.0", files=FINE)
    with pytest.raises(UserError, match=r"'twin' is claimed by first-dist 1\.0 and second-dist 2\.0"):
        find("method", "twin")


def test_an_entry_point_that_is_no_class_is_refused(distribution: Install) -> None:
    distribution("value-dist", {"harness.methods": {"value": "value_plugin:M"}}, files={"value_plugin.py": "M = 3\n"})
    with pytest.raises(UserError, match="is not a class"):
        load("method", "value")


@pytest.mark.parametrize(("right", "wrong", "message"), MALFORMED)
def test_a_plugin_that_breaks_the_contract_is_broken_in_the_list_and_blamed_when_named(
    distribution: Install, right: str, wrong: str, message: str
) -> None:
    module = f"malformed_{MALFORMED.index((right, wrong, message))}"
    source = FINE["fine_plugin.py"].replace(right, wrong)
    points = {"harness.methods": {"bent": f"{module}:Fine"}}
    distribution("bent-dist", points, version="2.1", files={f"{module}.py": source})
    with pytest.raises(UserError, match=rf"The method 'bent' of bent-dist 2\.1 .*{message}"):
        load("method", "bent")
    assert "bent" not in working("method")
    assert "bent-dist 2.1" in broken("method")["bent"]


@pytest.mark.parametrize("name", ["all", "pocket", "a,b", "two words", "a/b"])
def test_a_name_that_cannot_be_typed_or_means_several_is_broken(distribution: Install, name: str) -> None:
    distribution("named-dist", {"harness.methods": {name: "fine_plugin:Fine"}}, files=FINE)
    assert name not in working("method")
    assert "Rename it" in broken("method")[name]


def test_an_attack_without_a_threat_is_broken(distribution: Install) -> None:
    source = FINE["fine_plugin.py"].replace("unlearn", "attack")
    distribution("mild-dist", {"harness.attacks": {"mild": "mild_plugin:Fine"}}, files={"mild_plugin.py": source})
    assert "lacks a threat or a family" in broken("attack")["mild"]
