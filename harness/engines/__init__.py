"""Engines score text under a model."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def suitable() -> str:
    """The engine that ``auto`` means on this machine.

    On a CPU vLLM scores questions no faster than length-sorted forward passes, and it takes half a minute to start.
    """
    if find_spec("vllm") is None:
        return "transformers"
    return "vllm" if import_module("torch").cuda.is_available() else "transformers"  # late: planning is done without it
