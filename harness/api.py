"""What a plugin author needs: the values that cross the border and the protocols behind it.

Standard library and typing only, so that declaring a component costs nothing to import. A component is a frozen
dataclass with one method; its fields are the constructor, the only place of a default, the grid's vocabulary, the
documentation and what a record stores.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Access = Literal["none", "text", "logits", "grey", "activations", "weights"]
DataAccess = Literal["none", "unrelated", "near", "forget", "items"]
Axis = Literal["forget", "utility", "privacy", "diagnostic"]
Direction = Literal["higher", "lower", "zero"]
Family = Literal["none", "relearn", "finetune", "edit", "activation", "prompt"]
Role = Literal["method", "original", "reference"]
Scale = Literal["pocket", "slice", "full"]
Split = Literal["dev", "test"]

STRICT: Mapping[str, Any] = {"extra": "forbid", "allow_inf_nan": False, "strict": True}
"""Validation of values that are read back from files: nothing unknown, nothing coerced, nothing non-finite."""


class NotApplicable(Exception):
    """Raised by an attack that has no meaning on this benchmark; the message is the reason shown on the board."""


def param(  # noqa: PLR0913 - one keyword per kind of bound
    default: Any,  # noqa: ANN401 - a dataclass field's default has the field's own type
    doc: str,
    *,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    choices: Sequence[Any] = (),
    runtime: bool = False,
) -> Any:  # noqa: ANN401 - stands where dataclasses.field stands
    """Declare one documented, bounded field of a component.

    Args:
        default: Value when neither the preset nor the user says otherwise.
        doc: One line: meaning, unit, and source of the default where it has one.
        gt: Exclusive lower bound (every element, for a sequence).
        ge: Inclusive lower bound.
        le: Inclusive upper bound.
        choices: The allowed values, if they can be listed.
        runtime: True for a field that cannot change any number (batch size, a path): it stays out of the identity.
    """
    metadata = {"doc": doc, "gt": gt, "ge": ge, "le": le, "choices": tuple(choices), "runtime": runtime}
    if isinstance(default, (list, dict, set)):
        raise ValueError(f"A field's default must be immutable, got {default!r}; use a tuple.")
    return dataclasses.field(default=default, metadata=metadata)


@dataclass
class LM:
    """A causal language model with its tokenizer, edited in place by methods and attacks."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class Corpora:
    """What a method may see: documents to forget and documents to retain, never a scored item."""

    forget: Sequence[str]
    retain: Sequence[str]


@dataclass(frozen=True)
class Item:
    """A question in the benchmark's own prompt format and its answer, as they follow each other in one text.

    The answer brings the space that stands before it, so ``prompt + answer`` is the solved question.
    """

    prompt: str
    answer: str


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
    """

    forget: Sequence[str]
    near: Sequence[str]
    unrelated: Sequence[str]
    items: Sequence[Item]
    utility_items: Sequence[Item]
    reference_lr: float


@dataclass(frozen=True)
class Threat:
    """What the attacker needs: model access, data, and whether he must own the original model (then unranked)."""

    access: Access
    data: DataAccess
    base_model: bool = False

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


class Method(Protocol):
    """An unlearning method: edits the model in place, sees documents only.

    Optional class attributes: ``family`` (a word for the board), ``citation`` (arXiv id), ``role`` (``original`` and
    ``reference`` are the controls), ``presets`` (benchmark name -> fields that differ there from the defaults).
    """

    version: ClassVar[int]

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Make ``lm`` forget ``corpora.forget`` while keeping what ``corpora.retain`` stands for."""


class Attack(Protocol):
    """An attack: a generator that brings the model to one point after another.

    The stage scores the model at every yield, so a relearning curve costs one run. Optional class attributes:
    ``citation`` and ``presets``, as for a method.
    """

    version: ClassVar[int]
    threat: ClassVar[Threat]
    family: ClassVar[Family]

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield points in order of budget within a series; the model must be at the point when it is yielded."""


class Engine(Protocol):
    """Scores text under the model that was loaded last.

    Optional: ``remarks`` (sentences about what happened to the engine, for the record) and the class attribute
    ``outlives_cells`` (True if starting it is so dear that cells should share a process).
    """

    version: ClassVar[int]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the served model."""

    @property
    def context_length(self) -> int:
        """Tokens that the served model can read, those it writes included."""

    def load(self, lm: LM) -> str:
        """Serve these weights from now on and return their fingerprint (hex SHA-256)."""

    def rest(self) -> None:
        """Give memory back while something trains; ``load`` comes before the next question."""

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probability (nats) of each candidate continuation: one forward per prompt if all are one token."""

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities (nats) of each continuation given its context (empty context: whole text)."""

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether greedy decoding of each context would write exactly the tokens of its continuation."""

    def generate(self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Greedy continuations, cut before the first stop string."""


class Benchmark(Protocol):
    """A target model, what methods and attackers may see of its world, and how knowledge is scored.

    Optional: ``preset() -> str`` names the presets of methods and attacks that suit its model (its own name without
    it), and ``continues() -> Benchmark | None`` the same benchmark one unlearning request earlier, from whose unlearned
    model a method starts instead of from the target (MUSE's sustainability).
    """

    version: ClassVar[int]

    def card(self) -> BenchmarkCard:
        """Title, scale and notice."""

    def identity(self) -> Mapping[str, str]:
        """Digests of the data and models behind this benchmark; part of every cell's identity."""

    def target(self) -> str:
        """Folder (or ``org/name@revision``) of the original model."""

    def reference(self) -> str | None:
        """Folder (or id) of the never-learned model, None where none exists."""

    def corpora(self) -> Corpora:
        """Documents for methods."""

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Everything attackers may see."""

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """Score the model that the engine serves; dev and test."""
