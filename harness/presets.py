"""Published models and data sets by name, each pinned to a commit of its repository.

A commit stands here only if it was seen next to the repository's name in a public source, which ``known`` says; a
repository whose commit nobody wrote down has no preset, and no model is ever loaded unpinned. Two kinds of data sets
are read at their newest commit: the gated ``cais/wmdp-bio-forget-corpus``, whose commit no source tells, and the sets
of utility tasks that :data:`REVISIONS` does not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LLAMA_2 = "meta-llama/Llama-2-7b-hf@01c7f73d771dfac7d292323805ebc428287df4f9"
"""Tokenizer of the MUSE models (muse_bench@54719c5; commit seen in several public scripts as a cache path)."""
QUERIED = "pinned in public replications of MUSE, one of which says that it queried the hub on 2026-10-03"


@dataclass(frozen=True)
class Preset:
    """A published model under a short name.

    Attributes:
        repo: Its id on the hub, ``org/name``.
        revision: Commit of that repository.
        known: How the commit is known.
        tokenizer: ``org/name@commit`` of the tokenizer where the model is used with another's; empty: its own.
        gated: Whether the hub asks for an account that was granted access.
    """

    repo: str
    revision: str
    known: str
    tokenizer: str = ""
    gated: bool = False


PRESETS: Mapping[str, Preset] = {
    "zephyr-7b-beta": Preset(
        "HuggingFaceH4/zephyr-7b-beta",
        "892b3d7a7b1cf10c7a701c60881cd93df615734c",
        "seen as the hub's cache path in public scripts that evaluate WMDP, and in cdxgen's documentation",
    ),
    "mistral-7b": Preset(
        "mistralai/Mistral-7B-v0.1",
        "27d67f1b5f57dc0953326b2601d68371d40ea8da",
        "pinned in public evaluations through lm-eval, and seen as the hub's cache path",
        gated=True,
    ),
    "llama-3-8b-instruct": Preset(
        "meta-llama/Meta-Llama-3-8B-Instruct",
        "8afb486c1db24fe5011ec46dfbe5b5dccdb575c2",
        "seen as the hub's cache path in public benchmark scripts",
        gated=True,
    ),
    "deep-ignorance-unfiltered": Preset(
        "EleutherAI/deep-ignorance-unfiltered",
        "c8df368ff247cb90b62e21e1689260701b3ff25a",
        "seen as the hub's cache path in public experiments on this model",
    ),
    "deep-ignorance-filtered": Preset(
        "EleutherAI/deep-ignorance-e2e-strong-filter",
        "b28797cd9b615104ba9d24e6900336253323e7cf",
        "seen as the hub's cache path in public notes on tampering with it",
    ),
    "muse-news-target": Preset(
        "muse-bench/MUSE-News_target", "a2f39769e9a0b98ec1cdd12f65e9962502208935", QUERIED, tokenizer=LLAMA_2
    ),
    "muse-news-retrain": Preset(
        "muse-bench/MUSE-News_retrain", "324ef49ee0a038078aba7d8de831edf57235c9b3", QUERIED, tokenizer=LLAMA_2
    ),
    "muse-books-target": Preset(
        "muse-bench/MUSE-Books_target", "c8dd3fb23a726762ec66d277933c7cff6767f3c2", QUERIED, tokenizer=LLAMA_2
    ),
    "muse-books-retrain": Preset(
        "muse-bench/MUSE-Books_retrain", "1d67430e4e8bdf2a65823740e909792519175ac2", QUERIED, tokenizer=LLAMA_2
    ),
}

REVISIONS: Mapping[str, str] = {
    "cais/wmdp": "7125571f22f032c56415e7980f48d877dd830ff8",
    "cais/wmdp-corpora": "daf89fa9b618b63a624228061a9cebacca88009c",
    "cais/mmlu": "c30699e8356da336a370243923dbaf21066bb9fe",
    "EleutherAI/wmdp_bio_robust_mcqa": "6ec6af2c25473039c23acfa68f3ef1b5df77536c",
    "EleutherAI/wmdp_bio_cloze": "f7f4d630417c01ae23b9d9845f79e72cf391384e",
    "muse-bench/MUSE-News": "506bd5b150b92814d45e4404a82f120ab2d748bf",
    "muse-bench/MUSE-Books": "051ba90319e920d410d87cfdbd61f25843c1b892",
    "openai/gsm8k": "e53f048856ff4f594e959d75785d2c2d37b678ee",
    "Salesforce/wikitext": "b08601e04326c79dfdd32d625aee71d232d685c3",
}
"""Data set -> commit, each seen as the hub's cache path or as a pinned revision in public evaluation code."""

GATED: frozenset[str] = frozenset(
    {
        *(preset.repo for preset in PRESETS.values() if preset.gated),
        LLAMA_2.partition("@")[0],
        "cais/wmdp-bio-forget-corpus",
    }
)
"""Models, tokenizers and data sets that the hub gives only to an account that was granted access."""


def is_preset(source: str, name: str) -> bool:
    """Whether a source is this published model.

    Args:
        source: A preset's name, ``org/name`` with or without a commit, or a folder; a folder is a copy of the model if
            its last two parts are ``org/name``, as a data root is laid out. What lies in it is not looked at.
        name: The preset.
    """
    repo = PRESETS[name].repo
    is_copy = Path(source).absolute().parts[-2:] == tuple(repo.split("/"))
    is_named = source == name and not Path(source).is_dir()  # a folder goes before a preset of the same name
    return is_copy or is_named or source.partition("@")[0] == repo


def beside(copy: str, repo: str) -> Path:
    """Where a repository's copy lies if it is under the same root as a copy of another: ``<root>/<org>/<name>``.

    Args:
        copy: Folder of the other one.
        repo: ``org/name``, with or without a commit.
    """
    return Path(copy).absolute().parents[1] / repo.partition("@")[0]
