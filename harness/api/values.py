"""The values that cross the border between plugins and the machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Axis = Literal["forget", "utility", "privacy", "diagnostic"]
Direction = Literal["higher", "lower", "zero"]
Role = Literal["method", "original", "reference"]
Scale = Literal["pocket", "slice", "full"]
Split = Literal["dev", "test"]
Need = Literal["pairs", "personas", "auxiliary", "original", "activations"]
"""What a method needs beside forget and retain documents. Parts of :class:`Corpora` that not every benchmark has (a
method is left out where one is missing); answers of the original model, beside those that a KL retain term asks for;
what flows between decoder blocks, to read or to change it."""
Fidelity = Literal["formula-checked", "reproduced", "approximate"]
"""What stands behind a method's name: its update equals the published formula in a test; a published number was met
within its tolerance; or neither, because something of it is unknown or was left out, which the method's file says."""

STRICT: Mapping[str, Any] = {"extra": "forbid", "allow_inf_nan": False, "strict": True}
"""Validation of values that are read back from files: nothing unknown, nothing coerced, nothing non-finite."""

BY_OTHER = "_by_other"
"""Ends the name of a diagnostic score that holds a privacy score (an AUC, whose items are the members) once more as a
mean over the texts of the other side: with both a board can resample both sides."""


class NotApplicable(Exception):
    """Raised by an attack that has no meaning on this benchmark; the message is the reason shown on the board."""


@dataclass
class LM:
    """A causal language model with its tokenizer, edited in place by methods and attacks.

    Attributes:
        soft_prompt: Vectors (S, D) of an attack that stand before every text, as if they were embeddings of S tokens
            (before the BOS too, where a tokenizer adds one); None for none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    soft_prompt: Tensor | None = None


@dataclass(frozen=True)
class Item:
    """A question in the benchmark's own prompt format and its answer, as they follow each other in one text.

    The answer brings the space that stands before it, so ``prompt + answer`` is the solved question.
    """

    prompt: str
    answer: str


@dataclass(frozen=True)
class Personas:
    """Beginnings of a text about the forgotten topic: by one who knows it, and by one who does not (2410.02760)."""

    expert: str
    novice: str


@dataclass(frozen=True)
class Corpora:
    """What a method may see, never a scored item: documents to forget and to retain, and what some methods need beside.

    Attributes:
        forget: Documents to forget.
        retain: Documents whose knowledge is to be kept.
        forget_pairs: Solved questions about forgotten facts that are never scored (need ``pairs``).
        retain_pairs: The same about retained facts.
        auxiliary: Documents of a domain that has nothing to do with either and that no attacker owns (need
            ``auxiliary``).
        personas: Prompts for self-distillation (need ``personas``).
    """

    forget: Sequence[str]
    retain: Sequence[str]
    forget_pairs: Sequence[Item] = ()
    retain_pairs: Sequence[Item] = ()
    auxiliary: Sequence[str] = ()
    personas: Personas | None = None


@dataclass(frozen=True)
class Score:
    """One measured number that describes itself.

    Attributes:
        value: Point estimate, in the unit of the metric (accuracies and ROUGE in 0..1).
        stderr: Standard error over items.
        n: Number of items.
        better: Which direction is better for the unlearned model: ``zero`` means nearest to the reference.
        axis: What the score speaks of; a ``diagnostic`` one explains others and is never ranked or compared on.
        split: ``dev`` scores serve selection, ``test`` scores are reported.
        headline: True if residual knowledge K or utility u is built on this score.
        chance: Value a guesser without knowledge reaches.
        items: Per-item values in the benchmark's fixed order; their mean is ``value`` (empty where it is not a mean).
    """

    value: float
    stderr: float
    n: int
    better: Direction
    axis: Axis
    split: Split = "test"
    headline: bool = False
    chance: float = 0.0
    items: tuple[float, ...] = ()

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    @classmethod
    def mean_of(
        cls,
        items: Sequence[float],
        *,
        axis: Axis,
        better: Direction,
        split: Split = "test",
        headline: bool = False,
        chance: float = 0.0,
    ) -> Score:
        """The mean of per-item values with its standard error ``s / sqrt(n)``; an empty mean is an error."""
        n = len(items)
        if n < 2:
            raise ValueError(f"A score needs at least two items, got {n}.")
        mean = math.fsum(items) / n
        variance = math.fsum((x - mean) ** 2 for x in items) / (n - 1)
        return cls(mean, math.sqrt(variance / n), n, better, axis, split, headline, chance, tuple(items))


@dataclass(frozen=True)
class Evaluation:
    """All scores of one model at one point.

    Attributes:
        scores: By name.
        not_applicable: Metrics that have no meaning here, with the reason.
        remarks: Sentences without which these scores would be misread, such as generations that were empty.
    """

    scores: Mapping[str, Score]
    not_applicable: Mapping[str, str] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """A setting of a method that its authors, or those of a public code, used on a benchmark.

    Attributes:
        source: Paper, or repository at a commit and path; what was not told there.
        fields: What differs from the defaults.
    """

    source: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchmarkCard:
    """What a page must say about a benchmark.

    Attributes:
        title: Name for a heading.
        scale: ``pocket`` (invented world), ``slice`` (small models on real records) or ``full``.
        model: The original model, in words.
        notice: Sentence that must stand wherever these numbers stand; empty only at full scale.
        notes: Explanations of the headline metric, one paragraph each.
    """

    title: str
    scale: Scale
    model: str
    notice: str
    notes: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT
