"""The best of several answers: what an attacker gets who may ask again."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_best(values: Sequence[float], k: int) -> float:
    """Expectation of the largest of k of these values, drawn without putting back.

    With values 0 and 1 this is pass@k, ``1 - C(n - c, k) / C(n, k)`` for c ones among n (2107.03374): no estimate of it
    has less variance without bias.

    Raises:
        ValueError: There are fewer than k values.
    """
    if not 1 <= k <= len(values):
        raise ValueError(f"The best of {k} cannot be told from {len(values)} values.")
    ways = math.comb(len(values), k)
    return math.fsum(math.comb(place, k - 1) / ways * value for place, value in enumerate(sorted(values)))
