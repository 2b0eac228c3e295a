"""ROUGE-L as MUSE scores text: rouge-score, without a stemmer there (muse_bench@54719c5 verbmem/get_rouge.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rouge_score import rouge_scorer


@dataclass(frozen=True)
class RougeL:
    """Longest common subsequence of words between a candidate and a reference, each number in 0..1.

    Attributes:
        precision: LCS length over the candidate's words.
        recall: LCS length over the reference's words.
        f1: Harmonic mean of both.
    """

    precision: float
    recall: float
    f1: float


def rouge_l(references: Sequence[str], candidates: Sequence[str], *, stem: bool = False) -> list[RougeL]:
    """ROUGE-L of each candidate against the reference at its place; no words in either gives zeros.

    Args:
        references: What should have been written.
        candidates: What the model wrote, one per reference.
        stem: Compare word stems, as OpenUnlearning does (open-unlearning@d3d7cf9 src/evals/metrics).
    """
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=stem)
    scores = (scorer.score(r, c)["rougeL"] for r, c in zip(references, candidates, strict=True))
    return [RougeL(float(s.precision), float(s.recall), float(s.fmeasure)) for s in scores]
