"""Utility by any lm-eval task: split into dev and test items, with what is near the forgotten domain kept apart."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from harness.api import Score, Split
from harness.errors import UserError
from harness.lm_eval_bridge import Sample, Tasks

DEV_PERCENT = 20
"""Items kept for selection (spec A.4: a fifth)."""


def require_measures(tasks: Tasks) -> None:
    """Refuse tasks that utility cannot be read from, before a model is loaded.

    Args:
        tasks: The utility tasks with their documents.

    Raises:
        UserError: The first metric of a task has no number per document, or higher is not better of it.
    """
    for name, leaf in tasks.leaves.items():
        metric = leaf.main_metric()
        if metric is None:
            found = ", ".join(leaf.task.aggregation())
            raise UserError(
                f"The utility task '{name}' has no metric with a number per document: {found} only means something "
                "over all of them. Name another task, such as mmlu."
            )
        higher = leaf.is_higher_better(metric)
        if not higher:
            told = "does not say which direction is better" if higher is None else "says that lower is better"
            raise UserError(
                f"The utility task '{name}' measures '{metric}' first, of which lm-eval {told}; utility is a score of "
                "which higher is better. Name another task, such as mmlu."
            )


def utility_scores(name: str, samples: Mapping[str, Sequence[Sample]], near: Collection[str]) -> dict[str, Score]:
    """Scores of one requested task or group.

    ``NAME`` and ``dev_NAME`` leave near-domain leaves out and are headlines; ``NAME_all`` is lm-eval's own number over
    every document; ``collateral_SUBJECT`` is a near-domain leaf by itself.

    Args:
        name: As in the grid.
        samples: Leaf task -> its samples.
        near: Leaf tasks that share the forgotten domain's topic.

    Raises:
        UserError: Everything is near, or a split has fewer than two items.
    """
    far = [sample for leaf, rows in samples.items() if leaf not in near for sample in rows]
    splits: dict[Split, list[Sample]] = {"test": [], "dev": []}
    for sample in far:
        splits[split_of(sample)].append(sample)
    for split, rows in splits.items():
        if len(rows) < 2:
            raise UserError(
                f"The utility task '{name}' has {len(rows)} {split} items outside the forgotten domain, and a score "
                "needs two. Name another task, or give more data."
            )
    everything = [sample for rows in samples.values() for sample in rows]
    return {
        name: _score(splits["test"], split="test", headline=True),
        f"dev_{name}": _score(splits["dev"], split="dev", headline=True),
        f"{name}_all": _score(everything),
        **{f"collateral_{leaf.removeprefix('mmlu_')}": _score(rows) for leaf, rows in samples.items() if leaf in near},
    }


def split_of(sample: Sample) -> Split:
    """The split of an item, by its task and its place there."""
    place = int.from_bytes(hashlib.sha256(f"{sample.task} {sample.index}".encode()).digest()[:8]) % 100
    return "dev" if place < DEV_PERCENT else "test"


def value_of(sample: Sample) -> float:
    """The task's main metric for one document: the first that lm-eval gives."""
    if not sample.metrics:
        raise UserError(f"lm-eval's task '{sample.task}' has no number per document. Name another utility task.")
    return float(next(iter(sample.metrics.values())))


def _score(rows: Sequence[Sample], *, split: Split = "test", headline: bool = False) -> Score:
    values = [value_of(row) for row in rows]
    guesses = [1 / len(row.logprobs) if len(row.logprobs) > 1 else 0.0 for row in rows]
    return Score.mean_of(values, axis="utility", better="higher", split=split, headline=headline, chance=fmean(guesses))
