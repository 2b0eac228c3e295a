"""What the README and docs promise is there."""

import re
from pathlib import Path
from string import Template

import pytest

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
