"""Engines score text under a model."""

from __future__ import annotations

from importlib.util import find_spec

import torch


def suitable() -> str:
    """The engine that ``auto`` means on this machine.

    On a CPU vLLM scores questions no faster than length-sorted forward passes, and it takes half a minute to start.
    """
    return "vllm" if find_spec("vllm") is not None and torch.cuda.is_available() else "transformers"
