"""One lm-eval task with its requests built, and what is kept of every document that was scored.

Metrics, filters and aggregation are lm-eval's own code; nothing of them is rewritten here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from lm_eval.api.metrics import mean

from harness.errors import UserError

Target = str | int | tuple[str | int, ...] | None
"""The right answer: a position among the choices, a text, or several of them; None where nothing is asked."""


@dataclass(frozen=True)
class Sample:
    """One scored document of one task.

    Attributes:
        task: Name of the task.
        index: Position of the document in the task's split.
        target: The right answer as lm-eval has it; for multiple choice its position.
        logprobs: Log-likelihood of each choice in order, nats (empty for other output types).
        metrics: lm-eval's own values for this document, by metric (``metric,filter`` for a named filter).
        parts: Metric values that are not one number, such as log-likelihood and length for a perplexity; they mean
            something only once :meth:`Tasks.aggregate` has put them together.
        text: What the model wrote; None where it was not asked to write.
    """

    task: str
    index: int
    target: Target
    logprobs: tuple[float, ...]
    metrics: Mapping[str, float]
    parts: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True)
class Document:
    """One document of a task as it is asked.

    Attributes:
        index: Position in the task's split.
        record: The document, as the task's own code reads it.
        requests: lm-eval's requests for it, in order.
        target: The right answer.
        choices: Number of choices (0 for other output types).
    """

    index: int
    record: Any
    requests: tuple[Any, ...]
    target: Target
    choices: int

    @property
    def context(self) -> str:
        """The prompt, before any attacker's text (empty for a perplexity)."""
        first = self.requests[0]
        return "" if first.request_type == "loglikelihood_rolling" else str(first.args[0])

    @property
    def continuations(self) -> tuple[str, ...]:
        """The choices as they follow the prompt, with the delimiter that lm-eval puts before them."""
        return tuple(request.args[1] for request in self.requests[: self.choices])


@dataclass(frozen=True)
class Leaf:
    """One lm-eval task whose requests were built once.

    Attributes:
        name: Of the task.
        task: lm-eval's task object.
        documents: In order of the task's split.
    """

    name: str
    task: Any
    documents: tuple[Document, ...]

    @property
    def reads_greedy(self) -> bool:
        """Whether a metric may look at ``is_greedy``: not so for multiple choice without exact match."""
        if self.task.OUTPUT_TYPE != "multiple_choice":
            return True
        return callable(self.task.config.process_results) or "exact_match" in self.task.aggregation()

    def samples(self) -> Iterator[Sample]:
        """What lm-eval makes of the answers that stand in the requests."""
        self.task.apply_filters()
        for document in self.documents:
            values = self._values(document)
            answers = [request.resps[0] for request in document.requests]
            yield Sample(
                self.name,
                document.index,
                document.target,
                tuple(value for value, _ in answers[: document.choices]),
                {key: float(value) for key, value in values.items() if _is_number(value)},
                {key: value for key, value in values.items() if not _is_number(value)},
                answers[0] if isinstance(answers[0], str) else None,
            )

    def main_metric(self) -> str | None:
        """The first metric that is one number per document, named as in :attr:`Sample.metrics`; None if there is none.

        lm-eval says so only when it scores, so the first document gets an answer that stands for any: no text, or a
        log-likelihood of -1 nat for the first choice, -2 for the second and so on.
        """
        first = self.documents[0]
        for place, request in enumerate(first.requests, start=1):
            answer = {"generate_until": "", "loglikelihood_rolling": -1.0}.get(request.request_type, (-place, False))
            request.resps = [answer] * request.repeats
        for each in self.task._filters:  # as lm_eval/api/task.py, apply_filters, which takes all documents
            each.apply(list(first.requests))
        return next((name for name, value in self._values(first).items() if _is_number(value)), None)

    def is_higher_better(self, metric: str) -> bool | None:
        """Which direction lm-eval says is better of a metric; None if it does not say."""
        told = self.task.higher_is_better().get(metric.partition(",")[0])
        return None if told is None else bool(told)

    def aggregate(self, samples: Sequence[Sample]) -> dict[str, float]:
        """Each metric over documents, by the task's own aggregation."""
        if not samples:
            raise ValueError(f"There are no samples of task '{self.name}' to aggregate.")
        rows = [{**sample.metrics, **sample.parts} for sample in samples]
        names = dict.fromkeys(name for row in rows for name in row)
        how = self.task.aggregation()  # a metric without an entry is averaged, as in lm_eval/evaluator_utils.py
        return {
            name: float(how.get(name.partition(",")[0], mean)([row[name] for row in rows if name in row]))
            for name in names
        }

    def _values(self, document: Document) -> dict[str, Any]:
        """Metric values of one document under each of the task's filters."""
        return {
            label(metric, key): value
            for key in document.requests[0].filtered_resps
            for metric, value in self.task.process_results(
                copy.copy(document.record),  # a task's code may edit what it gets; the next model needs it unedited
                [request.filtered_resps[key] for request in document.requests],
            ).items()
        }


def read_documents(name: str, task: Any) -> tuple[Document, ...]:  # noqa: ANN401 - lm-eval is untyped at this border
    """The documents of a task whose requests are built.

    Raises:
        UserError: The right answer of a question is none of its choices.
    """
    by_index: dict[int, list[Any]] = {}
    for request in task.instances:
        by_index.setdefault(request.doc_id, []).append(request)
    documents = []
    for index, requests in by_index.items():
        record, asks = requests[0].doc, task.OUTPUT_TYPE == "multiple_choice"
        choices = task.doc_to_choice(record) if asks else []
        target = _target(task, record, choices)
        if asks and not all(isinstance(gold, int) and 0 <= gold < len(choices) for gold in _listed(target)):
            raise UserError(
                f"Task '{name}', document {index} of {_place_of(task)}: the right answer is {target!r}, the choices "
                f"are {choices!r}. lm-eval would count every model wrong here; mend the data set or copy it anew."
            )
        ordered = tuple(sorted(requests, key=lambda request: request.idx))
        documents.append(Document(index, record, ordered, target, len(choices)))
    return tuple(documents)


def _place_of(task: Any) -> str:  # noqa: ANN401 - as above
    """Where a task's documents are from: data set (below a data root its folder), config and split."""
    split = task.config.test_split if task.has_test_docs() else task.config.validation_split
    return f"{task.DATASET_PATH}, config '{task.DATASET_NAME or 'default'}', split '{split}'"


def label(metric: str, filter_name: str) -> str:
    """Our name of lm-eval's ``metric,filter``: the metric alone where the answer was not filtered."""
    return metric if filter_name == "none" else f"{metric},{filter_name}"


def _target(task: Any, record: Any, choices: Sequence[str]) -> Target:  # noqa: ANN401 - as above
    """The right answer as the task's metrics read it (lm_eval/api/task.py, ``process_results``)."""
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return None
    gold = task.doc_to_text(record) if getattr(task, "multiple_input", 0) else task.doc_to_target(record)
    if isinstance(gold, str) and gold in choices:
        return choices.index(gold)
    if isinstance(gold, (list, tuple)):
        return tuple(each if isinstance(each, int) else str(each) for each in gold)
    return gold if isinstance(gold, int) else str(gold)


def _listed(target: Target) -> tuple[str | int | None, ...]:
    return target if isinstance(target, tuple) else (target,)


def _is_number(value: object) -> bool:
    return isinstance(value, (Real, np.bool_))
