"""Whether the models and data sets of a benchmark are here, can be fetched, or what is in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
from datasets.naming import camelcase_to_snakecase
from huggingface_hub import try_to_load_from_cache

from harness.checkpoint import TOKENIZERS
from harness.doctor.finding import Finding
from harness.faults import Fault, attempt
from harness.hub import Access, Repo, remedy, ways_without
from harness.lm import load_tokenizer
from harness.models import Need, Source, require_files, source_of
from harness.presets import GATED

LETTERS = "ABCD"


Ask = Callable[[Repo], Access]
"""Asks the hub; None stands for a hub that must not be asked."""


def model(source: str, *, gated: bool, ask: Ask | None) -> Finding:
    """Whether a model can be loaded.

    Args:
        source: A folder or ``org/name@commit``.
        gated: Whether it is known to be gated.
        ask: The hub, or None if it must not be asked.
    """
    what = f"model {source}"
    where = attempt(lambda: source_of(source))
    if isinstance(where, Fault):
        return Finding("fail", what, where.reason, here=False)
    if where.is_folder:
        trouble = attempt(lambda: require_files(Path(where.name)))
        return Finding("fail", what, trouble.reason) if isinstance(trouble, Fault) else Finding("ok", what, "a folder")
    repo = Repo("model", where.name, where.revision or "")
    if _cached_model(where):
        return Finding("ok", what, "in the hub's cache, pinned")
    return _from_hub(what, repo, gated=gated, ask=ask)


def tokenizer_files(source: str, *, ask: Ask | None) -> Finding:
    """Whether a tokenizer can be loaded that comes from another repository than its model.

    Args:
        source: A folder or ``org/name@commit``.
        ask: The hub, or None if it must not be asked.
    """
    where, what = source_of(source), f"tokenizer {source}"
    if where.is_folder:
        if any((Path(where.name) / name).is_file() for name in TOKENIZERS):
            return Finding("ok", what, "a folder")
        return Finding("fail", what, f"it holds no {' or '.join(TOKENIZERS)}", f"Copy one there, or remove {source}.")
    if any(_in_cache(where, name) for name in TOKENIZERS):
        return Finding("ok", what, "in the hub's cache, pinned")
    repo = Repo("model", where.name, where.revision or "", tokenizer_only=True)
    return _from_hub(what, repo, gated=where.name in GATED, ask=ask)


def dataset(needs: Sequence[Need], *, data_root: str, ask: Ask | None) -> Finding:
    """Whether a data set can be loaded.

    Args:
        needs: Its configs and splits that are needed.
        data_root: Folder laid out as the hub is; empty: the hub.
        ask: The hub, or None if it must not be asked.
    """
    need = needs[0]
    repo = Repo("dataset", need.id, need.revision)
    what = f"data set {need.id} ({', '.join(dict.fromkeys(f'{n.config}/{n.split}' for n in needs))})"
    if data_root:
        found = _under_root(what, needs, Path(data_root) / need.id)
    elif all(map(_cached_dataset, needs)):
        return Finding("ok", what, f"in the cache, commit {need.revision}")
    else:
        found = _from_hub(what, repo, gated=need.gated, ask=ask)
    if found.state != "fail" or not all(n.optional for n in needs):
        return found
    return replace(found, state="warn", found=f"{found.found}; the run goes on without its score", here=True)


def tokenizer(source: str) -> Finding:
    """What a benchmark's prompts meet in a tokenizer: a first token, a chat template, letters that are one token."""
    what = f"tokenizer of {source}"
    made = attempt(lambda: load_tokenizer(source))
    if isinstance(made, Fault):
        return Finding("fail", what, made.reason)
    split = [letter for letter in LETTERS if _tokens_of(made, f" {letter}") != 1]
    begins = made("A")["input_ids"][:1] == [made.bos_token_id] and made.bos_token_id is not None
    told = [
        "begins texts with BOS" if begins else "puts no BOS before a text",
        "has a chat template, which prompts do not use" if made.chat_template else "has no chat template",
        f"splits the letters {', '.join(split)} into several tokens" if split else "has letters of one token",
    ]
    todo = "Letters are scored token by token, which is slower." if split else ""
    return Finding("warn" if split or not begins else "ok", what, "; ".join(told), todo)


def _under_root(what: str, needs: Sequence[Need], folder: Path) -> Finding:
    """Whether a folder has the splits, as far as its README or the names of its files tell."""
    lacking = _lacking(needs, folder)
    if not lacking:
        return Finding("ok", what, f"{folder} has these splits; their records are read when planned")
    repo = Repo("dataset", needs[0].id, needs[0].revision)
    access = f" It is gated: {repo.access}." if repo.id in GATED else ""
    return Finding("fail", what, lacking, f"Fill it: {ways_without(repo)}.{access}", here=False)


def _lacking(needs: Sequence[Need], folder: Path) -> str:
    """What of the splits is not there; empty if nothing is lacking."""
    if not folder.is_dir():
        return f"{folder} is not there"
    there = {name: _splits_of(folder, name) for name in dict.fromkeys(need.config for need in needs)}
    absent = [f"{need.config}/{need.split}" for need in needs if need.split not in there[need.config]]
    return f"{folder} has no {', '.join(absent)}" if absent else ""


def _splits_of(folder: Path, config: str) -> Sequence[str]:
    """Splits of a config; none where there is no such config, whatever `datasets` raises for that."""
    names = attempt(lambda: list(map(str, datasets.get_dataset_split_names(str(folder), config))))
    return () if isinstance(names, Fault) else names


def _from_hub(what: str, repo: Repo, *, gated: bool, ask: Ask | None) -> Finding:
    """What the hub says of something that is not here."""
    if ask is None:
        known = " (gated)" if gated else ""
        found = f"not in the cache{known}, and HF_HUB_OFFLINE is set"
        return Finding("fail", what, found, remedy(repo, "offline"), here=False)
    access = ask(repo)
    if access.cause is not None:
        found = "gated, and this account has no access" if access.cause == "gated" else f"not to be had: {access.cause}"
        return Finding("fail", what, found, remedy(repo, access.cause), here=False)
    if not repo.revision:
        return Finding(
            "warn", what, f"reachable, not pinned; its commit now is {access.commit or 'not told'}", here=False
        )
    return Finding("ok", what, "reachable at the pinned commit; will be fetched", here=False)


def _cached_model(where: Source) -> bool:
    """Whether config and every shard lie in the hub's cache."""
    if _in_cache(where, "model.safetensors"):
        return _in_cache(where, "config.json")
    index = try_to_load_from_cache(where.name, "model.safetensors.index.json", revision=where.revision)
    if not isinstance(index, str):
        return False
    shards = set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values())
    return all(_in_cache(where, name) for name in ("config.json", *shards))


def _in_cache(where: Source, name: str) -> bool:
    return isinstance(try_to_load_from_cache(where.name, name, revision=where.revision), str)


def _cached_dataset(need: Need) -> bool:
    """Whether `datasets` holds this config at this commit: <cache>/<org>___<name>/<config>/<version>/<commit>."""
    organisation, _, name = need.id.partition("/")
    folder = Path(datasets.config.HF_DATASETS_CACHE) / f"{organisation}___{camelcase_to_snakecase(name)}" / need.config
    return bool(need.revision) and any(folder.glob(f"*/{need.revision}/*.arrow"))


def _tokens_of(made: Any, text: str) -> int:  # noqa: ANN401 - transformers tokenizers are untyped at this border
    """How many tokens a text adds behind a prompt."""
    return len(made(f"Answer:{text}")["input_ids"]) - len(made("Answer:")["input_ids"])
