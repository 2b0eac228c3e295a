"""Boards that are steps of one experiment: growing forget sets (scalability), request after request (sustainability).

MUSE asks how utility fares along such steps (criteria 5 and 6, arXiv:2407.06460; metric specification B.2). Invariant:
every number is the board's own; a step that is missing stays a gap and is named, and nothing is read across it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.record import Spec, digest
from leaderboard.board import Board
from leaderboard.knowledge import headline
from leaderboard.labels import Label, key_of, labels_of
from leaderboard.sampling import Estimate
from leaderboard.table import Line, Table


@dataclass(frozen=True)
class Question:
    """What one benchmark parameter asks when it takes several values.

    Attributes:
        parameter: Name of the parameter; its value k > 0 (for a tuple of folds: how many) is the step, 0 is off.
        title: MUSE's word for the property.
        words: What a step is.
    """

    parameter: str
    title: str
    words: str


QUESTIONS = (
    Question(
        "requests",
        "Sustainability",
        "One unlearning request after another, each starting from the model that the one before left. Step k is the "
        "model after k requests.",
    ),
    Question(
        "scale",
        "Scalability",
        "Forget sets of growing size, each unlearned from the original model. Step k is the k-th size.",
    ),
    Question(
        "folds",
        "Scalability",
        "Forget sets of growing size, each unlearned from the original model. Step k holds the first k folds.",
    ),
)


@dataclass(frozen=True)
class Course:
    """One method over the steps; a step without a row or a value is None or an empty estimate.

    Attributes:
        utility: u at each step.
        k_before: K(0) at each step.
        raw: For each headline utility score, value and standard error at each step.
        seeds: Unlearning seeds measured before attack at each step.
    """

    key: str
    label: Label
    role: str
    utility: tuple[Estimate, ...]
    k_before: tuple[Estimate, ...]
    raw: Mapping[str, tuple[tuple[float, float] | None, ...]]
    seeds: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Experiment:
    """All methods over the steps of one question.

    Attributes:
        steps: 1 to the last step that has a board.
        boards: The table of each step, None where there is no such board.
        gaps: What is missing, in words.
        variant: What sets it apart from others that ask the same question; empty if nothing must.
    """

    key: str
    question: Question
    steps: tuple[int, ...]
    boards: tuple[Table | None, ...]
    courses: tuple[Course, ...]
    scores: tuple[str, ...]
    gaps: tuple[str, ...]
    variant: str

    @property
    def first(self) -> Board:
        """The board of the lowest step; title, scale and engine are the same on all."""
        return next(table.board for table in self.boards if table is not None)

    @property
    def notices(self) -> tuple[str, ...]:
        """What must stand wherever these numbers stand."""
        found = {table.board.notice: None for table in self.boards if table is not None and table.board.notice}
        return tuple(found)


def experiments_of(tables: Sequence[Table]) -> tuple[Experiment, ...]:
    """Every question that at least two boards answer, in the order of the questions."""
    return tuple(experiment for question in QUESTIONS for experiment in _answers(question, tables))


def _answers(question: Question, tables: Sequence[Table]) -> list[Experiment]:
    groups: dict[str, list[tuple[int, Table]]] = {}
    for table in (table for table in tables if table.board.match is None):
        step = _step(table.board.benchmark.params.get(question.parameter))
        if step:
            groups.setdefault(_rest_of(table.board, question), []).append((step, table))
    series = {key: found for group in groups.values() for key, found in _told_apart(group) if len(found) > 1}
    firsts = {key: found[min(found)].board for key, found in sorted(series.items())}
    rests = {key: _without(board.benchmark, question) for key, board in firsts.items()}
    labels = labels_of(list(rests.values()))
    engines = {board.served for board in firsts.values()}
    return [
        _experiment(
            question,
            found,
            ", ".join(part for part in (labels[key_of(rests[key])].variant, _engine(firsts[key], engines)) if part),
        )
        for key, found in sorted(series.items())
    ]


def _engine(board: Board, engines: set[str]) -> str:
    return board.served if len(engines) > 1 else ""


def _step(value: object) -> int:
    """The step that a parameter's value stands for; 0 if it is none."""
    if isinstance(value, (tuple, list)):
        return len(value) if list(value) == list(range(1, len(value) + 1)) else 0
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _without(spec: Spec, question: Question) -> Spec:
    """The specification without the step and without content, which changes with it."""
    return replace(spec, params={n: v for n, v in spec.params.items() if n != question.parameter}, content={})


def _rest_of(board: Board, question: Question) -> str:
    """What all steps have in common: settings, engine, and the weights of the original model.

    Texts differ from step to step, so that digests of content cannot say whether boards belong together; where the
    original was not measured they must.
    """
    before = [r for r in board.records if r.method.role == "original" and r.attack.family == "none" and r.measurements]
    weights = sorted({r.measurements[0].fingerprint for r in before})
    common = weights or _content(board)
    return digest([key_of(_without(board.benchmark, question)), key_of(board.engine), common])


def _content(board: Board) -> list[tuple[str, str]]:
    return sorted(board.benchmark.content.items(), key=lambda pair: pair[0])


def _told_apart(group: Sequence[tuple[int, Table]]) -> Iterator[tuple[str, dict[int, Table]]]:
    """One board per step; where two claim a step (their texts differ), only boards of equal content go together."""
    whole = dict(group)
    if len(whole) == len(group):
        yield whole[min(whole)].board.key, whole
        return
    alike: dict[str, dict[int, Table]] = {}
    for step, table in group:
        alike.setdefault(digest(_content(table.board)), {})[step] = table
    for found in alike.values():
        yield found[min(found)].board.key, found


def _experiment(question: Question, found: Mapping[int, Table], variant: str) -> Experiment:
    steps = tuple(range(1, max(found) + 1))
    boards = tuple(found.get(step) for step in steps)
    lines = [{} if table is None else {line.row.key: line for line in table.lines} for table in boards]
    specs = {key: line for at in lines for key, line in at.items()}
    own = {key for at in lines for key, line in at.items() if not line.row.guest}
    labels = labels_of([line.row.spec for line in specs.values()], guests=specs.keys() - own)
    scores = tuple(sorted({name for line in specs.values() for name in _utility_scores(line)}))
    courses = [_course(labels[key], [at.get(key) for at in lines], scores) for key in specs]
    order = {"original": 0, "reference": 1, "method": 2}
    ordered = tuple(sorted(courses, key=lambda c: (order[c.role], c.label.text, c.key)))
    return Experiment(
        key=digest([question.parameter, *[table.board.key for table in found.values()]]),
        question=question,
        steps=steps,
        boards=boards,
        courses=ordered,
        scores=scores,
        gaps=tuple(_gaps(question, boards, ordered)),
        variant=variant,
    )


def _utility_scores(line: Line) -> list[str]:
    return [name for m in line.row.before.values() for name in headline([m], "utility", "test")]


def _course(label: Label, lines: Sequence[Line | None], scores: Sequence[str]) -> Course:
    row = next(line.row for line in lines if line is not None)
    return Course(
        key=row.key,
        label=label,
        role=row.card.role,
        utility=tuple(Estimate() if line is None else line.utility for line in lines),
        k_before=tuple(Estimate() if line is None else line.k_before for line in lines),
        raw={name: tuple(None if line is None else line.scores.get(name) for line in lines) for name in scores},
        seeds=tuple(() if line is None else tuple(sorted(line.row.before)) for line in lines),
    )


def _gaps(question: Question, boards: Sequence[Table | None], courses: Sequence[Course]) -> Iterator[str]:
    """What stands between these numbers and a whole experiment."""
    names = [f"{question.parameter} = {step}" for step in range(1, len(boards) + 1)]
    for name, table in zip(names, boards, strict=True):
        if table is None:
            yield f"{name}: not run"
        else:
            yield from (f"{name}: {what} is not defined" for what in _undefined(table))
    for course in courses:
        every = {seed for seeds in course.seeds for seed in seeds}
        for name, table, seeds in zip(names, boards, course.seeds, strict=True):
            if table is not None and set(seeds) != every:
                yield f"{course.label.text} at {name}: {_missing(every, seeds)}"


def _undefined(table: Table) -> Iterator[str]:
    if not table.board.has_knowledge:
        yield "K"
    if not table.board.scale.utility["test"]:
        yield "u"


def _missing(every: set[int], seeds: Sequence[int]) -> str:
    if not seeds:
        return "not run"
    return f"seed {', '.join(str(seed) for seed in sorted(every - set(seeds)))} not run"
