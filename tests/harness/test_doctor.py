"""What the doctor finds on machines, hubs and benchmarks that are made up; nothing here asks a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_muse import write_models, write_muse
from wmdp_folder import write_set

from harness.api import LM
from harness.cli import main
from harness.doctor import machine as here
from harness.doctor import sources
from harness.doctor.examine import Patient, examine, needs_of
from harness.doctor.finding import Finding, State
from harness.doctor.machine import GPU, Machine
from harness.errors import UserError
from harness.grid import Grid
from harness.hub import Access, Repo, ask_hub
from harness.lm import save_lm
from harness.models import ModelFacts, Need
from harness.plan import make_plan
from harness.presets import LLAMA_2
from harness.pretrain import tiny_llama, train_tokenizer
from harness.store import Store

GIB = 2**30
COMMIT = "a" * 40
SOURCE = f"org/lm@{COMMIT}"
SEVEN_B = ModelFacts("LlamaForCausalLM", 7_000_000_000, context=4096, vocabulary=32_000)
H100 = GPU("H100", total=80 * GIB, free=79 * GIB, capability=(9, 0))
CPU = Machine((), cores=8, memory=64 * GIB)


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model and no data set is cached, whatever this machine holds."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


def hub(access: Access) -> Callable[[Repo], Access]:
    return lambda repo: access


def examined(store: Store, **settings: str) -> list[Finding]:
    grid = Grid(methods=("nudge",), attacks=("drift",), benchmarks=("fake-bench",), overrides=settings)
    return examine(Patient(grid, store, 2, ask=None), CPU)


def state_of(findings: list[Finding], what: str) -> State:
    return next(finding.state for finding in findings if finding.what == what)


def test_training_takes_twenty_bytes_a_parameter_served_weights_included() -> None:
    assert here.memory_needed(7_000_000_000) == 140_000_000_000


@pytest.mark.parametrize(
    ("machine", "workers", "state"),
    [
        (Machine((), cores=8, memory=300 * GIB), 2, "ok"),
        (Machine((), cores=8, memory=300 * GIB), 3, "fail"),
        (Machine((H100,), cores=8, memory=300 * GIB), 1, "fail"),
        (Machine((GPU("B300", 288 * GIB, 280 * GIB, (10, 0)),), cores=8, memory=16 * GIB), 8, "ok"),
    ],
)
def test_memory_is_held_against_what_runs_at_a_time(machine: Machine, workers: int, state: State) -> None:
    assert here.memory("bench", SEVEN_B, machine, workers=workers).state == state


@pytest.mark.parametrize(("free", "state"), [(120, "ok"), (60, "warn"), (50, "fail")])
def test_disk_holds_every_row_or_at_least_those_under_way(tmp_path: Path, free: int, state: State) -> None:
    sizes = [7 * 10**9] * 4  # 112 GB of checkpoints, 56 GB for two rows
    assert here.disk(sizes, tmp_path, at_a_time=2, free=free * 10**9).state == state


def test_free_space_is_told_for_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert here.free_space(tmp_path / "results" / "new") > 0


@pytest.mark.parametrize(("capability", "said"), [((9, 0), "mode possible"), ((7, 5), "mode not possible")])
def test_a_gpu_is_told_with_memory_and_batch_invariance(capability: tuple[int, int], said: str) -> None:
    gpu = GPU("card", 80 * GIB, 40 * GIB, capability)
    finding = here.devices(Machine((gpu,), cores=8, memory=GIB))[1]
    assert "40.0 GiB of 80.0 GiB free" in finding.found
    assert said in finding.found


def test_a_machine_without_a_gpu_is_a_warning() -> None:
    assert [finding.state for finding in here.devices(CPU)] == ["ok", "warn"]


def test_this_machine_has_cores_and_memory() -> None:
    machine = here.this_machine()
    assert machine.cores > 0
    assert machine.memory > 0


def test_an_engine_that_is_not_installed_is_a_failure_with_the_reason() -> None:
    finding = here.engine("no-such-engine")
    assert finding.state == "fail"
    assert "No engine named" in finding.found


def test_the_reference_engine_is_ready() -> None:
    assert here.engine("transformers").state == "ok"


def test_a_module_that_cannot_be_imported_says_why() -> None:
    assert here.import_trouble("json") == ""
    assert "No module named 'no_such_module'" in here.import_trouble("no_such_module")


def test_a_whole_model_folder_is_ready_and_a_partial_one_is_not(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    states = [sources.model(str(folder), gated=False, ask=None).state for folder in (tiny_models / "target", tmp_path)]
    assert states == ["ok", "fail"]


def test_what_is_no_source_is_a_failure_and_no_traceback() -> None:
    assert "is not pinned" in sources.model("org/lm@main", gated=False, ask=None).found


@pytest.mark.parametrize(
    ("access", "state", "said"),
    [
        (Access(commit=COMMIT), "ok", ""),
        (Access("gated"), "fail", "hf auth login"),
        (Access("missing"), "fail", "Check the spelling"),
        (Access("revision"), "fail", f"has no commit {COMMIT}"),
        (Access("unreachable"), "fail", "hf download org/lm"),
    ],
)
def test_a_model_on_the_hub_is_told_by_what_the_hub_says(access: Access, state: State, said: str) -> None:
    finding = sources.model(SOURCE, gated=False, ask=hub(access))
    assert finding.state == state
    assert said in finding.todo
    assert not finding.here


def test_a_hub_that_must_not_be_asked_leaves_an_uncached_model_missing() -> None:
    finding = sources.model(SOURCE, gated=True, ask=None)
    assert finding.state == "fail"
    assert "not in the cache (gated), and HF_HUB_OFFLINE is set" in finding.found


def cached(tmp_path: Path, *names: str) -> None:
    folder = tmp_path / "hub" / "models--org--lm" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    for name in names:
        (folder / name).write_text(json.dumps(index))


SHARDS = ("config.json", "model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors")


@pytest.mark.parametrize(("names", "state"), [(SHARDS, "ok"), (SHARDS[:-1], "fail"), (SHARDS[:1], "fail")])
def test_a_cached_model_counts_only_with_every_shard(tmp_path: Path, names: tuple[str, ...], state: State) -> None:
    cached(tmp_path, *names)
    assert sources.model(SOURCE, gated=False, ask=None).state == state


def test_a_tokenizer_from_another_repository_is_looked_for_on_its_own() -> None:
    finding = sources.tokenizer_files(LLAMA_2, ask=hub(Access("gated")))
    assert finding.state == "fail"
    assert "meta-llama/Llama-2-7b-hf is gated" in finding.todo


def test_nobody_is_told_to_evaluate_the_model_whose_tokenizer_is_missing() -> None:
    todo = sources.tokenizer_files(LLAMA_2, ask=None).todo
    assert "ask for or accept access" in todo
    assert "--model ROOT/meta-llama" not in todo


@pytest.mark.parametrize(("names", "state"), [(("tokenizer.model",), "ok"), ((), "fail")])
def test_a_tokenizer_in_a_folder_is_looked_for_there(tmp_path: Path, names: tuple[str, ...], state: State) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert sources.tokenizer_files(str(tmp_path), ask=None).state == state


NEED = Need("dataset", "Org/MySet", "qa", "test", revision=COMMIT)


def test_a_data_set_is_looked_for_under_the_data_root_alone(tmp_path: Path) -> None:
    write_set(tmp_path / "Org" / "MySet", {"qa": {"test": [{"text": "one"}]}})
    assert sources.dataset([NEED], data_root=str(tmp_path), ask=None).state == "ok"
    assert sources.dataset([NEED], data_root=str(tmp_path / "Org"), ask=hub(Access())).state == "fail"


@pytest.mark.parametrize(
    "other", [Need("dataset", "Org/MySet", "qa", "dev"), Need("dataset", "Org/MySet", "qb", "test")]
)
def test_a_split_that_a_folder_lacks_is_named(tmp_path: Path, other: Need) -> None:
    write_set(tmp_path / "Org" / "MySet", {"qa": {"test": [{"text": "one"}]}})
    finding = sources.dataset([NEED, other], data_root=str(tmp_path), ask=None)
    assert (finding.state, finding.here) == ("fail", False)
    assert finding.found.endswith(f"MySet has no {other.config}/{other.split}")


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "Org" / "MySet").mkdir(parents=True)
    assert sources.dataset([NEED], data_root=str(tmp_path), ask=None).state == "fail"


@pytest.mark.parametrize("data_root", ["", "nowhere"])
def test_a_gated_data_set_that_is_not_here_comes_with_the_steps_without_network(data_root: str) -> None:
    gated = Need("dataset", "cais/wmdp-bio-forget-corpus", "default", "train", gated=True)
    assert "ask for or accept access" in sources.dataset([gated], data_root=data_root, ask=None).todo


def test_a_data_set_in_the_cache_is_ready_at_its_commit_only(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "Org___my_set" / "qa" / "0.0.0" / COMMIT
    folder.mkdir(parents=True)
    (folder / "my_set-test.arrow").touch()
    other = Need("dataset", "Org/MySet", "qa", "test", revision="b" * 40)
    assert [sources.dataset([need], data_root="", ask=None).state for need in (NEED, other)] == ["ok", "fail"]


def test_the_splits_of_a_data_set_are_one_finding(tmp_path: Path) -> None:
    both = [NEED, Need("dataset", "Org/MySet", "qa", "dev", revision=COMMIT)]
    assert sources.dataset(both, data_root=str(tmp_path), ask=None).what == "data set Org/MySet (qa/test, qa/dev)"


def test_a_data_set_that_can_be_done_without_is_a_warning_that_says_so(tmp_path: Path) -> None:
    finding = sources.dataset([replace(NEED, optional=True)], data_root=str(tmp_path), ask=None)
    assert finding.state == "warn"
    assert "goes on without its score" in finding.found


def test_an_unpinned_data_set_is_a_warning_that_tells_its_commit() -> None:
    finding = sources.dataset([Need("dataset", "org/set")], data_root="", ask=hub(Access(commit=COMMIT)))
    assert finding.state == "warn"
    assert COMMIT in finding.found


def test_a_hub_that_is_switched_off_is_an_answer_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert ask_hub(Repo("model", "org/lm", COMMIT)).cause == "offline"


def test_a_tokenizer_is_told_by_bos_template_and_letters(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["Answer: A", "Answer: B"] * 9, vocab_size=300)
    save_lm(LM(tiny_llama(tokenizer, width=32, layers=1, context=16, seed=0), tokenizer), tmp_path)
    finding = sources.tokenizer(str(tmp_path))
    assert finding.state == "warn"
    assert "no BOS" in finding.found
    assert "no chat template" in finding.found
    assert "splits the letters C, D" in finding.found


def test_a_grid_that_can_run_has_no_failure(fake_world: None, store: Store, tiny_models: Path) -> None:
    findings = examined(store, **{"benchmark.fake-bench.folder": str(tiny_models)})
    assert [finding.what for finding in findings if finding.state == "fail"] == []
    assert {"plan", "disk", "fake-bench: memory", "fake-bench: target"} <= {finding.what for finding in findings}


def test_an_unknown_cost_is_said_and_not_guessed(fake_world: None, store: Store, tiny_models: Path) -> None:
    findings = examined(store, **{"benchmark.fake-bench.folder": str(tiny_models)})
    assert "Time: unknown" in next(finding.found for finding in findings if finding.what == "plan")


def test_a_missing_model_is_a_failure_and_the_plan_is_left_out(fake_world: None, store: Store) -> None:
    findings = examined(store, **{"benchmark.fake-bench.folder": "/no/such/folder"})
    assert "fail" in {finding.state for finding in findings if finding.what.startswith("model ")}
    assert state_of(findings, "plan") == "warn"


def test_a_mistyped_setting_of_a_benchmark_is_a_finding(fake_world: None, store: Store) -> None:
    findings = examined(store, **{"benchmark.fake-bench.fodler": "x"})
    assert "has no field 'fodler'" in next(finding.found for finding in findings if finding.what == "fake-bench")


@pytest.mark.parametrize(
    ("context", "state", "said"), [(64, "fail", "records need more"), (1024, "ok", "its answer fit")]
)
def test_a_context_too_short_for_a_record_is_told_before_anything_runs(
    store: Store, tmp_path: Path, context: int, state: State, said: str
) -> None:
    root, pair = write_muse(tmp_path / "root", "muse-bench/MUSE-News"), write_models(tmp_path / "pair", context=context)
    settings = {"benchmark.muse-news.model": pair, "benchmark.muse-news.data_root": root}
    grid = Grid(methods=("none",), attacks=("none",), benchmarks=("muse-news",), overrides=settings)
    findings = examine(Patient(grid, store, 2, ask=None), CPU)
    finding = next(finding for finding in findings if finding.what == "muse-news: context")
    assert (finding.state, said in finding.found) == (state, True)


def test_planning_refuses_a_context_too_short_for_a_record(tmp_path: Path) -> None:
    root, pair = write_muse(tmp_path / "root", "muse-bench/MUSE-News"), write_models(tmp_path / "pair", context=64)
    settings = {"benchmark.muse-news.model": pair, "benchmark.muse-news.data_root": root}
    grid = Grid(methods=("none",), attacks=("none",), benchmarks=("muse-news",), overrides=settings)
    with pytest.raises(UserError, match=r"reads 64 tokens, and .* records need more"):
        make_plan(grid)


@dataclass(frozen=True)
class Needy:
    """A benchmark that says what it needs."""

    version: ClassVar[int] = 1

    def needs(self) -> list[Need]:
        return [NEED]


@dataclass(frozen=True)
class Plain:
    """A benchmark that names its models and nothing else."""

    def target(self) -> str:
        return SOURCE

    def reference(self) -> str | None:
        return None


@pytest.mark.parametrize(("benchmark", "needs"), [(Needy(), (NEED,)), (Plain(), (Need("model", SOURCE),))])
def test_needs_are_what_a_benchmark_says_or_the_models_it_names(benchmark: Any, needs: tuple[Need, ...]) -> None:
    assert needs_of(benchmark) == needs


def test_what_to_do_stands_below_what_was_seen() -> None:
    assert Finding("fail", "disk", "full", "Free space.").lines == ("fail  disk: full", "      -> Free space.")


@pytest.mark.parametrize(("folder", "status"), [("", 1), ("models", 0)])
def test_the_command_exits_with_one_if_something_is_missing(
    fake_world: None, tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, status: int
) -> None:
    place = tiny_models if folder else tmp_path / "nowhere"
    flags = ["--benchmarks", "fake-bench", "--methods", "nudge", "--attacks", "drift", "--results", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main(["doctor", *flags, "--set", f"benchmark.fake-bench.folder={place}"])
    assert (end.value.code or 0) == status
    assert "Traceback" not in capsys.readouterr().out
