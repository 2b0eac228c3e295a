"""Whose is what in a results folder: read off the place where it lies, for what lies there says anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leaderboard.submissions.check import is_submission

SUBMISSIONS, REPRODUCED = "submissions", "reproduced"


@dataclass(frozen=True)
class Places:
    """Parts of a results folder.

    Attributes:
        packed: Folders that others handed in.
        reruns: Folders of cells that were measured again.
        apart: Everything that is not the maintainers' own.
    """

    packed: tuple[Path, ...]
    reruns: tuple[Path, ...]
    apart: frozenset[Path]


def places_in(folder: Path) -> Places:
    """Under ``submissions/`` everything is somebody else's, and so is whatever looks like a packed entry elsewhere."""
    if is_submission(folder) or folder.resolve().parent.name == SUBMISSIONS:
        return Places((folder,), (), frozenset([folder]))
    inner = sorted(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())
    reruns = [path for path in inner if path.name == REPRODUCED]
    packed: list[Path] = []
    for path in inner:
        within = set(path.parents) & {*packed, *reruns}
        if not within and (path.parent.name == SUBMISSIONS or is_submission(path)):
            packed.append(path)
    apart = frozenset([*packed, *reruns, *(path for path in (folder, *inner) if path.name == SUBMISSIONS)])
    return Places(tuple(packed), tuple(reruns), apart)
