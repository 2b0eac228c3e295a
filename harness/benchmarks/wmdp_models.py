"""The models of a WMDP benchmark: any causal language model, with a never-learned one where there is one."""

from __future__ import annotations

from harness.benchmarks.model_pair import Pair, pair_of

DEFAULT = "zephyr-7b-beta"
"""Most published rows are about it."""
PUBLISHED = {"deep-ignorance-unfiltered": "deep-ignorance-filtered"}
"""The published model whose like was trained without the domain (2508.06601); there is none for the others."""


def models_of(model: str, reference: str) -> Pair:
    """Resolve what was typed, as :func:`harness.benchmarks.model_pair.pair_of`; without a model the default."""
    return pair_of(model or DEFAULT, reference, PUBLISHED)
