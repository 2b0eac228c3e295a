"""What happens to one cell: unlearn, attack, evaluate every point.

A stage starts from files and a seed only, never from what ran before it in the same process.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from harness.api import LM, AttackerData, Benchmark, Engine, Method, NotApplicable
from harness.attacking import Scorer, Seen, attacked, scoring
from harness.cell import RANGE_TEST_VERSION, Cell, digest
from harness.components import attack_card, method_card, rebuild, role_of
from harness.cost import Meter
from harness.course import dev_ruler
from harness.errors import UserError
from harness.lm import fingerprint, load_lm
from harness.locks import exclusive
from harness.matching import matched_share, move
from harness.plan import Planned
from harness.provenance import provenance
from harness.range_test import reference_lr
from harness.record import SCHEMA, Cost, Record
from harness.registry import KINDS, Kind, find
from harness.ruler import Ruler
from harness.sequence import previous
from harness.train.processes import position, said_by_first
from harness.unlearned import Unlearned, require_finite, unlearned

RANGE_TEST_SEED = 0


class RangeTest(Protocol):
    """Finds the reference learning rate of an original model."""

    def __call__(self, lm: LM, *, unrelated: Sequence[str], utility: Sequence[str], seed: int) -> float:
        """The largest learning rate that trains well on ``unrelated`` and does not cost ``utility``."""


@dataclass(frozen=True)
class Stages:
    """Executes planned cells; built components stay warm from cell to cell.

    Attributes:
        scratch: Folder for unlearned weights and range tests.
        run_id: Names the current run, see :func:`harness.unlearned.unlearned`.
        range_test: Run once per original model, its result is kept in scratch.
    """

    scratch: Path
    run_id: str
    range_test: RangeTest = reference_lr
    _built: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, planned: Planned) -> Record:
        """Unlearn, attack and evaluate one cell.

        Raises:
            UserError: Something in the cell failed in a way that can be named.
        """
        parts = {kind: self._component(planned, kind) for kind in KINDS}
        benchmark, attack = parts["benchmark"], parts["attack"]
        data = self._attacker_data(planned, benchmark)  # first: its range test needs room for a model of its own
        made = self._unlearned(planned.cell, benchmark, parts["method"])
        share, unmatched = self._matched(planned.cell, benchmark, parts["engine"], made.lm)
        stamp = provenance(
            [find(kind, getattr(planned.cell, kind).name) for kind in KINDS],
            device=made.lm.model.device,
            dtype=made.lm.model.dtype,
        )
        seen = Seen((), unmatched, Cost()) if unmatched else self._attacked(planned, parts, made.lm, data)
        return Record(
            schema=SCHEMA,
            id=planned.id,
            cell=planned.cell,
            benchmark=benchmark.card(),
            method=method_card(parts["method"], planned.setting),
            attack=attack_card(attack),
            measurements=seen.measurements,
            not_applicable=seen.not_applicable,
            reference_lr=data.reference_lr,
            unlearn_cost=made.cost,
            attack_cost=seen.cost,
            provenance=stamp,
            share=share,
        )

    def _attacked(self, planned: Planned, parts: Mapping[Kind, Any], lm: LM, data: AttackerData) -> Seen:
        cell, attack, benchmark, engine = planned.cell, parts["attack"], parts["benchmark"], parts["engine"]
        scorer = Scorer(
            evaluate=scoring(benchmark, attack),
            engine=engine,
            attack=cell.attack.name,
            notes=self.scratch / "attacks" / f"{planned.id}.jsonl",
            ruler=lambda: self._ruler(cell, benchmark, engine),
        )
        if attack.threat.base_model:
            data = dataclasses.replace(data, original=partial(load_lm, benchmark.target()))
        seed_everything(cell.seed)
        return attacked(lm, attack, data, scorer, seed=cell.seed)

    def _ruler(self, cell: Cell, benchmark: Benchmark, engine: Engine) -> Ruler:
        """K and u on dev items, measured once in the life of a worker."""
        key = digest(["ruler", dataclasses.asdict(cell.benchmark), dataclasses.asdict(cell.engine)])
        if key not in self._built:
            self._built[key] = dev_ruler(benchmark, engine)
        ruler: Ruler = self._built[key]
        return ruler

    def _component(self, planned: Planned, kind: Kind) -> Any:  # noqa: ANN401 - whatever class the plugin provides
        spec, runtime = getattr(planned.cell, kind), planned.runtime[kind]
        key = digest([kind, dataclasses.asdict(spec), dict(runtime)])
        if key not in self._built:
            self._built[key] = rebuild(kind, spec, runtime)
        return self._built[key]

    def unlearn(self, planned: Planned) -> Path:
        """Make the unlearned weights of a cell unless they are there; every process of a team calls it alike.

        All of them compute, and the first one writes; requests that the cell continues come before it.

        Raises:
            UserError: As ``__call__``.
        """
        benchmark, method = (self._component(planned, kind) for kind in ("benchmark", "method"))
        return self._prepared(planned.cell, benchmark, method)

    def _prepared(self, cell: Cell, benchmark: Benchmark, method: Method) -> Path:
        before = previous(cell, benchmark, method)
        if before is not None:
            self._prepared(*before, method)
        folder = self._folder(cell)
        if said_by_first(folder.exists()):  # not before the first one has written what came before
            return folder
        if position() == 0:
            self._unlearned(cell, benchmark, method)
        else:
            self._made(cell, benchmark, method)
        return folder

    def _unlearned(self, cell: Cell, benchmark: Benchmark, method: Method) -> Unlearned:
        """The unlearned model of a cell; its cost is that of its own request, not of those that it continues."""
        return unlearned(self._folder(cell), partial(self._made, cell, benchmark, method), run_id=self.run_id)

    def _folder(self, cell: Cell) -> Path:
        return self.scratch / "unlearned" / cell.unlearn_id

    def _made(self, cell: Cell, benchmark: Benchmark, method: Method) -> tuple[LM, Cost]:
        lm = self._start(cell, benchmark, method)
        seed_everything(cell.seed)
        with Meter(lm.model) as meter:
            method.unlearn(lm, benchmark.corpora(), seed=cell.seed)
        require_finite(lm.model, f"Method '{cell.method.name}'")
        return lm, meter.cost()

    def _start(self, cell: Cell, benchmark: Benchmark, method: Method) -> LM:
        """The model that a method is given: the original, or what it left of it after the request before."""
        before = previous(cell, benchmark, method)
        if before is not None:
            return self._unlearned(*before, method).lm
        source = benchmark.reference() if role_of(method) == "reference" else benchmark.target()
        if source is None:
            raise UserError(f"{cell.benchmark.name} has no never-learned model. Leave this method out.")
        return load_lm(source)

    def _matched(self, cell: Cell, benchmark: Benchmark, engine: Engine, lm: LM) -> tuple[float, str]:
        """Put the model where the cell wants it.

        Returns:
            The share of its update at which it stands now, and why it cannot be matched: empty if it was.
        """
        if cell.match is None:
            return 1.0, ""
        match = cell.match

        def search() -> dict[str, Any]:
            try:
                return {"share": matched_share(match, benchmark, engine, lm), "reason": ""}
            except NotApplicable as error:
                return {"share": 1.0, "reason": str(error)}

        made = [cell.unlearn_id, fingerprint(lm.model)]  # made anew elsewhere, it may be another model
        key = digest([*made, dataclasses.asdict(match), dataclasses.asdict(cell.engine)])
        found = _kept(self.scratch / "matched" / f"{key}.json", search)
        if not found["reason"]:
            move(lm, load_lm(benchmark.target()), found["share"])
        return found["share"], found["reason"]

    def _attacker_data(self, planned: Planned, benchmark: Benchmark) -> AttackerData:
        """What attackers see, with the range-tested rate of this original model."""
        data = benchmark.attacker_data(1.0)
        rated = digest([RANGE_TEST_VERSION, dataclasses.asdict(planned.cell.benchmark)])
        path = self.scratch / "range" / f"{rated}.json"
        found = _kept(path, lambda: {"reference_lr": self._reference_lr(benchmark, data)})
        return dataclasses.replace(data, reference_lr=found["reference_lr"])

    def _reference_lr(self, benchmark: Benchmark, data: AttackerData) -> float:
        lm = load_lm(benchmark.target())
        seed_everything(RANGE_TEST_SEED)
        retain = benchmark.corpora().retain
        rate = self.range_test(lm, unrelated=data.unrelated, utility=retain, seed=RANGE_TEST_SEED)
        if not (math.isfinite(rate) and rate > 0):
            raise UserError(
                f"The range test gave a learning rate of {rate}. The original model cannot be trained; check it."
            )
        return rate


def seed_everything(seed: int) -> None:
    """Put the global generators at the seed: ours use local ones, a third party's code may not."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file of scratch says, made first if there is none; of several workers one makes it."""
    with exclusive(path.with_suffix(".lock")):
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(make()), encoding="utf-8")
            partial.replace(path)
    return dict(json.loads(path.read_text(encoding="utf-8")))
