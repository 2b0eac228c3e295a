"""lm-eval tasks, built once and asked of one model after another.

The invariant: what :meth:`Tasks.run` returns is what ``lm_eval.evaluator.evaluate`` would say of the same engine (a
test compares them), without building requests, hashing documents and compiling templates again for every model.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lm_eval.api.group import Group
from lm_eval.defaults import DEFAULT_OTHER_SEED
from lm_eval.utils import env

from harness.api import Engine, Prompts
from harness.engines.encoding import Encoder
from harness.errors import UserError
from harness.lm_eval_bridge.definitions import Sources, build, leaves_of
from harness.lm_eval_bridge.model import PLAIN, EngineLM, generation_limits, is_lettered
from harness.lm_eval_bridge.samples import Document, Leaf, Sample, label, read_documents


@dataclass
class _Remarked:
    """What was found out about prompts under one tokenizer, since that takes as long as tokenizing them."""

    encoder: Encoder | None = None
    found: dict[tuple[str, Prompts, int], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tasks:
    """Leaf tasks of lm-eval with their requests built.

    Attributes:
        leaves: Tasks by name.
        groups: The leaf tasks of each requested name, and of each group within it.
    """

    leaves: Mapping[str, Leaf]
    groups: Mapping[str, tuple[str, ...]]
    _definitions: Mapping[str, Any] = field(repr=False)
    _remarked: _Remarked = field(default_factory=_Remarked, init=False, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the leaf tasks."""
        return tuple(self.leaves)

    def documents(self, task: str) -> tuple[Document, ...]:
        """The documents of a leaf task as they are asked, in the order of its samples."""
        return self.leaves[task].documents

    def run(
        self, engine: Engine, prompts: Prompts = PLAIN, only: Collection[str] | None = None
    ) -> dict[str, list[Sample]]:
        """Ask the model that the engine serves.

        Args:
            engine: Serves the model.
            prompts: The attacker's text around every question.
            only: Names of tasks or groups to ask; None: all.

        Returns:
            By leaf task the samples of its documents, in order.
        """
        leaves = self._chosen(only)
        lm = EngineLM(engine, prompts, unread=[leaf.name for leaf in leaves if not leaf.reads_greedy])
        requests: dict[str, list[Any]] = {}
        for request in (request for leaf in leaves for document in leaf.documents for request in document.requests):
            requests.setdefault(request.request_type, []).append(request)
        for kind, asked in requests.items():
            for request, answer in zip(asked, getattr(lm, kind)(asked), strict=True):
                request.resps = [answer] * request.repeats  # a repeated greedy answer is the same one
        with _templates_compiled_once():
            return {leaf.name: list(leaf.samples()) for leaf in leaves}

    def aggregate(self, name: str, samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
        """The metrics of a task or group over documents, as lm-eval aggregates them (MMLU: weighted by size).

        Args:
            name: A leaf task or a group.
            samples: What :meth:`run` returned, at least for the leaf tasks of ``name``.

        Raises:
            ValueError: A tag, for which lm-eval defines no aggregate, or samples are missing.
        """
        if name in self.leaves:
            return self.leaves[name].aggregate(samples[name])
        if name not in self._definitions:
            raise ValueError(f"'{name}' is no group that lm-eval aggregates; known are {', '.join(self._definitions)}.")
        found = self._definitions[name].aggregate({task: self._measured(task, samples) for task in self.groups[name]})
        kept = {key: value for key, value in found.items() if "," in key and "_stderr," not in key}
        return {label(*key.split(",", 1)): float(value) for key, value in kept.items()}

    def remarks(self, engine: Engine, prompts: Prompts = PLAIN, only: Collection[str] | None = None) -> tuple[str, ...]:
        """Sentences without which the scores under this tokenizer would be misread.

        They name tasks with letters that are not one token, which cannot be scored by one forward, and tasks with
        prompts that do not fit the model's context.
        """
        memory = self._remarked
        if memory.encoder is None or not memory.encoder.encodes_like(engine.tokenizer):
            memory.encoder, memory.found = Encoder(engine.tokenizer), {}
        sentences: list[str] = []
        for leaf in self._chosen(only):
            key = (leaf.name, prompts, engine.context_length)
            if key not in memory.found:
                memory.found[key] = _remarks(leaf, EngineLM(engine, prompts), engine.tokenizer, engine.context_length)
            sentences.extend(memory.found[key])
        return tuple(sentences)

    def _chosen(self, only: Collection[str] | None) -> list[Leaf]:
        if only is None:
            return list(self.leaves.values())
        unknown = [name for name in only if name not in self.groups]
        if unknown:
            raise ValueError(f"Task '{unknown[0]}' is not among those loaded: {', '.join(self.groups)}.")
        chosen = {task for name in only for task in self.groups[name]}
        return [leaf for name, leaf in self.leaves.items() if name in chosen]

    def _measured(self, task: str, samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
        """A leaf task's metrics as a group reads them: keyed ``metric,filter``, with the number of documents."""
        if task not in samples:
            raise ValueError(f"There are no samples of task '{task}' to aggregate.")
        values = self.leaves[task].aggregate(samples[task])
        named = {name if "," in name else f"{name},none": value for name, value in values.items()}
        return {**named, "sample_len": len(samples[task])}


def load_tasks(
    names: Sequence[str], *, data_root: str = "", datasets: Mapping[str, str] | None = None, include_path: str = ""
) -> Tasks:
    """Build lm-eval tasks, with their data and all their requests.

    Args:
        names: Tasks, groups or tags that are installed with lm-eval or defined in ``include_path``.
        data_root: Folder laid out ``<root>/<org>/<name>`` that holds every data set; empty: the hub or its cache.
        datasets: Commit of each data set on the hub that is pinned; a data root is taken as it is.
        include_path: Folder with task definitions of our own (``*.yaml``); their ``include`` may name a file beside
            them or one of lm-eval, such as ``wmdp/_default_template_yaml``.

    Raises:
        UserError: A name is unknown, a data set is missing or not the pinned one, a task wants what is not done here,
            or two names ask for one task in two ways.
    """
    sources = Sources(data_root, dict(datasets or {}))
    tasks: dict[str, Any] = {}
    groups: dict[str, tuple[str, ...]] = {}
    definitions: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        items = build(name, sources=sources, own=include_path)
        groups[name] = tuple(task.task_name for item in items for task in leaves_of(item))
        for group in (group for item in items if isinstance(item, Group) for group in (item, *item.get_all_groups())):
            definitions[group.name] = group
            groups[group.name] = tuple(task.task_name for task in leaves_of(group))
        for task in (task for item in items for task in leaves_of(item)):
            _require_same(tasks.setdefault(task.task_name, task), task)
    leaves = {name: _asked(name, task) for name, task in tasks.items()}
    return Tasks(leaves, {**{name: (name,) for name in leaves}, **groups}, definitions)


def _asked(name: str, task: Any) -> Leaf:  # noqa: ANN401 - lm-eval is untyped at this border
    """A task with its requests, which are the same for every model: no chat template, seeded shots."""
    task.set_fewshot_seed(DEFAULT_OTHER_SEED)  # as lm_eval.simple_evaluate does
    quiet = contextlib.redirect_stderr(io.StringIO())  # of a progress bar that cannot be switched off
    with quiet, _templates_compiled_once():
        task.build_all_requests()
        documents = read_documents(name, task)
    if task.OUTPUT_TYPE == "generate_until":
        generation_limits(documents[0].requests[0].args[1], name)  # refuses sampling before a model is loaded
    return Leaf(name, task, documents)


def _require_same(one: Any, other: Any) -> None:  # noqa: ANN401 - as above
    """Two requested names may share a task, if it is the same; a group may have changed it (shots, for instance)."""
    if one is not other and one.dump_config() != other.dump_config():
        raise UserError(
            f"Task '{one.task_name}' is asked for twice with different settings (alone and in a group, or by two). "
            "Ask for one of them."
        )


@contextlib.contextmanager
def _templates_compiled_once() -> Iterator[None]:
    """Compile each of a task's templates once instead of once per document, which costs lm-eval 1-3 ms each.

    lm_eval/utils.py, ``apply_template``, compiles and renders; compiling the same text gives the same template.
    """
    env.from_string = lru_cache(maxsize=None)(type(env).from_string.__get__(env))
    try:
        yield
    finally:
        del env.from_string


def _remarks(leaf: Leaf, lm: EngineLM, tokenizer: Any, context_length: int) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """What is to be said of one task."""
    total, room = len(leaf.documents), context_length
    if leaf.task.OUTPUT_TYPE == "generate_until":
        room -= generation_limits(leaf.documents[0].requests[0].args[1], leaf.name)[0]
    split = _split_letters(leaf, lm, tokenizer)
    cut = sum(length > room for length in _lengths(tokenizer, [lm.asked(one.context) for one in leaf.documents]))
    sentences = {
        f"{leaf.name}: the letters of {split} of {total} questions are not one token each for this tokenizer, so all "
        "their tokens were scored.": split,
        f"{leaf.name}: {cut} of {total} prompts are longer than the {room} tokens that the model reads; they were cut "
        "from the left.": cut,
    }
    return tuple(sentence for sentence, count in sentences.items() if count)


def _split_letters(leaf: Leaf, lm: EngineLM, tokenizer: Any) -> int:  # noqa: ANN401 - as above
    """How many questions have a letter that is not one token behind the exact prompt."""
    asked = [one for one in leaf.documents if one.choices and is_lettered(one.continuations)]
    rows = [[lm.pair(one.context, text) for text in one.continuations] for one in asked]
    contexts = _lengths(tokenizer, [row[0][0] for row in rows])
    wholes = iter(_lengths(tokenizer, [context + text for row in rows for context, text in row]))
    added = [[next(wholes) - context for _ in row] for row, context in zip(rows, contexts, strict=True)]
    return sum(set(lengths) != {1} for lengths in added)


def _lengths(tokenizer: Any, texts: Sequence[str]) -> list[int]:  # noqa: ANN401 - as above
    """Tokens of each text, special ones that the tokenizer adds included."""
    return [len(ids) for ids in tokenizer(list(texts))["input_ids"]] if texts else []
