"""What methods, attacks, engines and benchmarks must do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from harness.api.attackers import AttackerData, Family, Point, Prompts, Threat
from harness.api.values import LM, BenchmarkCard, Corpora, Evaluation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Method(Protocol):
    """An unlearning method: edits the model in place, sees documents only.

    Optional class attributes: ``family`` (a word for the board), ``citation`` (arXiv id), ``fidelity``, ``role``
    (``original`` and ``reference`` are the controls that every grid has), ``needs`` (parts of the corpora without which
    it cannot run), ``core`` (True if it is one of the few that ``--methods core`` names), ``replaces`` (True if the
    result is a model class of its own), ``published`` (benchmark name -> fields of the published setting that differ
    from the defaults), ``presets`` (the same for settings of our own, which go before published ones) and ``search``
    (fields that ``harness tune`` chooses).
    """

    version: ClassVar[int]

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Make ``lm`` forget ``corpora.forget`` while keeping what ``corpora.retain`` stands for."""


class Attack(Protocol):
    """An attack: a generator that brings the model to one point after another.

    The stage scores the model at every yield, so a relearning curve costs one run. Optional class attributes:
    ``citation``, ``presets``, ``published`` and ``core``, as for a method, and ``adaptive`` (True if the attack
    searches: the value of its ``yield`` is then a :class:`Verdict` on the point, and a run that was interrupted goes on
    where it stood, see ``AttackerData.known``; otherwise the value is None).
    """

    version: ClassVar[int]
    threat: ClassVar[Threat]
    family: ClassVar[Family]

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield points in order of budget within a series; the model must be at the point when it is yielded."""


class Engine(Protocol):
    """Scores text under the model that was loaded last.

    Optional: ``remarks`` (sentences about what happened to the engine, for the record) and the class attributes
    ``outlives_cells`` (True if starting it is so dear that cells should share a process), ``serves_any`` (False if it
    knows its own list of architectures, so that models that a method replaced cannot be scored) and
    ``serves_soft_prompts`` (True if it puts ``LM.soft_prompt`` before every text; attacks that need it are not
    applicable elsewhere).
    """

    version: ClassVar[int]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the served model."""

    @property
    def context_length(self) -> int:
        """Tokens that the served model can read, those it writes included."""

    def load(self, lm: LM) -> str:
        """Serve this model from now on and return a fingerprint of what is served (hex SHA-256)."""

    def rest(self) -> None:
        """Give memory back while something trains; ``load`` comes before the next question."""

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probability (nats) of each candidate continuation: one forward per prompt if all are one token."""

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities (nats) of each continuation given its context (empty context: whole text)."""

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether greedy decoding of each context would write exactly the tokens of its continuation."""

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = (), temperature: float = 0.0
    ) -> list[str]:
        """Continuations, cut before the first stop string: greedy at temperature 0, else drawn.

        What is drawn depends on the weights, the prompt and its place in the list, and on nothing else.
        """


class Benchmark(Protocol):
    """A target model, what methods and attackers may see of its world, and how knowledge is scored.

    Optional: the class attributes ``offers`` (which needs of methods its corpora meet) and ``document_tokens`` (how
    many its documents have: ``max_tokens`` of whoever has no setting that says otherwise), ``preset() -> str`` names
    the presets of methods and attacks that suit its model (its own name without it), ``continues() -> Benchmark |
    None`` the same benchmark one unlearning request earlier, from whose unlearned model a method starts instead of
    from the target (MUSE's sustainability), ``evaluate_attacked`` (as ``evaluate``) scores an attacked model, where
    some scores would cost much and tell nothing after an attack, and ``require_room()`` raises a ``UserError`` while
    planning if the model cannot read as many tokens as a record takes, and ``selection(reference_lr) ->
    Sequence[Selection]`` is what ``harness tune`` may use: dev facts only, some of them the attacker's, others
    scored.
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
