"""The arrows between packages, kept by parsing every file."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "methods", "attacks", "leaderboard")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

ALLOWED = {
    "methods": ("harness.api", "harness.train"),
    "attacks": ("harness.api", "harness.train"),
    "leaderboard": ("harness.record", "harness.failure", "harness.archive", "leaderboard"),
    "harness": ("harness",),
}
COMPOSITION_ROOT = "harness.board_commands"  # the one module that may import leaderboard
COMMANDS = (COMPOSITION_ROOT, "harness.cli", "harness.commands")  # these may import heavy modules inside their commands


def imports(path: Path) -> Iterator[tuple[str, ast.stmt, bool]]:
    """(dotted target, statement, whether it stands inside a function) of every import of our own packages."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = [
                joined if (joined := f"{node.module}.{alias.name}") in MODULES else str(node.module)
                for alias in node.names
            ]
        for target in targets:
            yield target, node, id(node) in inside


def ours(target: str) -> bool:
    return target.split(".")[0] in PACKAGES


@pytest.mark.parametrize("module", MODULES)
def test_every_import_follows_an_allowed_arrow(module: str) -> None:
    package = module.split(".")[0]
    allowed = ALLOWED[package] + (("leaderboard",) if module == COMPOSITION_ROOT else ())
    wrong = [
        f"{module}:{node.lineno} imports {target}; {package}/ may import only {', '.join(allowed)}"
        for target, node, _ in imports(MODULES[module])
        if ours(target) and not any(target == arrow or target.startswith(arrow + ".") for arrow in allowed)
    ]
    assert not wrong


@pytest.mark.parametrize("module", [name for name in MODULES if name not in COMMANDS])
def test_imports_stand_at_the_top_of_the_file(module: str) -> None:
    hidden = [f"{module}:{node.lineno} {target}" for target, node, inside in imports(MODULES[module]) if inside]
    assert not hidden, "move these to the top, or to the composition root's commands"


def test_no_import_cycles() -> None:
    graph = {module: {t for t, _, _ in imports(path) if t in MODULES} for module, path in MODULES.items()}
    while free := [module for module, targets in graph.items() if not targets & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph, f"cycle among {sorted(graph)}"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("harness")])
def test_harness_names_no_method_and_no_attack(module: str) -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    names = {*points["harness.methods"], *points["harness.attacks"]} - {
        "none",
        "reference",
        "prompts",
        "relearn",
    }  # also
    # plain words of the field: an identity element, a role, a noun, a family
    strings = [node for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Constant)]
    assert not [f"{module}:{node.lineno} {node.value}" for node in strings if node.value in names]


def test_the_leaderboard_loads_no_torch() -> None:
    code = "import sys, leaderboard.site.build; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_declaring_a_component_needs_the_standard_library_only() -> None:
    code = "import sys, harness.api; sys.exit(bool({'torch', 'pydantic', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    source = path.read_text()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    long = [f"{node.name}:{node.lineno}" for node in functions if (node.end_lineno or 0) - node.lineno >= 60]
    assert len(source.splitlines()) <= 300
    assert not long, "over 60 lines: a name is missing"
