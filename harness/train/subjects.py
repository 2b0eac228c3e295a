"""What questions are about, told from the documents: facts of one subject belong together, and are kept apart so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from harness.api import Item


def words(text: str) -> set[str]:
    """The words of a text in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def by_subject(items: Sequence[Item], texts: Sequence[str]) -> dict[str, list[Item]]:
    """Questions by what they are about: of their words, the one in fewest documents; those in no document are left out.

    A name stands in few documents; the words of a question stand in many or in none.
    """
    counts = Counter(word for text in texts for word in words(text))
    found: dict[str, list[Item]] = {}
    for item in items:
        told = [word for word in sorted(words(item.prompt)) if counts[word]]
        if told:
            found.setdefault(min(told, key=counts.__getitem__), []).append(item)
    return found
