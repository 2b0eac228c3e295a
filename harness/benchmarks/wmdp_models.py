"""The models of a WMDP benchmark: any causal language model, with a never-learned one where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.benchmarks.wmdp_domains import Domain
from harness.models import facts_of, resolved, scale_of
from harness.presets import PRESETS

DEFAULT = "zephyr-7b-beta"
"""Most published rows are about it."""
PAIRS = {"deep-ignorance-unfiltered": "deep-ignorance-filtered"}
"""The published model whose like was trained without the domain (2508.06601); there is none for the others."""
PAIR = ("target", "reference")
SMALL = "small"
"""Presets of methods and attacks for any benchmark's small models."""


@dataclass(frozen=True)
class Models:
    """Sources of the original model and of one that never learned the domain."""

    target: str
    reference: str | None

    def sources(self) -> dict[str, str]:
        """Role -> source, for those that there are."""
        return {"target": self.target} | ({"reference": self.reference} if self.reference else {})


def models_of(model: str, reference: str) -> Models:
    """Resolve what was typed.

    Args:
        model: Preset, pinned id or folder, which may hold both models; empty for the default.
        reference: Likewise; empty for the folder's or the preset's own, else none.

    Raises:
        UserError: One of them is none of these.
    """
    typed = model or DEFAULT
    pair = Path(typed)
    if (pair / PAIR[0]).is_dir():
        own = str(pair / PAIR[1]) if (pair / PAIR[1]).is_dir() else None
        return Models(str(pair / PAIR[0]), resolved(reference) if reference else own)
    target = resolved(typed)
    never_learned = reference or _published_for(target)
    return Models(target, resolved(never_learned) if never_learned else None)


def preset_of(domain: Domain, models: Models) -> str:
    """Which presets of methods and attacks suit the model."""
    return domain.name if scale_of(facts_of(models.target)) == "full" else SMALL


def _published_for(target: str) -> str:
    """Name of the never-learned model that is published for this target; empty if none is."""
    return next((pair for name, pair in PAIRS.items() if target.partition("@")[0] == PRESETS[name].repo), "")
