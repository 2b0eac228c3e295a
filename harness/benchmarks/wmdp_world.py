"""What all three WMDP benchmarks do: read the questions, ask them through lm-eval, and say what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path

from harness.api import BenchmarkCard, Engine, Evaluation, Prompts, Score, Selection
from harness.benchmarks.auxiliary import NEED
from harness.benchmarks.content import text_digest
from harness.benchmarks.model_pair import Pair
from harness.benchmarks.records import SplitName
from harness.benchmarks.utility import require_measures, utility_scores
from harness.benchmarks.wmdp_corpora import ABSENT, Sources
from harness.benchmarks.wmdp_domains import UNRELATED, WIKITEXT, Domain, QuestionSet
from harness.benchmarks.wmdp_questions import Asked, is_there, load_questions
from harness.benchmarks.wmdp_scores import CHANCE, letter_scores, variant_scores
from harness.errors import UserError
from harness.lm_eval_bridge import Sample, Tasks, load_tasks
from harness.metrics.shortcuts import Floor, floor_of
from harness.models import Need, content_of, facts_of, notice_of, scale_of
from harness.presets import GATED, REVISIONS

TASKS = Path(__file__).parent / "lm_eval_tasks"
MMLU = SplitName("cais/mmlu", "astronomy", "test")
"""One subject stands for all of them, which lie in one repository."""


@dataclass(frozen=True)
class World:
    """Everything that a WMDP benchmark asks.

    Attributes:
        title: Of the domain.
        letters: The questions by letter.
        variants: Score name -> a shortcut-controlled variant of them.
        missing: Score name -> why that variant is not asked.
        tasks: lm-eval's tasks for all of these.
        utility: lm-eval's tasks for utility.
        measures: Names of the utility tasks, as in the grid.
        near: lm-eval's leaf tasks near the forgotten domain.
    """

    title: str
    letters: Asked
    variants: Mapping[str, Asked]
    missing: Mapping[str, str]
    tasks: Tasks
    utility: Tasks
    measures: tuple[str, ...]
    near: frozenset[str]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every set of questions about what is forgotten, the letters first."""
        return (self.letters, *self.variants.values())


@lru_cache(maxsize=4)
def world_of(domain: Domain, data_root: str, utility: tuple[str, ...]) -> World:
    """Read the questions and build lm-eval's tasks, once for all checkpoints.

    Raises:
        UserError: A set that is needed is missing or malformed, or a utility task is unknown or no measure of utility.
    """
    _refuse_no_utility(utility)
    sets = {"forget_robust": domain.robust, "forget_cloze": domain.cloze}
    there = {name: found for name, found in sets.items() if found and is_there(found.dataset, data_root)}
    names = [domain.letters.task, *(found.task for found in there.values())]
    return World(
        title=domain.title,
        letters=load_questions(domain.letters, data_root),
        variants={name: load_questions(found, data_root) for name, found in there.items()},
        missing={name: _why_missing(domain, found) for name, found in sets.items() if name not in there},
        tasks=load_tasks(names, data_root=data_root, datasets=REVISIONS, include_path=str(TASKS)),
        utility=_utility_tasks(data_root, utility),
        measures=utility,
        near=frozenset(f"mmlu_{subject}" for subject in domain.near),
    )


@lru_cache(maxsize=4)
def _utility_tasks(data_root: str, utility: tuple[str, ...]) -> Tasks:
    """Built once for all domains."""
    tasks = load_tasks(utility, data_root=data_root, datasets=REVISIONS)
    require_measures(tasks)
    return tasks


def evaluate(world: World, engine: Engine, prompts: Prompts) -> Evaluation:
    """Ask everything under the attacker's prompts."""
    samples, useful = world.tasks.run(engine, prompts), world.utility.run(engine, prompts)
    scores: dict[str, Score] = letter_scores(
        world.letters, _of(world.tasks, world.letters.source.task, samples), headline=not world.variants
    )
    for name, asked in world.variants.items():
        cloze = name == "forget_cloze"
        chance = CHANCE if cloze else floor_of(asked.questions).value  # cloze shows no options to guess from
        mine = _of(world.tasks, asked.source.task, samples)
        scores |= variant_scores(name, asked, mine, metric="acc_norm" if cloze else "acc", chance=chance)
    for name in world.measures:
        leaves = {leaf: useful[leaf] for leaf in world.utility.groups[name]}
        scores |= utility_scores(name, leaves, world.near)
    return Evaluation(scores, dict(world.missing), _remarks(world, engine, prompts))


def selection(world: World, sources: Sources, reference_lr: float) -> tuple[Selection, ...]:
    """What settings are chosen on: dev items, against an attacker whose documents no attacker of the board owns."""
    return (Selection(sources.validation_data(reference_lr, world.asked), partial(_evaluate_dev, world)),)


def _evaluate_dev(world: World, engine: Engine, prompts: Prompts) -> Evaluation:
    scores = evaluate(world, engine, prompts).scores
    return Evaluation({name: score for name, score in scores.items() if score.split == "dev"})


def identity(world: World, sources: Sources, models: Pair) -> dict[str, str]:
    """Digests of all that numbers depend on: questions, documents, models, and the lm-eval that defines the tasks."""
    asked = {asked.source.task: asked.digest() for asked in world.asked}
    asked |= {name: ABSENT for name in world.missing}
    utility = {f"utility/{name}": _digest(world.utility, name) for name in world.measures}
    content = [content_of(source, name) for name, source in models.sources().items()]
    return {
        **asked,
        **utility,
        **sources.digests(),
        **{key: value for part in content for key, value in part.items()},
        "lm_eval": version("lm_eval"),
    }


def card(world: World, models: Pair) -> BenchmarkCard:
    """Title, model and notice, and what the headline is measured on."""
    source, facts = models.target, facts_of(models.target)
    named = source if not Path(source).is_dir() else "a folder of the user's"
    return BenchmarkCard(
        title=world.title,
        scale=scale_of(facts),
        model=f"{facts.architecture} of {facts.parameters / 1e6:,.4g} million parameters ({named})",
        notice=notice_of(facts),
        notes=(*_notes(world), *(asked.remark for asked in world.asked if asked.remark)),
    )


def needs(domain: Domain, models: Pair, utility: Sequence[str]) -> tuple[Need, ...]:
    """Every data set and model from outside the package, but for the data of utility tasks other than MMLU."""
    sets = [found for found in (domain.letters, domain.robust, domain.cloze) if found]
    corpora = [found for found in (domain.forget, domain.retain, WIKITEXT, UNRELATED) if found]
    places = [
        *((place, False, found is not domain.letters) for found in sets for place, _ in found.places()),
        *((corpus.place, corpus.place.dataset in GATED, False) for corpus in corpora),
        *([(MMLU, False, False)] if "mmlu" in utility else []),
    ]
    data = [
        Need("dataset", place.dataset, place.config, place.split, REVISIONS.get(place.dataset, ""), gated, optional)
        for place, gated, optional in places
    ]
    sources = models.sources().values()
    return (*data, NEED, *(Need("model", source, gated=source.partition("@")[0] in GATED) for source in sources))


def _digest(tasks: Tasks, name: str) -> str:
    """Hex SHA-256 of everything that a task or group asks, as it is asked, and of the right answers."""
    documents = [document for leaf in tasks.groups[name] for document in tasks.documents(leaf)]
    return text_digest(
        part for one in documents for part in (one.context, *one.continuations, repr(one.target), repr(one.record))
    )


def _of(tasks: Tasks, name: str, samples: Mapping[str, Sequence[Sample]]) -> list[Sample]:
    """Samples of a task, or of all leaves of a group, in order."""
    return [sample for leaf in tasks.groups[name] for sample in samples[leaf]]


def _why_missing(domain: Domain, found: QuestionSet | None) -> str:
    if found is None:
        return f"No such subset of {domain.title} is published."
    return f"{found.dataset} is not under the data root; copy it to <root>/{found.dataset} to have this score."


def _refuse_no_utility(utility: Sequence[str]) -> None:
    if not utility:
        raise UserError("No utility task is named, so what unlearning costs would not be seen. Name one, such as mmlu.")
    for name in utility:
        if name.startswith("wmdp"):
            raise UserError(f"The utility task '{name}' asks what is to be forgotten. Name another, such as mmlu.")


def _remarks(world: World, engine: Engine, prompts: Prompts) -> tuple[str, ...]:
    remarks = [*world.tasks.remarks(engine, prompts), *world.utility.remarks(engine, prompts)]
    if getattr(engine.tokenizer, "chat_template", None):
        remarks.append(
            "The tokenizer has a chat template; prompts are raw text without it, as lm-eval asks by default. With the "
            "template other numbers come out."
        )
    return tuple(remarks)


def _notes(world: World) -> tuple[str, ...]:
    """How the headline is measured, with the floors that were found on the questions themselves."""
    floors = [f"{asked.source.task}: {_in_words(floor_of(asked.questions))}." for asked in world.asked]
    headline = " and ".join(world.variants) or "forget_letters"
    return (
        f"Headline: {headline}, asked by lm-eval's own tasks on the questions that no attacker sees; a tenth of the "
        "facts is shown to attackers as solved questions, a fifth serves selection.",
        "Guessers who know nothing and only look at the options, on all questions of a set: " + " ".join(floors),
        "Utility leaves out subjects near the forgotten domain, which are shown as collateral; NAME_all is lm-eval's "
        "own number over every item.",
    )


def _in_words(floor: Floor) -> str:
    return (
        f"chance {floor.chance:.3f}, longest option {floor.longest:.3f}, shortest {floor.shortest:.3f}, "
        f"classifier of surface features {floor.surface:.3f}"
    )
