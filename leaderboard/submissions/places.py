"""Whose is what in a results folder: read off the place where it lies, for what lies there says anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leaderboard.submissions.about import ABOUT
from leaderboard.submissions.pack import SUMS

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


def is_submission(folder: Path) -> bool:
    """Whether somebody packed this folder."""
    return (folder / ABOUT).is_file() or (folder / SUMS).is_file()


def places_in(folder: Path) -> Places:
    """Under ``submissions/`` everything is somebody else's, and so is whatever looks like a packed entry elsewhere.

    What lies in there is no rerun, whatever it is called: a rerun is the maintainers' word for or against an entry.
    """
    here = folder.resolve()
    if is_submission(folder) or here.parent.name == SUBMISSIONS:
        return Places((folder,), (), frozenset([folder]))
    if here.name == REPRODUCED:
        return Places((), (folder,), frozenset([folder]))
    inner = sorted(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())
    homes = [path for path in inner if path.name == SUBMISSIONS] + ([folder] if here.name == SUBMISSIONS else [])
    packed: list[Path] = []
    reruns: list[Path] = []
    for path in inner:
        if set(path.parents) & {*packed, *reruns}:
            continue
        if path.parent in homes or is_submission(path):
            packed.append(path)
        elif path.name == REPRODUCED:
            reruns.append(path)
    return Places(tuple(packed), tuple(reruns), frozenset([*packed, *reruns, *homes]))
