"""Fixtures named after what they are: a tiny model, a results store, and a third-party distribution on the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.api import LM
from harness.grid import Grid
from harness.lm import load_lm, save_lm
from harness.plan import Plan, make_plan
from harness.pretrain import tiny_llama, train_tokenizer
from harness.store import Store

FAKE_WORLD = {
    "harness.benchmarks": {"fake-bench": "fake_world:Bench"},
    "harness.methods": {"nudge": "fake_world:Nudge", "misbehave": "fake_world:Misbehave"},
    "harness.attacks": {"drift": "fake_world:Drift", "odd": "fake_world:OddAttack"},
}
TEXTS = ["the fox sleeps in the den", "a crow sits on the roof", "the river runs to the sea"] * 40

EntryPoints = dict[str, dict[str, str]]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small models are slower on two threads than on one, and far slower when another process holds a core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two random Llamas, ``target`` and ``reference``, that share a tokenizer."""
    folder = tmp_path_factory.mktemp("tiny_models")
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    for seed, name in enumerate(("target", "reference")):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=2, context=64, seed=seed), tokenizer), folder / name)
    return folder


@pytest.fixture
def tiny_lm(tiny_models: Path) -> LM:
    return load_lm(tiny_models / "target")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes an installed distribution out of entry points and source files, for this test and its worker processes."""

    def install(name: str, points: EntryPoints, *, version: str = "1.0", files: dict[str, str] | None = None) -> Path:
        site = write_distribution(tmp_path / f"site-{name}", name, points, version)
        for file, text in (files or {}).items():
            (site / file).write_text(text)
        monkeypatch.syspath_prepend(str(site))
        return site

    return install


def write_distribution(site: Path, name: str, points: EntryPoints, version: str = "1.0") -> Path:
    """A folder that makes Python see this distribution as installed, once it is on the path."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in points.items()]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return site


@pytest.fixture(scope="session")
def fake_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that makes ``tests/harness/fake_world.py`` an installed distribution."""
    return write_distribution(tmp_path_factory.mktemp("fake") / "site", "fake-world", FAKE_WORLD)


@pytest.fixture
def fake_world(fake_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution of ``tests/harness/fake_world.py`` is installed."""
    monkeypatch.syspath_prepend(str(fake_site))


@pytest.fixture
def plan_of(fake_world: None, tiny_models: Path) -> Callable[..., Plan]:
    """Makes a plan of one fake method under one fake attack on the tiny model, without the controls."""

    def plan(method: str = "nudge", attack: str = "drift", **settings: object) -> Plan:
        chosen = {"benchmark.fake-bench.folder": str(tiny_models)}
        chosen |= {f"method.{method}.{key}": value for key, value in settings.items() if key != "odd"}
        chosen |= {"attack.odd.how": settings["odd"]} if "odd" in settings else {}
        whole = make_plan(Grid(methods=(method,), attacks=(attack,), benchmarks=("fake-bench",), overrides=chosen))
        return Plan(tuple(item for item in whole.cells if item.cell.method.name == method), (), ())

    return plan
