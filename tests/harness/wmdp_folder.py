"""A data root of invented, harmless questions in the layout of the sets that the WMDP benchmarks read."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.wmdp_domains import TOPICS
from harness.lm_eval_bridge.definitions import FOLDER

Rows = Sequence[Mapping[str, Any]]
Splits = Mapping[str, Mapping[str, Rows]]
"""Config -> split -> records."""

SUBJECTS = tuple(sorted(path.stem.removeprefix("mmlu_") for path in (FOLDER / "mmlu" / "default").glob("mmlu_*.yaml")))
WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "larch")


def write_root(root: Path, *, without: Iterable[str] = (), subjects: Sequence[str] = SUBJECTS) -> Path:
    """Write every data set but those named."""
    bio, cyber, chem = (questions(name, 48) for name in ("lake", "harbour", "meadow"))
    thirds = {topic: {"robust": [_as_text(row) for row in bio[at::6]]} for at, (topic, _) in enumerate(TOPICS)}
    sets: dict[str, Splits] = {
        "cais/wmdp": {
            f"wmdp-{name}": {"test": rows} for name, rows in (("bio", bio), ("cyber", cyber), ("chem", chem))
        },
        "EleutherAI/wmdp_bio_robust_mcqa": thirds,
        "EleutherAI/wmdp_bio_cloze": {"default": {"cloze_compatible": bio[:40]}},
        "cais/mmlu": {name: {"test": questions(name, 12), "dev": questions(f"dev {name}", 5)} for name in subjects},
        "cais/wmdp-bio-forget-corpus": {"default": {"train": documents("lake", 12)}},
        "cais/wmdp-corpora": {
            f"{name}-corpus": {"train": documents(name, 12)} for name in ("bio-retain", "cyber-forget", "cyber-retain")
        },
        "openai/gsm8k": {
            "main": {"train": [{"question": f"{at} and 1?", "answer": f"#### {at + 1}"} for at in range(3)]}
        },
        "Salesforce/wikitext": {
            "wikitext-2-raw-v1": {
                "train": [{"text": ""}, *documents("encyclopaedia", 12)],
                "validation": documents("almanac", 12),
            }
        },
    }
    for name in sets.keys() - set(without):
        write_set(root / name, sets[name])
    return root


def write_set(folder: Path, splits: Splits) -> None:
    """One data set as the hub lays it out: configs in the README's header, a file per split."""
    configs = []
    for config, parts in splits.items():
        files = []
        for split, rows in parts.items():
            path = folder / config / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            files.append({"split": split, "path": f"{config}/{split}.jsonl"})
        configs.append({"config_name": config, "data_files": files})
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n", encoding="utf-8")


def questions(place: str, count: int) -> Rows:
    """Questions about an invented place; the right option is longer than the others in two of three."""
    rng = random.Random(place)
    rows = []
    for number in range(count):
        options = [" ".join(rng.sample(WORDS, 2)) for _ in range(4)]
        right = rng.randrange(4)
        if number % 3:
            options[right] += f" and {rng.choice(WORDS)}"
        rows.append({"question": f"What stands at stone {number} of the {place}?", "choices": options, "answer": right})
    return rows


def documents(place: str, count: int) -> Rows:
    """Documents about a place, and one that is too short to count."""
    rng = random.Random(place)
    texts = [f"Of the {place}, part {number}: {' '.join(rng.choices(WORDS, k=30))}." for number in range(count)]
    return [{"text": text} for text in ("= short =", *texts)]


def _as_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """The robust subset stores its answers as text."""
    return {**row, "answer": str(row["answer"])}
