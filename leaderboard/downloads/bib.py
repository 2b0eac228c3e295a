"""References: the methods and attacks of a site, and the site itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from leaderboard.downloads.cells import Newest
from leaderboard.downloads.tex import escaped
from leaderboard.slugs import distinct_stem

_ARXIV = re.compile(r"(?:arXiv:)?(\d{4}\.\d{4,5})(?:v\d+)?")


def site_bibtex(*, title: str, release: str, made: Newest, notices: Sequence[str], repository: str = "") -> str:
    """The site as it stands in one build.

    Args:
        title: Of the site.
        release: What the site says of itself.
        made: When its newest records were made, and by which harness.
        notices: What must stand wherever its numbers stand.
        repository: Where it comes from; may be empty.
    """
    commits = f"Harness commit {', '.join(made.commits)}." if made.commits else ""
    note = " ".join(part for part in (release, commits, *notices) if part)
    fields = {"title": f"{{{_text(title)}}}", "year": made.started[:4], "note": _text(note)}
    fields |= {"url": repository} if repository else {}
    return _entry("unlearning-under-attack", fields)


def methods_bibtex(named: Iterable[tuple[str, str, str]], *, notices: Sequence[str] = ()) -> str:
    """One reference per method or attack that has a source; the first of several of one name.

    Args:
        named: ``method`` or ``attack``, name, and citation: an arXiv id, or words.
        notices: What must stand wherever the site's numbers stand; said once before the first entry.
    """
    entries = []
    distinct = {(kind, name): citation for kind, name, citation in sorted(set(named), reverse=True)}
    for (kind, name), citation in sorted(distinct.items()):
        key = distinct_stem(name) if kind == "method" else f"{kind}-{distinct_stem(name)}"
        found = _ARXIV.fullmatch(citation.strip())
        if found:
            number = found.group(1)
            fields = {
                "note": f"Source of {_text(name)}",
                "eprint": number,
                "archiveprefix": "arXiv",
                "url": f"https://arxiv.org/abs/{number}",
            }
            entries.append(_entry(key, fields))
        elif citation.strip():
            entries.append(_entry(key, {"note": f"Source of {_text(name)}: {_text(citation)}"}))
    return _comment(notices) + "\n".join(entries)


def _comment(notices: Sequence[str]) -> str:
    """A line before the entries: BibTeX passes over whatever holds no @."""
    words = " ".join(" ".join(notices).replace("@", " ").split())
    return f"% {words}\n\n" if words else ""


def _text(text: str) -> str:
    """Text that prints as itself; BibTeX counts braces with a backslash before them as well, so there are none."""
    return escaped(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def _entry(key: str, fields: dict[str, str]) -> str:
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{body}}}\n"
