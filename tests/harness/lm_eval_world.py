"""Invented data sets laid out as the hub is, and definitions of small tasks on them; every question is harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

Records = Sequence[Mapping[str, Any]]

STONES = ("quartz", "basalt", "chalk", "slate", "granite", "marble", "flint")
PLACES = ("harbour", "orchard", "mill", "tower", "bridge")


def questions(count: int, *, spare: int = 0) -> list[dict[str, Any]]:
    """Four-choice questions about where invented stones lie; ``spare`` makes their wording another."""
    return [
        {
            "question": f" Where is the {STONES[index % 7]} of house {index + spare} kept? ",
            "choices": [f"in the {PLACES[(index + step) % 5]}" for step in range(4)],
            "answer": index % 4,
        }
        for index in range(count)
    ]


def write_set(root: Path, name: str, configs: Mapping[str, Mapping[str, Records]]) -> Path:
    """Write ``<root>/<name>`` with its configs and splits as parquet files; returns the root."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, records in splits.items():
            file = root / name / config / f"{split}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            Dataset.from_list([dict(record) for record in records]).to_parquet(str(file))
            lines.append(f"  - {{split: {split}, path: {config}/{split}.parquet}}")
    (root / name / "README.md").write_text("\n".join([*lines, "---", ""]))
    return root


def write_wmdp(root: Path, *, count: int = 12) -> Path:
    """``cais/wmdp`` with its three configs."""
    kinds = {
        f"wmdp-{kind}": {"test": questions(count - 2 * place)} for place, kind in enumerate(("bio", "chem", "cyber"))
    }
    return write_set(root, "cais/wmdp", kinds)


def write_mmlu(root: Path) -> Path:
    """``cais/mmlu`` with two subjects."""
    sizes = {"anatomy": 3, "virology": 9}
    splits = {name: {"test": questions(size), "dev": questions(5, spare=50)} for name, size in sizes.items()}
    return write_set(root, "cais/mmlu", splits)


def write_texts(root: Path, records: Records) -> Path:
    """``org/texts``, one config with one test split, for tasks of our own."""
    return write_set(root, "org/texts", {"default": {"test": records}})


def write_task(folder: Path, name: str, lines: str) -> str:
    """Define a task on ``org/texts``; returns the folder."""
    folder.mkdir(exist_ok=True)
    text = f"task: {name}\ndataset_path: org/texts\ndataset_name: default\ntest_split: test\n{lines}"
    (folder / f"{name}.yaml").write_text(text)
    return str(folder)


LAST_WORD = """output_type: loglikelihood
doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' '+text.split(' ')[-1]}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""
"""As lm-eval's lambada: the last word of a text, given the rest."""

PERPLEXITY = """output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: text
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
"""
"""As lm-eval's wikitext."""

WRITING = """output_type: generate_until
doc_to_text: "{{text}}"
doc_to_target: "{{text}}"
generation_kwargs: {until: ["t"], max_gen_toks: 8, do_sample: false}
filter_list:
  - {name: whole, filter: [{function: take_first}]}
  - {name: first, filter: [{function: regex, regex_pattern: "(.)"}, {function: take_first}]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
"""As lm-eval's gsm8k: what the model writes, under two filters."""

COMPLETION = """output_type: multiple_choice
doc_to_text: "Question: {{question.strip()}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
"""Options that are not shown; the likeliest one per character is the answer."""

BLANK = """output_type: multiple_choice
doc_to_text: "{{1}}"
doc_to_target: "of the river"
doc_to_choice: "{{[text, text + ' and'] }}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""
"""As lm-eval's winogrande: one continuation behind several contexts."""

KINDS = ("last word", "perplexity", "writing", "blank")
