"""Which articles may be shown to attackers: pure functions over texts.

Invariant: an article that shares a long rare run of words with a scored text, or from which a scored question was most
likely made, is held back as a whole. What a question was made from is a guess, see :func:`source_of`.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN = 13
"""Words in a row that show a common origin: the 13-grams of GPT-3's contamination study (2005.14165, appendix C)."""
COMMON = 5
"""A run that more articles hold is boilerplate: "this video can not be played" stands in 210 of 889 articles."""
DEV = 5
"""One article of so many, and with it its items, serves selection."""

MULTIPLIER = np.uint64(6364136223846793005)
"""Of Knuth's 64-bit generator (MMIX): odd and without pattern, as a polynomial hash needs."""

_WORD = re.compile(r"\w+")


def pieces(text: str, words: int) -> list[str]:
    """Cut a text between words into pieces of about equal length, none longer than ``words`` words.

    MUSE trains on consecutive chunks of 2,048 tokens (spec B.2 and B.3). Methods here are given text, not tokens, and
    cut what is longer than their own limit; so texts are cut before, by words, and nothing is lost to a method that
    reads whole pieces.

    Args:
        text: A document or a whole corpus; white space inside a piece stays as it is.
        words: The most words of a piece.
    """
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    count = math.ceil(len(starts) / words)
    firsts = [starts[at * len(starts) // count] for at in range(count)]
    ends = [*firsts[1:], len(text)]
    return [text[first:end].strip() for first, end in zip(firsts, ends, strict=True)]


def shared_runs(texts: Sequence[str], articles: Sequence[str]) -> list[Counter[int]]:
    """For each text, how many rare runs of words it has in common with which articles.

    Args:
        texts: Scored texts.
        articles: Where they may come from.
    """
    asked, of_text = _labelled([_runs(text) for text in texts])
    known, asked = np.unique(asked, return_inverse=True)  # from here on a run is its place among the known ones
    found = [_places(_runs(article), known) for article in articles]
    held, of_article = _labelled(found)
    rare = np.bincount(held, minlength=len(known))[held] <= COMMON
    held, of_article = held[rare], of_article[rare]

    order = np.argsort(asked, kind="stable")
    wanting = np.bincount(asked, minlength=len(known))  # texts that hold each run
    first = np.concatenate([[0], np.cumsum(wanting)])
    repeats = wanting[held]
    within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    text = of_text[order[np.repeat(first[held], repeats) + within]]
    pairs, counts = np.unique(text * len(articles) + np.repeat(of_article, repeats), return_counts=True)
    shared: list[Counter[int]] = [Counter() for _ in texts]
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        shared[pair // len(articles)][pair % len(articles)] = count
    return shared


def _labelled(rows: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All rows in one, and for each value the row it is from."""
    labels = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return (np.concatenate(rows) if rows else np.zeros(0, dtype=np.uint64)), labels


def _places(runs: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where those of the runs that are known stand among them."""
    first, end = np.searchsorted(known, runs, "left"), np.searchsorted(known, runs, "right")
    return first[end > first]


def sources_of(questions: Sequence[tuple[str, str]], articles: Sequence[str]) -> list[int]:
    """The article that each question was most likely made from.

    MUSE does not say which one it was, and this is a guess: among the articles in which the answer occurs literally
    (among all, if it occurs in none: 29 of the 100 answers of MUSE-News) the one whose words cover most of question and
    answer, each word weighted by its rarity. Another article that tells the same fact in other words is not found.

    Args:
        questions: Question and answer.
        articles: At least one.

    Returns:
        One index per question.
    """
    lowered = [article.lower() for article in articles]
    vocabularies = [set(_WORD.findall(article)) for article in lowered]
    holders = Counter(word for vocabulary in vocabularies for word in vocabulary)

    def covered(asked: set[str], index: int) -> float:
        return math.fsum(math.log(len(articles) / holders[word]) for word in sorted(asked & vocabularies[index]))

    found = []
    for question, answer in questions:
        asked = set(_WORD.findall(f"{question} {answer}".lower()))
        literal = [i for i, article in enumerate(lowered) if answer.lower() in article] or range(len(articles))
        found.append(max(literal, key=partial(covered, asked)))
    return found


def dev_keys(keys: Sequence[str]) -> frozenset[str]:
    """The fifth of the distinct keys (at least two) that serves selection: those with the smallest digests."""
    ranked = sorted(set(keys), key=lambda key: hashlib.sha256(key.encode()).hexdigest())
    return frozenset(ranked[: max(2, round(len(ranked) / DEV))])


@lru_cache(maxsize=8192)  # each article is compared several times
def _runs(text: str) -> NDArray[np.uint64]:
    """The distinct runs of a text as 64-bit hashes: among a million of them, two fall together once in 10^7 cases."""
    words = np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text.lower())], dtype=np.uint64)
    count = max(0, len(words) - RUN + 1)
    total = np.zeros(count, dtype=np.uint64)
    for at in range(RUN):
        total = total * MULTIPLIER + words[at : at + count]  # modulo 2**64
    return np.unique(total)
