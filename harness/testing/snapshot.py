"""What can be seen of a model from outside, so that two moments of it can be compared without keeping its weights."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from harness.api import LM
from harness.lm import served_fingerprint

PROBE = "The quick brown fox asks: what is forgotten, and what stays?"


@dataclass(frozen=True)
class Snapshot:
    """A model and its tokenizer at one moment.

    Attributes:
        weights: Fingerprint of all parameters, and of a soft prompt if there is one.
        finite: Whether all parameters and the logits of a probe sentence are finite.
        trainable: Parameter name -> requires_grad.
        modules: Module name -> class, and whether input and output embeddings are one tensor.
        config: The model's configuration as JSON.
        hooked: Names of modules and parameters that carry hooks.
        tokenizer: Digest of vocabulary, special tokens and padding side.
    """

    weights: str
    finite: bool
    trainable: Mapping[str, bool]
    modules: Mapping[str, str]
    config: str
    hooked: tuple[str, ...]
    tokenizer: str


def snapshot(lm: LM) -> Snapshot:
    """Look at a model without changing it."""
    return Snapshot(
        weights=served_fingerprint(lm),
        finite=_is_finite(lm),
        trainable={name: parameter.requires_grad for name, parameter in lm.model.named_parameters()},
        modules=_modules(lm.model),
        config=json.dumps(lm.model.config.to_dict(), sort_keys=True, default=str),
        hooked=_hooked(lm.model),
        tokenizer=_tokenizer_digest(lm),
    )


@contextmanager
def global_randomness(state: int) -> Iterator[None]:
    """Put the global generators at ``state`` for the block: code that draws from them shows up as a difference."""
    saved, saved_numpy = random.getstate(), np.random.get_state()
    random.seed(state)
    np.random.seed(state)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(state)
            yield
    finally:
        random.setstate(saved)
        np.random.set_state(saved_numpy)


def _is_finite(lm: LM) -> bool:
    if not all(bool(parameter.isfinite().all()) for parameter in lm.model.parameters()):
        return False
    ids = torch.tensor([lm.tokenizer(PROBE)["input_ids"]], device=lm.model.device)
    with torch.no_grad():
        return bool(lm.model(input_ids=ids).logits.isfinite().all())


def _modules(model: nn.Module) -> dict[str, str]:
    modules = {name: type(module).__qualname__ for name, module in model.named_modules()}
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore[operator]
    return {**modules, "tied embeddings": str(outputs is not None and outputs.weight is inputs.weight)}


def _hooked(model: nn.Module) -> tuple[str, ...]:
    """Modules and parameters with hooks of any kind, by name."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [
        name or "model" for name, module in model.named_modules() if any(getattr(module, kind) for kind in kinds)
    ]
    return (*modules, *(name for name, parameter in model.named_parameters() if parameter._backward_hooks))


def _tokenizer_digest(lm: LM) -> str:
    tokenizer = lm.tokenizer
    seen = [
        sorted(tokenizer.get_vocab().items()),
        sorted((key, str(value)) for key, value in tokenizer.special_tokens_map.items()),
        [tokenizer.padding_side, tokenizer.model_max_length, tokenizer(PROBE)["input_ids"]],
    ]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
