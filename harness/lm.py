"""Load, save and fingerprint causal language models: safetensors only, no remote code."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.api import LM
from harness.errors import UserError


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_lm(source: str | Path) -> LM:
    """Load a model in fp32 (master precision for every method and attack) with its tokenizer.

    Args:
        source: A folder (never asks the network) or ``org/name@revision``.

    Raises:
        UserError: The folder or the pinned id cannot be loaded.
    """
    name, revision, local = _parse(str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, local_files_only=local)
        model = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, local_files_only=local, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot load a model from '{source}': {error}. "
            "Give a folder written by save_pretrained (with config.json, model.safetensors, tokenizer.json) "
            "or org/name@revision."
        ) from error
    return LM(model.to(default_device()).eval(), tokenizer)


def _parse(source: str) -> tuple[str, str | None, bool]:
    """Split a model source into name, revision and whether it is a folder."""
    if Path(source).is_dir():
        return source, None, True
    name, separator, revision = source.partition("@")
    if not separator or name.count("/") != 1:
        raise UserError(
            f"'{source}' is neither an existing folder nor a pinned id. "
            "Give a folder, or org/name@revision with the commit."
        )
    return name, revision, False


def save_lm(lm: LM, folder: Path) -> None:
    """Write the model (safetensors) and its tokenizer into ``folder``."""
    lm.model.save_pretrained(folder, safe_serialization=True)
    lm.tokenizer.save_pretrained(folder)


def fingerprint(model: nn.Module) -> str:
    """Hex SHA-256 over names, dtypes, shapes and bytes of all parameters, in the order of their names."""
    sha = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        sha.update(f"{name}|{parameter.dtype}|{tuple(parameter.shape)}|".encode())
        sha.update(parameter.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()
