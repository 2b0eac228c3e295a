"""References: the methods and attacks of a site, and the site itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from leaderboard.downloads.tex import escaped

_ARXIV = re.compile(r"(?:arXiv:)?(\d{4}\.\d{4,5})(?:v\d+)?")


def site_bibtex(*, title: str, release: str, year: str) -> str:
    """The site as it stands in one build."""
    fields = {"title": f"{{{escaped(title)}}}", "year": year, "note": escaped(release)}
    return _entry("unlearning-under-attack", fields)


def methods_bibtex(named: Iterable[tuple[str, str]]) -> str:
    """One reference per method or attack that has a source.

    Args:
        named: Name and citation: an arXiv id, or words.
    """
    entries = []
    for name, citation in sorted(set(named)):
        found = _ARXIV.fullmatch(citation.strip())
        if found:
            number = found.group(1)
            fields = {
                "title": f"Source of {escaped(name)}",
                "eprint": number,
                "archiveprefix": "arXiv",
                "url": f"https://arxiv.org/abs/{number}",
            }
            entries.append(_entry(key_of(name), fields))
        elif citation.strip():
            entries.append(_entry(key_of(name), {"title": f"Source of {escaped(name)}", "note": escaped(citation)}))
    return "\n".join(entries)


def key_of(name: str) -> str:
    """A key of lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def _entry(key: str, fields: dict[str, str]) -> str:
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{body}}}\n"
