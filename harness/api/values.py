"""The values that cross the border between plugins and the machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Access = Literal["none", "text", "logits", "grey", "activations", "weights"]
DataAccess = Literal["none", "unrelated", "near", "forget", "items"]
Axis = Literal["forget", "utility", "privacy", "diagnostic"]
Direction = Literal["higher", "lower", "zero"]
Family = Literal["none", "relearn", "finetune", "edit", "activation", "embedding", "prompt"]
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
class AttackerData:
    """What an attacker may see. All of it concerns facts that are never scored.

    Attributes:
        forget: Documents of the forget set about *train* facts only.
        near: Documents of the same kind about entities that no model was trained on.
        unrelated: Documents of another domain.
        items: Solved questions about *train* facts of the forget set.
        utility_items: Solved questions about retained knowledge that is never scored.
        reference_lr: Range-tested learning rate of the original model (eta_ref); attacks use multiples of it.
        known: How many points an interrupted run of this very cell has scored already. An adaptive attack is told their
            verdicts again, and the model need not be at them: what led to them alone can be left out.
        original: Loads the original model; only for attacks whose threat says that they own it.
    """

    forget: Sequence[str]
    near: Sequence[str]
    unrelated: Sequence[str]
    items: Sequence[Item]
    utility_items: Sequence[Item]
    reference_lr: float
    known: int = 0
    original: Callable[[], LM] | None = None


@dataclass(frozen=True)
class Threat:
    """What the attacker needs, and whether he is one.

    Attributes:
        access: To the model.
        data: Of his own.
        base_model: Whether he must own the original model. Who has that needs no attack, so it is never ranked.
        diagnostic: Whether this looks into the model and takes nothing from it, or is a control; never ranked either.
    """

    access: Access
    data: DataAccess
    base_model: bool = False
    diagnostic: bool = False

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class Prompts:
    """An attack on the input, as data: the model is asked ``before + prompt + after``."""

    before: str = ""
    after: str = ""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


@dataclass(frozen=True)
class Point:
    """One stop of an attack; the model is at that point when the attack yields it.

    Attributes:
        budget: Forget tokens that the attacker trained on or put in context so far (0 where none are needed).
        series: Which run of the attack this belongs to, such as ``N=20`` or ``4-bit``; a curve is one series.
        prompts: Text around every question.
    """

    budget: int
    series: str = ""
    prompts: Prompts = Prompts()


@dataclass(frozen=True)
class Verdict:
    """What an adaptive attacker is told of a point: measured on dev items, never on those that are reported.

    Attributes:
        knowledge: K, the share of the original's forget knowledge above the floor.
        utility: u, the share of the original's utility above chance.
    """

    knowledge: float
    utility: float

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


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
class Selection:
    """One way to split the dev facts of a benchmark: a validation attacker owns some, and only others are scored.

    Nothing in it is ever an attacker's or scored on a leaderboard, so a setting that is chosen here has seen neither.

    Attributes:
        attacker: What a validation attacker sees.
        evaluate: Scores a model on the dev facts that he does not see; takes an engine and prompts.
    """

    attacker: AttackerData
    evaluate: Callable[[Any, Prompts], Evaluation]


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
