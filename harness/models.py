"""What is known of a model before its weights are loaded: where it is, what it is, how large, and its identity.

A source is a folder, which is never looked for on the network, or ``org/name@commit``; a branch is no source, because
what it names can change under a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from harness.api import Scale
from harness.benchmarks.content import sha256_of
from harness.checkpoint import (
    CAUSAL,
    CONFIG,
    TOKENIZERS,
    refuse_quantized,
    require_causal,
    require_config,
    require_known,
    require_tokenizer,
    require_weights,
    tokenizer_files,
    trusts_remote_code,
)
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.hub import Repo, ask_hub, cause_of, remedy
from harness.presets import PRESETS, Preset, beside, is_preset
from harness.registry import suggestion

FULL_SCALE = 1_000_000_000
"""Parameters from which on results stand beside published ones."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Source:
    """Where a model is: a folder (then without revision), or a repository of the hub at a commit."""

    name: str
    revision: str | None

    @property
    def is_folder(self) -> bool:
        """Whether it is on this machine's disk and must not be looked for elsewhere."""
        return self.revision is None


@dataclass(frozen=True)
class ModelFacts:
    """What a model's config says.

    Attributes:
        architecture: Name of the class, such as ``LlamaForCausalLM``.
        parameters: How many, tied ones counted once.
        context: Tokens that it can read.
        vocabulary: Rows of its embedding.
    """

    architecture: str
    parameters: int
    context: int
    vocabulary: int


@dataclass(frozen=True)
class Need:
    """Something outside the package that a benchmark needs.

    Attributes:
        kind: A data set or a model.
        id: ``org/name`` for a data set; a source for a model.
        config: Config of a data set.
        split: Split of a data set.
        revision: Commit of a data set; empty where none is pinned.
        gated: Whether the hub asks for an account that was granted access.
        optional: Whether the benchmark runs without it, with a score less.
    """

    kind: Literal["dataset", "model"]
    id: str
    config: str = ""
    split: str = ""
    revision: str = ""
    gated: bool = False
    optional: bool = False


def source_of(source: str) -> Source:
    """Tell a folder from a pinned id.

    Raises:
        UserError: It is neither.
    """
    if Path(source).is_dir():
        return Source(source, None)
    name, separator, revision = source.partition("@")
    if not separator or not revision or not _REPO.fullmatch(name):
        raise UserError(
            f"'{source}' is neither an existing folder nor a pinned id. "
            "Give a folder, or org/name@revision with the commit."
        )
    if not _COMMIT.fullmatch(revision):
        raise UserError(
            f"'{source}' is not pinned: '{revision}' is not a commit (40 hexadecimal digits), and a branch or tag can "
            f"move. Give {name}@COMMIT, as the history of https://huggingface.co/{name} shows it."
        )
    return Source(name, revision)


def resolved(typed: str, presets: Mapping[str, Preset] = PRESETS) -> str:
    """The source that a user means by the name of a preset, a pinned id or a folder.

    Args:
        typed: What was given.
        presets: Those that suit here, by name.

    Raises:
        UserError: It is none of these.
    """
    if Path(typed).is_dir():
        return typed
    if typed in presets:
        return f"{presets[typed].repo}@{presets[typed].revision}"
    if "/" not in typed:
        names = ", ".join(sorted(presets)) or "none here"
        raise UserError(
            f"'{typed}' is neither a model that is known by name nor a folder.{suggestion(typed, presets)} "
            f"Known: {names}. Otherwise give a folder or org/name@COMMIT."
        )
    source_of(typed)
    return typed


def tokenizer_of(source: str) -> str:
    """The source of a model's tokenizer: its own, or that which its preset names.

    A copy of a published model is read with the tokenizer that lies in it; else with the copy under the same root of
    the one that its preset names; else with that one from the hub.
    """
    named = next((one.tokenizer for name, one in PRESETS.items() if one.tokenizer and is_preset(source, name)), "")
    if not named or not Path(source).is_dir():
        return named or source
    if any((Path(source) / name).is_file() for name in TOKENIZERS):
        return source
    copy = beside(source, named)
    return str(copy) if copy.is_dir() else named


def facts_of(source: str) -> ModelFacts:
    """What a model is, from its config alone: no weights are read.

    Args:
        source: A folder or ``org/name@commit``.

    Raises:
        UserError: The config cannot be had, or describes no causal language model that transformers knows.
    """
    config = config_of(source)
    facts = attempt(lambda: _facts(config))
    if isinstance(facts, Fault):
        raise UserError(f"Cannot build model '{source}' from its {CONFIG}: {facts.reason}. {CAUSAL}") from facts.error
    return facts


def config_of(source: str) -> Any:  # noqa: ANN401 - transformers is untyped at this border
    """The config of a model that methods and attacks can train.

    Raises:
        UserError: It cannot be had, transformers does not know it, it asks for code from its repository, or it is that
            of a quantized model or of one that is no causal language model.
    """
    where = source_of(source)
    if where.is_folder:
        require_config(Path(where.name))
    if where.revision and not isinstance(try_to_load_from_cache(where.name, CONFIG, revision=where.revision), str):
        _require_access(Repo("model", where.name, where.revision))
    place = {"revision": where.revision, "local_files_only": where.is_folder}

    def read() -> Any:  # noqa: ANN401 - as above
        written, _ = PretrainedConfig.get_config_dict(where.name, **place)
        require_known(source, written)
        return AutoConfig.from_pretrained(where.name, trust_remote_code=trusts_remote_code(), **place)

    config = attempt(read)
    if isinstance(config, Fault):
        if isinstance(config.error, UserError):
            raise config.error
        advice = remedy(Repo("model", where.name, where.revision), cause_of(config.error)) if where.revision else ""
        raise UserError(
            f"Cannot read what model '{source}' is: {config.reason.rstrip('.')}. "
            f"{advice or 'Give a folder with a config.json that transformers knows, or org/name@COMMIT.'}"
        ) from config.error
    require_causal(source, config)
    refuse_quantized(source, config)
    return config


def require_files(folder: Path) -> None:
    """Refuse a folder that lacks config, safetensors or tokenizer; the tokenizer may lie elsewhere, see `tokenizer_of`.

    Raises:
        UserError: Says which part is missing and how to get it.
    """
    require_config(folder)
    require_weights(folder)
    tokenizer = source_of(tokenizer_of(str(folder)))
    if tokenizer.is_folder:
        require_tokenizer(Path(tokenizer.name))


def _require_access(repo: Repo) -> None:
    """Refuse what the hub does not give, before the libraries try for half a minute to get it."""
    cause = ask_hub(repo).cause
    if cause not in (None, "other"):
        raise UserError(f"Cannot read what model '{repo.id}@{repo.revision}' is ({cause}). {remedy(repo, cause)}")


def content_of(source: str, prefix: str) -> dict[str, str]:
    """What decides a model's numbers, for the identity of a benchmark.

    Args:
        source: A folder or ``org/name@commit``.
        prefix: First part of every key, such as ``target``.

    Returns:
        For a folder the hex SHA-256 of its config, weights and tokenizer; for an id the id itself (and its
        tokenizer's, where that is another's), since a commit is a digest already.

    Raises:
        UserError: The folder would be refused when it is loaded, as far as its files and its config tell.
    """
    where, tokenizer = source_of(source), source_of(tokenizer_of(source))
    named = {} if tokenizer.is_folder or tokenizer == where else {f"{prefix}/tokenizer": tokenizer_of(source)}
    if not where.is_folder:
        return {prefix: source} | named
    folder = Path(where.name)
    require_files(folder)
    config_of(source)
    vocabulary = tokenizer_files(Path(tokenizer.name)) if tokenizer.is_folder else []
    files = [folder / CONFIG, *sorted(folder.glob("*.safetensors")), *vocabulary]
    return named | {f"{prefix}/{one.name}": _digest(one, one.stat().st_size, one.stat().st_mtime_ns) for one in files}


def scale_of(facts: ModelFacts) -> Scale:
    """Whether results on this model may stand beside published ones."""
    return "full" if facts.parameters >= FULL_SCALE else "slice"


def notice_of(facts: ModelFacts) -> str:
    """The sentence that must stand wherever this model's numbers stand; empty at full scale."""
    if scale_of(facts) == "full":
        return ""
    return (
        f"Slice: real records, but a model of {facts.parameters / 1e6:.3g} million parameters. "
        "Never compare these numbers with results on 7B models."
    )


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file, computed again only when it has changed, as its size and time of change tell."""
    return sha256_of(path)


def _facts(config: Any) -> ModelFacts:  # noqa: ANN401 - transformers is untyped at this border
    text = config.get_text_config()
    context = getattr(text, "max_position_embeddings", None)
    if not isinstance(context, int):
        raise ValueError("its config does not say how many tokens it can read (max_position_embeddings)")
    with torch.device("meta"):  # shapes only, so that 70 billion parameters cost no memory
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trusts_remote_code())
    count = sum(parameter.numel() for parameter in model.parameters())  # tied parameters are one and counted once
    return ModelFacts(type(model).__name__, count, context, int(text.vocab_size))
