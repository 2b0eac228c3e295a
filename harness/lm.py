"""Load, save and fingerprint causal language models: safetensors only, and no remote code unless the user asks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.api import LM
from harness.errors import UserError
from harness.hub import Repo, cause_of, remedy
from harness.models import TOKENIZERS, config_of, source_of, tokenizer_of, trusts_remote_code

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
WRITTEN = "Give a folder written by save_pretrained (config.json, *.safetensors, tokenizer.json), or org/name@COMMIT."
CONVERT = "`AutoModelForCausalLM.from_pretrained('{source}').save_pretrained(FOLDER)`, and give FOLDER."


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_lm(source: str | Path) -> LM:
    """Load a model in fp32 (master precision for every method and attack) with its tokenizer.

    Code that a repository brings along is run only if the environment says so, see
    :func:`harness.models.trusts_remote_code`.

    Args:
        source: A folder (never asks the network) or ``org/name@commit``.

    Raises:
        UserError: No model or tokenizer is there, or one that is refused: pickled or quantized weights, own code.
    """
    where = source_of(str(source))
    if where.is_folder:
        require_files(Path(where.name))
    config = config_of(str(source))
    _refuse_quantized(str(source), config)
    tokenizer = load_tokenizer(str(source))
    model = _loaded(
        AutoModelForCausalLM, str(source), what="weights", config=config, dtype=torch.float32, use_safetensors=True
    )
    return LM(model.to(default_device()).eval(), tokenizer)


def require_files(folder: Path) -> None:
    """Refuse a folder that lacks config, safetensors or tokenizer, each in its own words.

    Raises:
        UserError: Says which part is missing and how to get it.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no config.json, so it is no model. {WRITTEN}")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
        if not pickled:
            raise UserError(f"{folder} holds no weights (*.safetensors). {WRITTEN}")
        raise UserError(
            f"{folder} holds its weights as pickle only ({pickled[0]}), which can run code when it is read, and is "
            f"refused. If you trust whoever made it, convert it once: {CONVERT.format(source=folder)}"
        )
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise UserError(
            f"{folder} holds no tokenizer ({' or '.join(TOKENIZERS)}). Write the one that the model was trained with "
            "there: `AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)`."
        )


def _refuse_quantized(source: str, config: Any) -> None:  # noqa: ANN401 - transformers is untyped at this border
    quantization = getattr(config, "quantization_config", None)
    if quantization is None:
        return
    method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization.quant_method
    raise UserError(
        f"'{source}' is a quantized checkpoint ({method}), and methods and attacks train plain fp32 weights. Load it "
        "where its library is installed, call `model.dequantize()`, and save_pretrained it to a folder; or give the "
        "checkpoint that it was made from."
    )


def load_tokenizer(source: str) -> Any:  # noqa: ANN401 - as above
    """The tokenizer of a model, which may come from another repository.

    Raises:
        UserError: It cannot be had.
    """
    return _loaded(AutoTokenizer, tokenizer_of(source), what="the tokenizer")


def _loaded(loader: Any, source: str, *, what: str, **settings: Any) -> Any:  # noqa: ANN401 - as above
    """What a loader of transformers finds at a source."""
    where = source_of(source)
    try:
        return loader.from_pretrained(
            where.name,
            revision=where.revision,
            local_files_only=where.is_folder,
            trust_remote_code=trusts_remote_code(),
            **settings,
        )
    except (OSError, ValueError, SafetensorError) as error:
        advice = remedy(Repo("model", where.name, where.revision), cause_of(error)) if where.revision else WRITTEN
        pickled = f"If it has pickled weights only, convert it once: {CONVERT.format(source=where.name)}"
        raise UserError(f"Cannot load {what} from '{source}': {error} {advice or pickled}") from error


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
