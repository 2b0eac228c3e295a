"""What a checkpoint must be before anything is trained on it, told from its files and its config; no weights are read.

Planning and loading ask the same functions, so that what cannot be loaded is refused before a run begins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, __version__

from harness.errors import UserError

CONFIG = "config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model")
"""Files that define a tokenizer; the first one that is there counts."""
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that a tokenizer need not have, and that change its tokens: BOS, EOS, added ones, the side that is cut."""
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TRUST = "HARNESS_TRUST_REMOTE_CODE"

WRITTEN = "Give a folder written by save_pretrained (config.json, *.safetensors, tokenizer.json), or org/name@COMMIT."
CONVERT = "`AutoModelForCausalLM.from_pretrained('{source}').save_pretrained(FOLDER)`, and give FOLDER."
CAUSAL = "Give a causal language model, which predicts every token from those before it, as Llama and GPT-NeoX do."


def trusts_remote_code() -> bool:
    """Whether the user lets models bring code of their own, through the environment variable HARNESS_TRUST_REMOTE_CODE.

    It is no setting of the grid on purpose: a grid file can come from anybody, and must not be able to run code.
    """
    return os.environ.get(TRUST) == "1"


def require_config(folder: Path) -> None:
    """Refuse a folder that is no model at all.

    Raises:
        UserError: Says which file is missing and how to get it.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no {CONFIG}, so it is no model. {WRITTEN}")


def require_weights(folder: Path) -> None:
    """Refuse a folder that holds no safetensors, with the way to convert what it holds instead.

    Raises:
        UserError: It holds no weights, or pickled ones only.
    """
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
        if not pickled:
            raise UserError(f"{folder} holds no weights (*.safetensors). {WRITTEN}")
        raise UserError(
            f"{folder} holds its weights as pickle only ({pickled[0]}), which can run code when it is read, and is "
            f"refused. If you trust whoever made it, convert it once: {CONVERT.format(source=folder)}"
        )


def require_tokenizer(folder: Path) -> None:
    """Refuse a folder that holds no tokenizer.

    Raises:
        UserError: Says which files are looked for and how to write them.
    """
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise UserError(
            f"{folder} holds no tokenizer ({' or '.join(TOKENIZERS)}). Write the one that the model was trained with "
            "there: `AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)`."
        )


def tokenizer_files(folder: Path) -> list[Path]:
    """What a folder's tokenizer is read from, as far as it is there."""
    defining = [folder / name for name in TOKENIZERS if (folder / name).is_file()]
    return [*defining[:1], *(folder / name for name in SETTINGS if (folder / name).is_file())]


def require_known(source: str, written: Mapping[str, Any]) -> None:
    """Refuse a model whose config no class of transformers reads, unless the user trusts the code that it brings.

    Args:
        source: What was given, for the message.
        written: The entries of its config.json.

    Raises:
        UserError: Its model_type is absent or unknown, or it needs code that is not trusted.
    """
    kind, code = written.get("model_type"), written.get("auto_map")
    if isinstance(kind, str) and kind in CONFIG_MAPPING:
        return
    if not isinstance(code, Mapping):
        unknown = f"is of model_type '{kind}', which transformers {__version__} does not know"
        raise UserError(f"'{source}' {unknown if kind else f'has no model_type in its {CONFIG}'}. {CAUSAL}")
    if not trusts_remote_code():
        told = ", ".join(map(str, code.values()))
        raise UserError(
            f"'{source}' needs code that it brings along ({told}). That is refused, since it would run with your "
            f"rights. Read it; if you trust it, set {TRUST}=1."
        )


def require_causal(source: str, config: Any) -> None:  # noqa: ANN401 - transformers is untyped at this border
    """Refuse a model that is no causal language model, such as an encoder with a decoder.

    Raises:
        UserError: Names its model_type.
    """
    own = trusts_remote_code() and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not own:
        raise UserError(
            f"'{source}' is of model_type '{config.model_type}', which is no causal language model. {CAUSAL}"
        )


def refuse_quantized(source: str, config: Any) -> None:  # noqa: ANN401 - as above
    """Refuse a model whose saved weights are codes of few bits.

    Raises:
        UserError: Names the way in which it was quantized.
    """
    quantization = getattr(config, "quantization_config", None)
    if quantization is None:
        return
    method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization.quant_method
    raise UserError(
        f"'{source}' is a quantized checkpoint ({method}), and methods and attacks train plain fp32 weights. Load it "
        "where its library is installed, call `model.dequantize()`, and save_pretrained it to a folder; or give the "
        "checkpoint that it was made from."
    )
