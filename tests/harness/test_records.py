"""Records from a folder laid out as the hub is, whole and broken; the folders hold invented records."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.benchmarks.records import SplitName, is_text, load_split
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


@pytest.mark.parametrize(("config", "split"), [("qa", "train"), ("other", "test")])
def test_a_missing_config_or_split_is_named(tmp_path: Path, config: str, split: str) -> None:
    root = written(tmp_path, [{"question": "Who?", "answer": "Marda"}])
    with pytest.raises(UserError, match=f"Cannot load org/set, config '{config}', split '{split}'"):
        loaded(root, SplitName("org/set", config, split))


def test_a_missing_data_set_says_how_a_data_root_is_laid_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="<root>/<org>/<name>"):
        loaded(str(tmp_path))
