"""The two models of a benchmark on any causal language model: the one that learned everything, and one that never did.

Both may lie in one folder, ``target/`` and ``reference/``; a published target brings the never-learned model that was
published with it, from where the target itself is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.models import facts_of, resolved, scale_of
from harness.presets import PRESETS, beside, is_preset

TARGET, REFERENCE = "target", "reference"
"""Folders of a pair, and the roles of its models."""
SMALL = "small"
"""Presets of methods and attacks for any benchmark's small models."""


@dataclass(frozen=True)
class Pair:
    """Sources of both models.

    Attributes:
        target: The original model.
        reference: One that never learned what is to be forgotten; None where there is none.
        folder: The folder that both are in; None where they come from elsewhere.
    """

    target: str
    reference: str | None
    folder: Path | None = None

    def sources(self) -> dict[str, str]:
        """Role -> source, for those that there are."""
        return {TARGET: self.target} | ({REFERENCE: self.reference} if self.reference else {})


def pair_of(model: str, reference: str, published: Mapping[str, str]) -> Pair:
    """Resolve what was typed.

    Args:
        model: Preset, pinned id, or folder, which may hold both models.
        reference: Likewise for the never-learned one; empty: the folder's own or the published one, else none.
        published: Preset of a target -> preset of the never-learned model that was published with it.

    Raises:
        UserError: One of them is none of these.
    """
    folder = Path(model)
    if (folder / TARGET).is_dir():
        own = str(folder / REFERENCE) if (folder / REFERENCE).is_dir() else None
        return Pair(str(folder / TARGET), resolved(reference) if reference else own, folder)
    target = resolved(model)
    return Pair(target, resolved(reference) if reference else _published_with(target, published))


def preset_for(benchmark: str, target: str) -> str:
    """Which presets of methods and attacks suit a model: the benchmark's own, or those for small models."""
    return benchmark if scale_of(facts_of(target)) == "full" else SMALL


def _published_with(target: str, published: Mapping[str, str]) -> str | None:
    """The never-learned model that belongs to a target: for a copy only the copy under the same root."""
    name = next((other for own, other in published.items() if is_preset(target, own)), None)
    if name is None or not Path(target).is_dir():
        return name and resolved(name)
    copy = beside(target, PRESETS[name].repo)
    return str(copy) if copy.is_dir() else None
