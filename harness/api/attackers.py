"""What an attacker is, sees, does and is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, ClassVar, Literal

from harness.api.values import LM, STRICT, Evaluation, Item

Access = Literal["none", "text", "logits", "grey", "activations", "weights"]
DataAccess = Literal["none", "unrelated", "near", "forget", "items"]
Family = Literal["none", "relearn", "finetune", "edit", "activation", "embedding", "prompt"]


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
class AttackerData:
    """What an attacker may see. All of it concerns facts that are never scored.

    Attributes:
        forget: Documents of the forget set about *train* facts only.
        near: Documents of the same kind about entities that no model was trained on.
        unrelated: Documents of another domain.
        items: Solved questions about *train* facts of the forget set.
        near_items: Solved questions about the entities of ``near``, which no model ever learned.
        open_book: Whether the benchmark can put the document that answers a question before it, see ``Prompts``.
        writes: Whether some of its scores are of what the model writes, so that sampling can change them.
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
    near_items: Sequence[Item] = ()
    open_book: bool = False
    writes: bool = False


@dataclass(frozen=True)
class Prompts:
    """An attack on the input, as data.

    Attributes:
        before: Text before every question.
        after: Text after it.
        swaps: What is replaced in the question itself, each pair everywhere, in order.
        samples: Answers that are written to every question at temperature 1; 0: the greedy one.
        best_of: Of how many of them the best one counts; its expectation is estimated from all.
        open_book: Whether the document that answers a question stands before it, which no attacker has: a control.
        sealed: Whether records hold a digest in place of the text: it was optimised against a model, or is not ours to
            publish.
    """

    before: str = ""
    after: str = ""
    swaps: tuple[tuple[str, str], ...] = ()
    samples: int = 0
    best_of: int = 1
    open_book: bool = False
    sealed: bool = False

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    def __post_init__(self) -> None:
        """Refuse an expectation that its samples cannot give."""
        if self.samples < 0 or self.best_of < 1 or (self.samples and self.best_of > self.samples):
            raise ValueError(f"The best of {self.best_of} cannot be told from {self.samples} samples.")

    def published(self) -> Prompts:
        """What a record may hold."""
        if not self.sealed:
            return self
        return replace(self, before=_seal(self.before), after=_seal(self.after))

    def around(self, question: str) -> str:
        """What the model is asked in place of a question."""
        for old, new in self.swaps:
            question = question.replace(old, new)
        return self.before + question + self.after


def _seal(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}" if text else ""


@dataclass(frozen=True)
class Point:
    """One stop of an attack; the model is at that point when the attack yields it.

    Attributes:
        budget: Forget tokens that the attacker trained on or put in context so far (0 where none are needed).
        series: Which run of the attack this belongs to, such as ``N=20`` or ``4-bit``; a curve is one series.
        prompts: Text around every question.
        readings: What the attack itself measured here on its own data, by name; explains, and is never ranked on.
        remarks: What a reader must know of this point, such as a part that was left out; the record keeps it.
    """

    budget: int
    series: str = ""
    prompts: Prompts = Prompts()
    readings: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def shortage(asked: int, owned: int, what: str) -> str:
    """A remark where an attacker owns less than his attack asks for; empty where he owns enough."""
    return f"The attacker owns {owned} {what}, and {asked} were asked for; all are used." if owned < asked else ""


def remarked(points: Iterable[Point], *remarks: str) -> Iterator[Point]:
    """The same points, the first of them with these remarks; empty ones are none.

    For an attack that is told nothing: one that leaves out a part must say so, and a reader looks at the first point.
    """
    said = tuple(remark for remark in remarks if remark)
    for point in points:
        yield replace(point, remarks=(*said, *point.remarks))
        said = ()


@dataclass(frozen=True)
class Verdict:
    """What an adaptive attacker is told of a point: measured on dev items, never on those that are reported.

    Attributes:
        knowledge: K, the share of the original's forget knowledge above the floor.
        utility: u, the share of the original's utility above chance.
        score: The mean utility score as it is, of which a board says how much an attack lost.
    """

    knowledge: float
    utility: float
    score: float

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT


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
