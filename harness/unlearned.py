"""The unlearn stage: weights that every attack of a row shares, made once.

A checkpoint appears by rename, so its existence means completeness; a lock keeps two workers from making the same one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from harness.api import LM
from harness.errors import Diverged, UserError
from harness.faults import Fault, attempt
from harness.lm import fingerprint, load_lm, save_lm
from harness.locks import exclusive
from harness.record import Cost

FACTS = "unlearned.json"


@dataclass(frozen=True)
class Unlearned:
    """An unlearned model, fresh from disk, and what making it cost."""

    lm: LM
    cost: Cost


def unlearned(folder: Path, make: Callable[[], tuple[LM, Cost]], *, run_id: str) -> Unlearned:
    """Load the weights in ``folder``, making them first if they are not there.

    The weights are always read back from disk, so a cell gives the same numbers whether or not it made them. A folder
    that an earlier call left and that cannot be read, or holds other weights than were saved, is made again once.

    Args:
        folder: Where the checkpoint is or will be; its parent holds locks and notes of failures.
        make: Unlearns and returns the model with its cost.
        run_id: Names the current run: what failed in this run is not tried again for every attack, only by the next.

    Raises:
        UserError: Unlearning failed, left weights that are not finite, or gave a model that cannot be reloaded.
    """
    with exclusive(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            kept = attempt(lambda: _read(folder))
            if not isinstance(kept, Fault):
                return kept
            shutil.rmtree(folder)
        _make(folder, make, run_id)
        made = attempt(lambda: _read(folder))
        if isinstance(made, Fault):
            shutil.rmtree(folder)
            reason = (
                f"{made.reason} It was saved a moment ago: the method gave lm.model another architecture, or the disk "
                "is faulty. Mend the method."
            )
            _note(folder, run_id, reason)
            raise UserError(reason) from made.error
        return made


def require_finite(model: nn.Module, whose: str) -> None:
    """Refuse weights with NaN or infinities.

    Raises:
        Diverged: Some parameter is not finite.
    """
    bad = [name for name, weights in model.named_parameters() if not bool(torch.isfinite(weights).all())]
    if bad:
        raise Diverged(
            f"{whose} left NaN or infinite values in {len(bad)} weight tensors (first: {bad[0]}). "
            "It diverged; a lower learning rate may help."
        )


def _read(folder: Path) -> Unlearned:
    lm = load_lm(folder)
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if fingerprint(lm.model) != facts["fingerprint"]:
        raise UserError(f"The weights in {folder} are not those that were saved there.")
    return Unlearned(lm, Cost(**facts["cost"]))


def _make(folder: Path, make: Callable[[], tuple[LM, Cost]], run_id: str) -> None:
    _refuse_again(folder, run_id)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    made = attempt(lambda: _save(partial, *make()))
    if isinstance(made, Fault):
        shutil.rmtree(partial, ignore_errors=True)
        _note(folder, run_id, made.reason)
        raise UserError(made.reason) from made.error
    partial.rename(folder)
    _note_of(folder).unlink(missing_ok=True)


def _save(folder: Path, lm: LM, cost: Cost) -> None:
    folder.mkdir(parents=True)
    save_lm(lm, folder)
    facts = {"fingerprint": fingerprint(lm.model), "cost": asdict(cost)}
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _note_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.failed.json")


def _note(folder: Path, run_id: str, reason: str) -> None:
    _note_of(folder).write_text(json.dumps({"run": run_id, "reason": reason}), encoding="utf-8")


def _refuse_again(folder: Path, run_id: str) -> None:
    note = _note_of(folder)
    told = attempt(lambda: dict(json.loads(note.read_text(encoding="utf-8")))) if note.exists() else {}
    if not isinstance(told, Fault) and told.get("run") == run_id:  # a note cut short is worth no more than none
        raise UserError(f"Its unlearning failed earlier in this run: {told['reason']}")
