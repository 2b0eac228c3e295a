"""What attackers of a MUSE benchmark see: those of the board, and those that a search for settings is judged by."""

from __future__ import annotations

import dataclasses
from functools import partial

from harness.api import AttackerData, Engine, Evaluation, Item, Prompts, Selection
from harness.benchmarks import muse_scores
from harness.benchmarks.muse_sheets import Mode
from harness.benchmarks.muse_world import LEAST, World, halves
from harness.errors import UserError


def attacker_data(world: World, reference_lr: float) -> AttackerData:
    """Articles with nothing scored in them, and the questions that MUSE shows solved."""
    return AttackerData(
        forget=world.attacker_forget,
        near=world.near,
        unrelated=world.unrelated,
        items=[_solved(item) for item in world.solved_forget],
        utility_items=[_solved(item) for item in world.solved_retain],
        reference_lr=reference_lr,
        writes=True,
    )


def selection(world: World, mode: Mode, words: int, reference_lr: float) -> tuple[Selection, ...]:
    """The articles of dev items in two halves: the attacker owns one, the items of the other are asked.

    Args:
        world: The records.
        mode: Whose definitions.
        words: The most words of a piece.
        reference_lr: Of the original model.

    Raises:
        UserError: A half has too few items for a score.
    """
    data = attacker_data(world, reference_lr)
    found = []
    for shown, asked in halves(world, words):
        for name, part in (("VerbMem", asked.verbmem), ("KnowMem", asked.knowmem_forget)):
            if len(part) < LEAST:
                raise UserError(
                    f"Half of the dev articles have {len(part)} {name} items, and a score needs {LEAST}, so no setting "
                    "can be chosen on these records. Tune on more records, or on a pocket benchmark."
                )
        attacker = dataclasses.replace(data, forget=shown, items=())
        found.append(Selection(attacker, partial(_evaluate_dev, asked, mode)))
    return tuple(found)


def _evaluate_dev(world: World, mode: Mode, engine: Engine, prompts: Prompts) -> Evaluation:
    scores = muse_scores.evaluate(world, mode, engine, prompts, attacked=True).scores
    return Evaluation({name: score for name, score in scores.items() if score.split == "dev"})


def _solved(item: Item) -> Item:
    """A solved question whose answer brings the space before it, as documents of attackers do."""
    return Item(item.prompt.removesuffix(" "), " " + item.answer)
