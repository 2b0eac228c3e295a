"""Task definitions: found by name, their data below a root or pinned on the hub, and what cannot be had."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import datasets
import lm_eval_world as world
import pytest

from harness.data_root import cache_of
from harness.errors import UserError
from harness.lm_eval_bridge import load_tasks
from harness.lm_eval_bridge.definitions import WHOLE, _folder_index, _whole_index

GROUP = "group: both\ntask:\n- {task: own, description: 'Think. '}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache of `datasets` inside the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return world.write_texts(world.write_wmdp(tmp_path / "root"), [{"text": "the mill"}])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if HF_HUB_OFFLINE=1 had been set before the libraries were imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def cached(tmp_path: Path, commit: str) -> None:
    """Leave in the cache of `datasets` what a download of this commit of WMDP-bio leaves there."""
    root = world.write_set(tmp_path / "made", "cais/wmdp", {"wmdp-bio": {"test": world.questions(3)}})
    table = datasets.load_dataset(str(root / "cais/wmdp"), "wmdp-bio", split="test")
    made = Path(table.cache_files[0]["filename"]).parent
    shutil.copytree(made, tmp_path / "cache" / "cais___wmdp" / "wmdp-bio" / "0.0.0" / commit)


def test_own_definitions_may_include_lm_evals(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("include: wmdp/_default_template_yaml\ntask: mine\ndataset_name: wmdp-bio\n")
    tasks = load_tasks(["mine"], data_root=str(root), include_path=str(tmp_path))
    assert tasks.documents("mine")[0].context.startswith("Where is the quartz of house 0 kept?\nA. in the harbour")


def test_a_data_set_missing_below_the_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Task 'wmdp_bio' needs the data set cais/wmdp, and .* is not there"):
        load_tasks(["wmdp_bio"], data_root=str(tmp_path))


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    root = world.write_set(tmp_path, "cais/wmdp", {"wmdp-bio": {"test": world.questions(3)}})
    with pytest.raises(UserError, match=r"Task 'wmdp_chem' of lm-eval cannot be built.*wmdp-chem"):
        load_tasks(["wmdp_chem"], data_root=str(root))


def test_a_data_set_that_was_renewed_is_read_again(tmp_path: Path) -> None:
    for spare in (0, 70):
        world.write_set(tmp_path, "cais/wmdp", {"wmdp-bio": {"test": world.questions(3, spare=spare)}})
        tasks = load_tasks(["wmdp_bio"], data_root=str(tmp_path))
    assert "house 70" in tasks.documents("wmdp_bio")[0].context


def test_an_answer_that_is_no_choice_is_named(tmp_path: Path) -> None:
    wrong = [*world.questions(3), {**world.questions(1)[0], "answer": 7}]
    root = world.write_set(tmp_path, "cais/wmdp", {"wmdp-bio": {"test": wrong}})
    place = f"{root}/cais/wmdp, config 'wmdp-bio', split 'test'"
    with pytest.raises(UserError, match=f"Task 'wmdp_bio', document 3 of {re.escape(place)}: the right answer is 7"):
        load_tasks(["wmdp_bio"], data_root=str(root))


def test_a_pinned_revision_reaches_the_hub(offline: None) -> None:
    with pytest.raises(UserError, match=r"hf download cais/wmdp --repo-type dataset --revision 7125571"):
        load_tasks(["wmdp_bio"], datasets={"cais/wmdp": "7125571"})


@pytest.mark.slow
def test_an_unknown_name_is_answered_with_a_near_one() -> None:
    with pytest.raises(UserError, match=r"no task, group or tag named 'wmdp_boi'\. Did you mean 'wmdp_bio'"):
        load_tasks(["wmdp_boi"])


@pytest.mark.slow
@pytest.mark.parametrize("folder", WHOLE)
def test_folders_that_are_read_alone_hold_all_members_of_their_groups_and_tags(folder: str) -> None:
    part, whole = _folder_index(folder), _whole_index()
    assert {name: (entry.yaml_path, entry.tags) for name, entry in part.items()} == {
        name: (whole[name].yaml_path, whole[name].tags) for name in part
    }


def test_the_pinned_commit_is_read_from_the_cache(offline: None, tmp_path: Path) -> None:
    cached(tmp_path, "a" * 40)
    tasks = load_tasks(["wmdp_bio"], datasets={"cais/wmdp": "a" * 40})
    assert len(tasks.documents("wmdp_bio")) == 3


def test_another_commit_in_the_cache_does_not_pass_for_the_pinned_one(offline: None, tmp_path: Path) -> None:
    cached(tmp_path, "a" * 40)
    with pytest.raises(UserError, match=rf"needs cais/wmdp at commit {'b' * 40}, the cache holds {'a' * 40}"):
        load_tasks(["wmdp_bio"], datasets={"cais/wmdp": "b" * 40})


def test_two_copies_of_one_data_set_have_two_caches(tmp_path: Path) -> None:
    one, other = (world.write_texts(tmp_path / name, [{"text": name}]) / "org/texts" for name in ("one", "other"))
    assert cache_of(one) != cache_of(other)


def test_an_unchanged_copy_keeps_its_cache(root: Path) -> None:
    assert cache_of(root / "org/texts") == cache_of(root / "org/texts")


def test_a_task_asked_for_alone_and_in_its_group_is_one(root: Path) -> None:
    assert load_tasks(["wmdp", "wmdp_bio"], data_root=str(root)).names == ("wmdp_bio", "wmdp_chem", "wmdp_cyber")


def test_a_task_asked_for_in_two_ways_is_refused(root: Path, tmp_path: Path) -> None:
    own = Path(world.write_task(tmp_path / "own", "own", world.WRITING))
    (own / "both.yaml").write_text(GROUP)
    with pytest.raises(UserError, match="Task 'own' is asked for twice with different settings"):
        load_tasks(["own", "both"], data_root=str(root), include_path=str(own))


def test_a_task_that_fetches_data_by_itself_is_refused_under_a_data_root(root: Path) -> None:
    with pytest.raises(UserError, match="Task 'squadv2' fetches its data by code of its own"):
        load_tasks(["squadv2"], data_root=str(root))


def test_a_package_that_a_task_needs_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("langdetect", "immutabledict"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(UserError, match=r"needs a package .*`pip install (langdetect|immutabledict)`"):
        load_tasks(["ifeval"], data_root=str(root))


def test_a_task_that_runs_what_a_model_wrote_is_refused(root: Path, tmp_path: Path) -> None:
    own = world.write_task(tmp_path / "own", "own", world.WRITING + "unsafe_code: true\n")
    with pytest.raises(UserError, match="Task 'own' runs what the model wrote"):
        load_tasks(["own"], data_root=str(root), include_path=own)


@pytest.mark.parametrize("name", ["humaneval", "humaneval_instruct"])
def test_a_task_that_runs_code_is_refused_before_its_own_code_is_imported(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"Task '{name}' runs what the model wrote"):
        load_tasks([name], data_root=str(tmp_path))
