"""A packed folder as the site shows it: who handed it in, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from leaderboard.collection import Submission
from leaderboard.submissions.check import check, sorted_problems


def handed_in(folder: Path, *, preview: bool = False) -> Submission:
    """Read and check one submission; what cannot be read is said among its problems.

    Args:
        folder: What `harness submit pack` wrote.
        preview: Whether it is shown to its author alone.
    """
    found = check(folder)
    about = found.about
    return Submission(
        folder=folder.name,
        method=about.method if about else folder.name,
        authors=tuple(about.authors) if about else (),
        links=dict(about.links) if about else {},
        licence=about.licence if about else "not said",
        date=max((record.provenance.started[:10] for record in found.records), default="not known"),
        note=about.note if about else "",
        records=found.records,
        problems=tuple(sorted_problems(found.problems)),
        preview=preview,
    )
