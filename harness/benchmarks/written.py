"""Scores over what a model writes, greedily or as the best of several samples."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import Engine, Prompts
from harness.metrics.rouge import rouge_l
from harness.metrics.sampling import expected_best


def written_f1(  # noqa: PLR0913 - one keyword per way to write and to compare
    engine: Engine,
    prompts: Prompts,
    asked: Sequence[str],
    references: Sequence[str],
    *,
    max_tokens: int,
    stop: Sequence[str] = (),
    stem: bool = False,
) -> tuple[list[float], list[str]]:
    """ROUGE-L F1 of the answer to every question, or the expected best of several, and all that was written.

    Args:
        engine: Serves the model.
        prompts: Says how many samples are written, and of how many the best one counts.
        asked: What the model is asked.
        references: The right answers.
        max_tokens: Of an answer.
        stop: Texts that end one.
        stem: Whether ROUGE compares stems.
    """
    if not prompts.samples:
        texts = engine.generate(asked, max_tokens=max_tokens, stop=stop)
        return [score.f1 for score in rouge_l(references, texts, stem=stem)], texts
    count = prompts.samples
    often = [text for text in asked for _ in range(count)]
    texts = engine.generate(often, max_tokens=max_tokens, stop=stop, temperature=1.0)
    scores = rouge_l([text for text in references for _ in range(count)], texts, stem=stem)
    drawn = [[score.f1 for score in scores[start : start + count]] for start in range(0, len(scores), count)]
    return [expected_best(values, prompts.best_of) for values in drawn], texts
