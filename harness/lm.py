"""Load, save and fingerprint causal language models: safetensors only, and no remote code unless the user asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.api import LM
from harness.checkpoint import CONVERT, WRITTEN, trusts_remote_code
from harness.errors import UserError
from harness.faults import Fault, attempt
from harness.hub import Repo, cause_of, remedy
from harness.models import config_of, require_files, source_of, tokenizer_of

LEFTOVERS = re.compile(r"rotary_emb\.inv_freq$|(attn|attention)\.(masked_)?bias$")
"""Buffers that old versions of transformers saved (rotary frequencies, causal masks) and that nothing reads any more;
each model class ignores some of them, and GPT-2, GPT-Neo and GPT-J not all that their published weights hold."""


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_lm(source: str | Path) -> LM:
    """Load a model in fp32 (master precision for every method and attack) with its tokenizer.

    Code that a repository brings along is run only if the environment says so, see
    :func:`harness.checkpoint.trusts_remote_code`.

    Args:
        source: A folder (never asks the network) or ``org/name@commit``.

    Raises:
        UserError: No model or tokenizer is there, or one that is refused: pickled or quantized weights, own code,
            weights that are not those of the config, or a tokenizer with tokens that the model has no embedding of.
    """
    where = source_of(str(source))
    if where.is_folder:
        require_files(Path(where.name))
    config = config_of(str(source))
    tokenizer = load_tokenizer(str(source))
    model = _load_weights(str(source), config)
    _require_embedded(str(source), tokenizer, model)
    return LM(model.to(default_device()).eval(), tokenizer)


def load_tokenizer(source: str) -> Any:  # noqa: ANN401 - transformers is untyped at this border
    """The tokenizer of a model, which may come from another repository.

    Raises:
        UserError: It cannot be had.
    """
    return _loaded(AutoTokenizer, tokenizer_of(source), what="the tokenizer")


def _load_weights(source: str, config: Any) -> Any:  # noqa: ANN401 - as above
    """The model with every weight of its checkpoint and no other.

    transformers makes up layers that are missing and drops those that are too many, with a warning; weights of another
    shape it lets pass here, so that their shapes can be told.
    """
    model, found = _loaded(
        AutoModelForCausalLM,
        source,
        what="weights",
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    if misfits := _misfits(found):
        raise UserError(
            f"The weights of '{source}' are not those that its config.json describes: {'; '.join(misfits)}. Give the "
            "config.json that they were saved with, or save the model again, whole, with save_pretrained."
        )
    return model


def _misfits(found: Mapping[str, Collection[Any]]) -> list[str]:
    """What of the weights does not fit the config, in words; tied weights that are not saved twice do fit.

    Args:
        found: What transformers tells of loading: names, and (name, saved shape, shape by the config).
    """
    unexpected = [name for name in found["unexpected_keys"] if not LEFTOVERS.search(name)]
    reshaped = [f"{name}, {tuple(saved)} in place of {tuple(due)}" for name, saved, due in found["mismatched_keys"]]
    kinds = {"missing": found["missing_keys"], "too many": unexpected, "of another shape": reshaped}
    return [f"{len(names)} {kind} (first: {min(names)})" for kind, names in kinds.items() if names]


def _require_embedded(source: str, tokenizer: Any, model: Any) -> None:  # noqa: ANN401 - as above
    """Refuse a tokenizer with ids beyond the rows of the embedding; fewer tokens than rows are padding and usual."""
    highest, rows = max(tokenizer.get_vocab().values(), default=0), len(model.get_input_embeddings().weight)
    if highest >= rows:
        raise UserError(
            f"The tokenizer of '{source}' has ids up to {highest}, and the embedding of its model has {rows} rows. "
            "Give the tokenizer that the model was trained with, or call "
            "`model.resize_token_embeddings(len(tokenizer))`, train the new rows and save both."
        )


def _loaded(loader: Any, source: str, *, what: str, **settings: Any) -> Any:  # noqa: ANN401 - as above
    """What a loader of transformers finds at a source."""
    where = source_of(source)
    made = attempt(
        lambda: loader.from_pretrained(
            where.name,
            revision=where.revision,
            local_files_only=where.is_folder,
            trust_remote_code=trusts_remote_code(),
            **settings,
        )
    )
    if isinstance(made, Fault):
        repo = Repo("model", where.name, where.revision or "", tokenizer_only=loader is AutoTokenizer)
        advice = remedy(repo, cause_of(made.error)) if where.revision else WRITTEN
        pickled = f"If it has pickled weights only, convert it once: {CONVERT.format(source=where.name)}"
        told = made.reason.rstrip(".")
        raise UserError(f"Cannot load {what} from '{source}': {told}. {advice or pickled}") from made.error
    return made


def save_lm(lm: LM, folder: Path) -> None:
    """Write the model (safetensors) and its tokenizer into ``folder``."""
    lm.model.save_pretrained(folder, safe_serialization=True)
    lm.tokenizer.save_pretrained(folder)


def served_fingerprint(lm: LM) -> str:
    """:func:`fingerprint` of a model; with a soft prompt, hex SHA-256 of both."""
    weights = fingerprint(lm.model)
    if lm.soft_prompt is None:
        return weights
    soft = lm.soft_prompt.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(weights.encode() + soft).hexdigest()


def fingerprint(model: nn.Module) -> str:
    """Hex SHA-256 over names, dtypes, shapes and bytes of all parameters, in the order of their names."""
    sha = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        sha.update(f"{name}|{parameter.dtype}|{tuple(parameter.shape)}|".encode())
        sha.update(parameter.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()
