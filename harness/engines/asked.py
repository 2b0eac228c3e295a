"""What vLLM is asked for a prompt's log-probabilities, and how its answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def next_token(candidates: Sequence[int]) -> dict[str, Any]:
    """Sampling parameters that ask for the next token's log-probability of these ids, never of the top few."""
    return {
        "max_tokens": 1,
        "logprobs": len(candidates),
        "logprob_token_ids": list(candidates),
        "detokenize": False,
    }


def read_next(output: Any, candidates: Sequence[int]) -> list[float]:  # noqa: ANN401 - vLLM is untyped at this border
    """The log-probabilities (nats) that were asked for by id."""
    told = output.outputs[0].logprobs[0]
    missing = [token for token in candidates if token not in told]
    if missing:
        raise ValueError(f"vLLM left out the log-probability of tokens {missing}, which were asked for by id.")
    return [told[token].logprob for token in candidates]


def read_prompt(output: Any, ids: Sequence[int], count: int) -> tuple[list[float], list[int]]:  # noqa: ANN401 - as above
    """Log-probabilities (nats) and ranks of the last ``count`` tokens of a prompt, which were asked for flat."""
    told = output.prompt_logprobs
    first = len(told.token_ids) - count
    if list(told.token_ids[first:]) != list(ids[len(ids) - count :]):
        raise ValueError(f"vLLM told the log-probabilities of other tokens than the {count} that were asked for.")
    return list(told.logprobs[first:]), list(told.ranks[first:])
