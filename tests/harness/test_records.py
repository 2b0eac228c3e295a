"""Records from a folder laid out as the hub is, or from the hub's cache, whole and broken; all records are invented."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError

from harness.benchmarks.records import SplitName, every, is_choice, is_text, load_split
from harness.errors import UserError

NAME = SplitName("org/set", "qa", "test")
COLUMNS = ("question", "answer")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache of `datasets` inside the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def written(root: Path, records: list[dict[str, Any]]) -> str:
    folder = root / "org" / "set"
    (folder / "qa").mkdir(parents=True)
    head = "configs:\n- config_name: qa\n  data_files:\n  - {split: test, path: qa/test.jsonl}\n"
    (folder / "README.md").write_text(f"---\n{head}---\n")
    (folder / "qa" / "test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(root)


def loaded(root: str, name: SplitName = NAME) -> list[dict[str, Any]]:
    return load_split(name, columns=COLUMNS, data_root=root, check=is_text(*COLUMNS))


def test_records_come_with_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda", "source": "x"}])
    assert loaded(root) == [{"question": "Who?", "answer": "Marda"}]


def test_a_missing_column_is_named_with_what_was_expected(tmp_path: Path) -> None:
    root = written(tmp_path, [{"query": "Who?", "answer": "Marda"}])
    with pytest.raises(UserError, match=r"config 'qa', split 'test' has no column 'question'.*found 'query'"):
        loaded(root)


@pytest.mark.parametrize("answer", ["", "  ", 3])
def test_a_wrong_answer_is_named_by_its_record(tmp_path: Path, answer: object) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": answer}])
    with pytest.raises(UserError, match="split 'test', record 0: column 'answer' holds"):
        loaded(root)


@pytest.mark.parametrize(
    ("config", "split", "said"),
    [
        ("qa", "train", "no split 'train' of it, only 'test'. Copy"),
        ("scal", "test", "no config 'scal', only 'qa'. Copy"),
    ],
)
def test_a_missing_config_or_split_is_named_as_lacking_below_the_root(
    tmp_path: Path, config: str, split: str, said: str
) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda"}])
    place = f"Cannot load org/set, config '{config}', split '{split}' from {root}/org/set: this data root has "
    with pytest.raises(UserError, match=re.escape(place + said)):
        loaded(root, SplitName("org/set", config, split))


def test_a_column_that_was_renamed_in_one_file_of_a_config_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "org" / "set"
    for split, column in (("test", "question"), ("dev", "query")):
        table = datasets.Dataset.from_list([{column: "Who?", "answer": "Marda"}])
        table.to_parquet(str(folder / "qa" / f"{split}.parquet"))
    files = "".join(f"  - {{split: {split}, path: qa/{split}.parquet}}\n" for split in ("test", "dev"))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: qa\n  data_files:\n{files}---\n")
    with pytest.raises(
        UserError, match=r"of the files of all splits of this config one has no column 'question': .*\. Copy the"
    ):
        loaded(str(tmp_path))


def test_what_cannot_be_read_is_told_in_the_words_of_its_first_cause(tmp_path: Path) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda"}])
    (tmp_path / "org" / "set" / "qa" / "test.jsonl").write_text("no records")
    with pytest.raises(UserError, match=r"DatasetGenerationError: .* \(\w+: .*\)\. Copy the data set whole"):
        loaded(root)


def test_a_missing_data_set_says_how_a_data_root_is_laid_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="<root>/<org>/<name>"):
        loaded(str(tmp_path))


def test_a_renewed_copy_is_read_anew(tmp_path: Path) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda"}])
    loaded(root)
    (tmp_path / "org" / "set" / "qa" / "test.jsonl").write_text(json.dumps({"question": "Who?", "answer": "Orlin"}))
    assert loaded(root)[0]["answer"] == "Orlin"


def test_a_wrong_number_of_records_is_told_with_the_command_that_renews_the_copy(tmp_path: Path) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda"}])
    with pytest.raises(UserError, match=r"has 1 records, 100 were expected.*hf download org/set .*--revision c0ffee"):
        load_split(NAME, columns=COLUMNS, data_root=root, check=is_text(), revision="c0ffee", count=100)


@pytest.mark.parametrize(
    ("choices", "answer", "said"),
    [
        (["a", "b"], 0, ""),
        (["a", "b"], 2, "holds 2 where a whole number from 0 to 1"),
        (["a", "b"], -1, "holds -1 where"),
        (["a", "b"], "A", "holds 'A' where"),
        (["a", "b"], True, "holds True where"),
        (["a", "b", "c"], 0, "where 2 texts"),
        (["a", None], 0, "where 2 texts"),
        ("ab", 0, "where 2 texts"),
    ],
)
def test_an_answer_out_of_range_is_a_fault(choices: object, answer: object, said: str) -> None:
    found = is_choice(options=2)({"choices": choices, "answer": answer})
    assert said in found
    assert bool(said) == bool(found)


def test_of_several_checks_the_first_failing_one_speaks() -> None:
    check = every(is_text("question"), is_choice(options=2))
    assert "'question'" in check({"question": " ", "choices": [], "answer": 9})
    assert "'choices'" in check({"question": "Who?", "choices": [], "answer": 9})


def from_hub(revision: str = "") -> list[dict[str, Any]]:
    return load_split(NAME, columns=COLUMNS, data_root="", check=is_text(*COLUMNS), revision=revision)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if HF_HUB_OFFLINE=1 had been set before the libraries were imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def cached(tmp_path: Path, commit: str) -> None:
    """Leave in the cache of `datasets` what a download of this commit leaves there."""
    root = written(tmp_path / "source", [{"question": "Who?", "answer": "Marda"}])
    table = datasets.load_dataset(f"{root}/org/set", "qa", split="test")
    folder = tmp_path / "cache" / "org___set" / "qa" / "0.0.0" / commit
    folder.mkdir(parents=True)
    shutil.copy(table.cache_files[0]["filename"], folder / "set-test.arrow")
    table.info.write_to_directory(folder)


def test_without_network_the_pinned_commit_is_read_from_the_cache(offline: None, tmp_path: Path) -> None:
    cached(tmp_path, "a" * 40)
    assert from_hub("a" * 40) == [{"question": "Who?", "answer": "Marda"}]


def test_another_commit_in_the_cache_does_not_pass_for_the_pinned_one(offline: None, tmp_path: Path) -> None:
    cached(tmp_path, "a" * 40)
    with pytest.raises(UserError, match=rf"revision {'b' * 40} is not what the cache holds: it has {'a' * 40}"):
        from_hub("b" * 40)


def test_without_network_and_cache_both_ways_out_are_given(offline: None) -> None:
    with pytest.raises(
        UserError, match=r"org/set, .* revision c0ffee from the hub.*HF_HUB_OFFLINE is set.*--data-root"
    ):
        from_hub("c0ffee")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DatasetNotFoundError("Dataset 'org/set' is a gated dataset on the Hub."), "is gated: (1) open https"),
        (ConnectionError("Couldn't reach 'org/set' on the Hub"), "The hub cannot be reached from here"),
        (RuntimeError("Dataset scripts are no longer supported"), "Check the config and the split"),
    ],
)
def test_what_the_hub_refuses_comes_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(UserError, match=re.escape(said)):
        from_hub()
