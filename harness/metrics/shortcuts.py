"""What a guesser scores who looks at the options and knows nothing: the floor below which accuracy proves no knowledge.

Pure functions of the questions; no model is asked. F features per option, M options in all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 10
_WORD = re.compile(r"\w+")
_SWEEPING = re.compile(r"\b(all|none|both|neither|never|always|not|only)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A question with its options, one of which is right.

    Attributes:
        text: The question as the data set has it.
        options: In the order in which they are shown.
        right: Index of the right one.
    """

    text: str
    options: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Floor:
    """Accuracies of guessers without knowledge, each in 0..1.

    Attributes:
        chance: Of picking any option.
        longest: Of picking the longest option.
        shortest: Of picking the shortest option.
        surface: Of a classifier of surface features, on questions it was not fitted to.
    """

    chance: float
    longest: float
    shortest: float
    surface: float

    @property
    def value(self) -> float:
        """The best guesser's accuracy: what a model must exceed to show knowledge."""
        return max(self.chance, self.longest, self.shortest, self.surface)


@lru_cache(maxsize=16)
def floor_of(questions: tuple[Question, ...], *, seed: int = 0) -> Floor:
    """Floor of a set of questions.

    Args:
        questions: At least two.
        seed: Of the folds of the classifier.
    """
    if len(questions) < 2:
        raise ValueError(f"A floor is measured on at least two questions, got {len(questions)}.")
    chance = fmean(1 / len(question.options) for question in questions)
    return Floor(chance, longest(questions), shortest(questions), surface(questions, seed=seed))


def longest(questions: Sequence[Question]) -> float:
    """Accuracy of picking the longest option (characters); equally long ones are picked equally often."""
    return fmean(_extreme(question, max) for question in questions)


def shortest(questions: Sequence[Question]) -> float:
    """Accuracy of picking the shortest option (characters); equally short ones are picked equally often."""
    return fmean(_extreme(question, min) for question in questions)


def surface(questions: Sequence[Question], *, seed: int) -> float:
    """Accuracy of a logistic regression on :func:`features`, cross-validated; questions of one text share a fold.

    Args:
        questions: At least two.
        seed: Of the folds.
    """
    texts = sorted({question.text for question in questions})
    order = np.random.default_rng(seed).permutation(len(texts))
    fold_of = {texts[place]: int(turn) % FOLDS for turn, place in enumerate(order)}
    folds = np.array([fold_of[question.text] for question in questions])
    tables = [features(question) for question in questions]
    hits = [_hits(questions, tables, folds == fold) for fold in sorted(set(folds.tolist()))]
    return sum(map(sum, hits)) / len(questions)


def features(question: Question) -> NDArray[np.float64]:
    """What can be seen of each option without understanding it, (options, F).

    Length in characters and words, absolute, relative and by rank; digits, commas, hyphens, brackets, capitals;
    sweeping words; words shared with the question and with the other options; place among the options.
    """
    columns: list[Sequence[float]] = []
    for measure in (len, lambda option: len(_words(option))):
        sizes = [float(measure(option)) for option in question.options]
        columns += [np.log1p(sizes).tolist(), _relative(sizes), _ranks(sizes)]
    for count in _COUNTS:
        columns.append(_relative([count(option) for option in question.options], scale=False))
    asked, said = set(_words(question.text)), [set(_words(option)) for option in question.options]
    columns.append([len(words & asked) / max(1, len(words)) for words in said])
    columns.append(_relative([float(len(words & asked)) for words in said], scale=False))
    columns.append([_likeness(said, place) for place in range(len(said))])
    columns += np.eye(len(said))[:, :4].T.tolist()
    return np.asarray(columns, dtype=np.float64).T


def _hits(questions: Sequence[Question], tables: list[NDArray[np.float64]], held: NDArray[np.bool_]) -> list[bool]:
    """Whether each held-out question is answered right by a classifier of the options of all others."""
    fitted, asked = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(fitted):
        raise ValueError("All questions have the same text, so nothing can be held out.")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    labels = [place == questions[at].right for at in fitted for place in range(len(questions[at].options))]
    classifier.fit(np.concatenate([tables[at] for at in fitted]), labels)  # (M, F)
    return [int(classifier.decision_function(tables[at]).argmax()) == questions[at].right for at in asked]


def _extreme(question: Question, pick: Callable[[list[int]], int]) -> float:
    """Chance of a right answer for one who picks an option of extreme length."""
    sizes = [len(option) for option in question.options]
    wanted = pick(sizes)
    return (sizes[question.right] == wanted) / sizes.count(wanted)


def _relative(values: Sequence[float], *, scale: bool = True) -> list[float]:
    """Difference from the mean over the question's options, in units of the mean if ``scale``."""
    mean = fmean(values)
    unit = mean if scale and mean > 0 else 1.0
    return [(value - mean) / unit for value in values]


def _ranks(values: Sequence[float]) -> list[float]:
    """Share of the other options that are smaller, ties counted half."""
    others = max(1, len(values) - 1)
    return [(sum(v < value for v in values) + 0.5 * (values.count(value) - 1)) / others for value in values]


def _likeness(said: Sequence[set[str]], place: int) -> float:
    """Mean Jaccard index of an option's words with those of every other option."""
    mine = said[place]
    others = [words for other, words in enumerate(said) if other != place]
    return fmean(len(mine & words) / max(1, len(mine | words)) for words in others)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


_COUNTS: tuple[Callable[[str], float], ...] = (
    lambda option: float(sum(letter.isdigit() for letter in option)),
    lambda option: float(option.count(",")),
    lambda option: float(option.count("-")),
    lambda option: float(option.count("(")),
    lambda option: float(sum(letter.isupper() for letter in option)),
    lambda option: float(len(_SWEEPING.findall(option))),
)
