"""What the README and docs promise is there."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

import pytest
from typer.main import get_command

from harness.cli import app
from harness.templates import METHOD

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_method_in_the_readme_is_the_one_that_harness_new_writes() -> None:
    written = Template(METHOD).substitute(name="my_method", cls="MyMethod")
    assert f"```python\n{written}```" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_make_test_runs_what_ci_runs() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"


def commands() -> Iterator[tuple[str, str]]:
    """Every command line of ours in README, docs and the site's pages, with the file it stands in."""
    for page in (*PAGES, *sorted((ROOT / "leaderboard" / "site" / "templates").glob("*.j2"))):
        for found in re.findall(r"(?:^|>|`)(?:\.venv/bin/)?(harness [^\n`<]*)", page.read_text(), re.MULTILINE):
            yield page.name, found.partition("#")[0].strip()


def flags_of(words: Sequence[str]) -> set[str]:
    """The flags of the command that the first words name."""
    found: Any = get_command(app)
    for word in words:
        found = getattr(found, "commands", {}).get(word, found)
    return {"--help", *(flag for parameter in found.params for flag in (*parameter.opts, *parameter.secondary_opts))}


def test_every_flag_that_is_written_about_is_there() -> None:
    wrong = []
    for place, line in commands():
        words = re.sub(r"\[|\]|\\$", " ", line).split()[1:]
        wrong += [f"{place}: {line}: {w}" for w in words if w.startswith("--") and w not in flags_of(words[:2])]
    assert wrong == []


def test_the_commands_of_the_pages_are_found() -> None:
    assert len(list(commands())) > 40
