"""References: the methods and attacks of a site, and the site itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from leaderboard.downloads.tex import escaped
from leaderboard.slugs import distinct_stem

_ARXIV = re.compile(r"(?:arXiv:)?(\d{4}\.\d{4,5})(?:v\d+)?")


def site_bibtex(*, title: str, release: str, year: str) -> str:
    """The site as it stands in one build."""
    fields = {"title": f"{{{escaped(title)}}}", "year": year, "note": escaped(release)}
    return _entry("unlearning-under-attack", fields)


def methods_bibtex(named: Iterable[tuple[str, str, str]]) -> str:
    """One reference per method or attack that has a source; the first of several of one name.

    Args:
        named: ``method`` or ``attack``, name, and citation: an arXiv id, or words.
    """
    entries = []
    distinct = {(kind, name): citation for kind, name, citation in sorted(set(named), reverse=True)}
    for (kind, name), citation in sorted(distinct.items()):
        key = distinct_stem(name) if kind == "method" else f"{kind}-{distinct_stem(name)}"
        found = _ARXIV.fullmatch(citation.strip())
        if found:
            number = found.group(1)
            fields = {
                "title": f"Source of {escaped(name)}",
                "eprint": number,
                "archiveprefix": "arXiv",
                "url": f"https://arxiv.org/abs/{number}",
            }
            entries.append(_entry(key, fields))
        elif citation.strip():
            entries.append(_entry(key, {"title": f"Source of {escaped(name)}", "note": escaped(citation)}))
    return "\n".join(entries)


def _entry(key: str, fields: dict[str, str]) -> str:
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{body}}}\n"
