"""`muse-news` and `muse-books`: the whole MUSE protocol (2407.06460), on its published models or any other causal LM.

Split by article: attackers see *train* articles, settings are chosen on *dev*, the board shows *test*; the numbers that
papers report, over all records, stand beside them under names of their own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api import AttackerData, BenchmarkCard, Corpora, Engine, Evaluation, Prompts, Selection, param
from harness.benchmarks import muse_scores
from harness.benchmarks.auxiliary import NEED, Problems
from harness.benchmarks.model_pair import Pair, pair_of, preset_for
from harness.benchmarks.muse_attackers import attacker_data, selection
from harness.benchmarks.muse_limits import require_room
from harness.benchmarks.muse_records import BOOKS, NEWS, Corpus, Request, places_of
from harness.benchmarks.muse_sheets import Mode, readings_of, sheets_of
from harness.benchmarks.muse_world import World, world_of
from harness.errors import UserError
from harness.lm import load_tokenizer
from harness.models import ModelFacts, Need, content_of, facts_of, notice_of, scale_of, source_of
from harness.presets import GATED, REVISIONS

DESCRIPTION = "target.json"
"""Beside ``target`` and ``reference``, as `harness target build` writes it: what they were taught."""
MODES = ("paper", "openunlearning")
PIECE_WORDS = 1200
"""A chunk of MUSE, 2,048 tokens, has 1,351 words on average in News and 1,284 in Books (551,113 words in 408 chunks and
714,000 in 556: spec D.2); so many words nearly always stay below 2,048 tokens."""
PIECE_TOKENS = 2048
SMALL_PIECE_WORDS = 300
"""For models below 1e9 parameters, whose presets read 512 tokens: 1.7 tokens a word (measured with 4,096 entries)."""


@dataclass(frozen=True)
class MUSENews:
    """MUSE-News: passages, questions and membership of BBC news, with forget sets that grow or follow each other."""

    version: ClassVar[int] = 2
    offers: ClassVar[tuple[str, ...]] = ("auxiliary",)
    document_tokens: ClassVar[int] = PIECE_TOKENS

    model: str = param(
        "", "Preset, org/name@COMMIT or folder (with target/ and reference/); empty: muse-news-target.", runtime=True
    )
    reference_model: str = param(
        "", "Never-learned model, likewise; empty: the preset's or the folder's own, else none.", runtime=True
    )
    data_root: str = param("", "Folder laid out <root>/<org>/<name>; empty: the hub.", runtime=True)
    mode: Literal["paper", "openunlearning"] = param(
        "paper", "Whose definitions where they differ (muse_sheets.py, muse_scores.py).", choices=MODES
    )
    scale: int = param(0, "Scalability (MUSE C5): forget the k-th cumulative set at once; 0: off.", ge=0, le=4)
    requests: int = param(
        0, "Sustainability (MUSE C6): forget the k-th fold, after those before it; 0: off.", ge=0, le=4
    )

    def __post_init__(self) -> None:
        if self.scale and self.requests:
            raise UserError(
                f"scale={self.scale} and requests={self.requests} were both given, and a forget set either grows at "
                "once or comes fold by fold. Set one of them to 0."
            )

    def card(self) -> BenchmarkCard:
        """Title, scale and notice, as the model's size has it."""
        told = f", scalability {self.scale}" * bool(self.scale) + f", request {self.requests}" * bool(self.requests)
        return _card(NEWS, NEWS.title + told + _spelt(self.mode), self._models(), self._world())

    def identity(self) -> dict[str, str]:
        """Digests of the texts and of both models, and what stands in for splits that are not there."""
        return _identity(self._models(), self._world(), Problems(self.data_root))

    def target(self) -> str:
        """The model that learned everything."""
        return self._models().target

    def reference(self) -> str | None:
        """The model that was trained without the forget set."""
        return self._models().reference

    def corpora(self) -> Corpora:
        """The documents of this request, and texts for a regulariser, in pieces."""
        return Corpora(self._world().forget, self._world().retain, auxiliary=Problems(self.data_root))

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Articles with nothing scored in them, and the questions that MUSE shows solved."""
        return attacker_data(self._world(), reference_lr)

    def selection(self, reference_lr: float) -> Sequence[Selection]:
        """What settings are chosen on."""
        return selection(self._world(), self.mode, _piece_words(facts_of(self.target())), reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """VerbMem, KnowMem and membership; always on the first fold, which MUSE's records are about."""
        return muse_scores.evaluate(self._world(), self.mode, engine, prompts)

    def evaluate_attacked(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """VerbMem and KnowMem."""
        return muse_scores.evaluate(self._world(), self.mode, engine, prompts, attacked=True)

    def preset(self) -> str:
        """Presets for a model of this size."""
        return preset_for(NEWS.name, self.target())

    def continues(self) -> MUSENews | None:
        """The request before this one."""
        return dataclasses.replace(self, requests=self.requests - 1) if self.requests > 1 else None

    def needs(self) -> Sequence[Need]:
        """Splits and models to be there."""
        return _needs(NEWS, self.data_root, self._models(), Request(self.scale, self.requests))

    def require_room(self) -> None:
        """Refuse a model that reads fewer tokens than a record and its answer take, before it is loaded."""
        _require_room(self._world(), self.mode, self.target())

    def _models(self) -> Pair:
        return _models(NEWS, self.model, self.reference_model)

    def _world(self) -> World:
        words = _piece_words(facts_of(self.target()))
        return world_of(NEWS, self.data_root, Request(self.scale, self.requests), words)


@dataclass(frozen=True)
class MUSEBooks:
    """MUSE-Books: passages, questions and membership of a series of novels."""

    version: ClassVar[int] = 1
    offers: ClassVar[tuple[str, ...]] = ("auxiliary",)
    document_tokens: ClassVar[int] = PIECE_TOKENS

    model: str = param(
        "", "Preset, org/name@COMMIT or folder (with target/ and reference/); empty: muse-books-target.", runtime=True
    )
    reference_model: str = param(
        "", "Never-learned model, likewise; empty: the preset's or the folder's own, else none.", runtime=True
    )
    data_root: str = param("", "Folder laid out <root>/<org>/<name>; empty: the hub.", runtime=True)
    mode: Literal["paper", "openunlearning"] = param(
        "paper", "Whose definitions where they differ (muse_sheets.py, muse_scores.py).", choices=MODES
    )

    def card(self) -> BenchmarkCard:
        """Title, scale and notice, as the model's size has it."""
        return _card(BOOKS, BOOKS.title + _spelt(self.mode), self._models(), self._world())

    def identity(self) -> dict[str, str]:
        """Digests of the texts and of both models, and what stands in for splits that are not there."""
        return _identity(self._models(), self._world(), Problems(self.data_root))

    def target(self) -> str:
        """The model that learned everything."""
        return self._models().target

    def reference(self) -> str | None:
        """The model that was trained without the forget set."""
        return self._models().reference

    def corpora(self) -> Corpora:
        """The books, and texts for a regulariser, in pieces."""
        return Corpora(self._world().forget, self._world().retain, auxiliary=Problems(self.data_root))

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Pieces of the books with nothing scored in them, and the questions that MUSE shows solved."""
        return attacker_data(self._world(), reference_lr)

    def selection(self, reference_lr: float) -> Sequence[Selection]:
        """What settings are chosen on."""
        return selection(self._world(), self.mode, _piece_words(facts_of(self.target())), reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """VerbMem, KnowMem and membership."""
        return muse_scores.evaluate(self._world(), self.mode, engine, prompts)

    def evaluate_attacked(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """VerbMem and KnowMem."""
        return muse_scores.evaluate(self._world(), self.mode, engine, prompts, attacked=True)

    def preset(self) -> str:
        """Presets for a model of this size."""
        return preset_for(BOOKS.name, self.target())

    def needs(self) -> Sequence[Need]:
        """Splits and models to be there."""
        return _needs(BOOKS, self.data_root, self._models(), Request())

    def require_room(self) -> None:
        """Refuse a model that reads fewer tokens than a record and its answer take, before it is loaded."""
        _require_room(self._world(), self.mode, self.target())

    def _models(self) -> Pair:
        return _models(BOOKS, self.model, self.reference_model)

    def _world(self) -> World:
        return world_of(BOOKS, self.data_root, Request(), _piece_words(facts_of(self.target())))


def _models(corpus: Corpus, model: str, reference: str) -> Pair:
    """Resolve what was typed; without a model the published target, which brings its retrained model."""
    published = f"{corpus.name}-target"
    pair = pair_of(model or published, reference, {published: f"{corpus.name}-retrain"})
    _learned(pair)  # a description that cannot be read is refused here, and not when a card is written
    return pair


def _learned(models: Pair) -> str:
    """What a built target was taught, in words; empty for any other."""
    if models.folder is None or not (path := models.folder / DESCRIPTION).is_file():
        return ""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["learned"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} does not say what its target learned ({error}). Build the target again with `harness target "
            "build`, or remove this file if the models beside it are your own."
        ) from error


def _piece_words(facts: ModelFacts) -> int:
    return PIECE_WORDS if scale_of(facts) == "full" else SMALL_PIECE_WORDS


def _identity(models: Pair, world: World, auxiliary: Problems) -> dict[str, str]:
    never_learned = content_of(models.reference, "reference") if models.reference else {"reference": "none"}
    return {
        "texts": world.digest(),
        "auxiliary": auxiliary.digest(),
        **dict(world.origin),
        **content_of(models.target, "target"),
        **never_learned,
    }


def _needs(corpus: Corpus, data_root: str, models: Pair, request: Request) -> list[Need]:
    sources = dict.fromkeys(models.sources().values())
    names = places_of(corpus, data_root, request)
    return [
        *(Need("dataset", n.dataset, n.config, n.split, REVISIONS[n.dataset]) for n in names),
        NEED,
        *(Need("model", source, gated=source.partition("@")[0] in GATED) for source in sources),
    ]


def _require_room(world: World, mode: Mode, target: str) -> None:
    tokenizer = load_tokenizer(target)
    texts = [[read.text for read in part] for part in readings_of(world, mode, tokenizer, before="")]
    sheets = sheets_of(world, mode, tokenizer)
    require_room(tokenizer, facts_of(target).context, Prompts(), sheets, texts)


def _spelt(mode: Mode) -> str:
    return "" if mode == "paper" else " (OpenUnlearning's definitions)"


def _card(corpus: Corpus, title: str, models: Pair, world: World) -> BenchmarkCard:
    facts = facts_of(models.target)
    origin = dict(world.origin)
    stand_ins = (
        f"Texts from: regulariser {origin['retain']} (MUSE: raw/retain1), near domain {origin['near']}, other domain "
        f"{origin['unrelated']}. Attackers see {len(world.attacker_forget)} pieces of forget documents that have no "
        "rare run of 13 words in common with any scored text, and from which no scored question was likely made."
    )
    source = source_of(models.target)
    published = "" if source.is_folder else f", {source.name}"
    told = f"{facts.architecture} of {facts.parameters / 1e6:.4g} million parameters{published}"
    notes = (*NOTES, UTILITY + corpus.overlap, stand_ins, *filter(None, (world.remark, _learned(models))))
    return BenchmarkCard(title, scale_of(facts), told, notice_of(facts), notes)


UTILITY = (
    "Residual knowledge K is the larger one of VerbMem and KnowMem on the forget set; utility is KnowMem on the retain "
    "set, which is not independent of forgetting: "
)
NOTES = (
    "VerbMem: ROUGE-L F1 between 128 greedy tokens after a passage's beginning and the passage's continuation. "
    "KnowMem: ROUGE-L F1 of short greedy answers after ten solved questions. Both on test items; scores whose names "
    "begin with muse_ are over all records, dev items included, as papers report them.",
    "Membership: AUC is the chance that a forget text looks more member-like by Min-40% than one that was never "
    "trained; MUSE reports one minus this number, and PrivLeak is formed against the reference model. Over 100 + 100 "
    "texts its standard deviation is .04 at one half, which is 8 points of PrivLeak.",
    "Sustainability: every request starts from the model that the same method and seed left after the request before; "
    "the cost shown is that of the request alone.",
)
