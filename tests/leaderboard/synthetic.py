"""Synthetic records: a board is made of stops whose K and utility are said outright."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from harness.api import Access, BenchmarkCard, Family, Point, Role, Score, Threat
from harness.cell import Cell, Spec, Value
from harness.record import AttackCard, Cost, Measurement, MethodCard, Provenance, Record

ITEMS = 200
CARD = BenchmarkCard("Toy", "pocket", "a toy model", "Only a toy.", ("A note on the toy.",))
COST = Cost(2.5, 10, 20.0, 10.0, 2_000, 2**20, 2_000.0, 1_000.0)
PROVENANCE = Provenance(
    "0.1.0",
    "abcdef0123456789",
    False,
    "3.11.2",
    {"torch": "2.0"},
    {"toy": "1"},
    "cpu",
    "float32",
    1,
    "2026-01-02T03:04",
)


def score(value: float, axis: str = "forget", *, split: str = "test", chance: float = 0.0, items: int = ITEMS) -> Score:
    """A headline score whose per-item values are zeros and ones, shuffled by the value alone."""
    hits = round(value * items)
    values = [1.0] * hits + [0.0] * (items - hits)
    random.Random(hits).shuffle(values)
    better = "lower" if axis == "forget" else "higher"
    return Score.mean_of(values, axis=axis, better=better, split=split, headline=True, chance=chance)  # type: ignore[arg-type]


def stop(
    k: float, u: float = 1.0, *, dev: tuple[float, float] | None = None, budget: int = 0, series: str = ""
) -> Measurement:
    """A stop with one forget and one utility score: floor 0 and original 1, so that values are K and u themselves.

    Args:
        k: Test K.
        u: Test utility.
        dev: (K, utility) on dev items; as on test items if not given.
        budget: Forget tokens.
        series: Which run of the attack.
    """
    dev_k, dev_u = dev or (k, u)
    scores = {
        "qa": score(k),
        "use": score(u, "utility"),
        "dev_qa": score(dev_k, split="dev"),
        "dev_use": score(dev_u, "utility", split="dev"),
    }
    return Measurement(Point(budget, series), sha256(f"{k} {u}".encode()).hexdigest(), scores)


def record(  # noqa: PLR0913 - a record has this many sides
    method: str = "alpha",
    stops: Sequence[Measurement] = (),
    *,
    role: Role = "method",
    attack: str = "none",
    family: Family = "none",
    seed: int = 0,
    params: Mapping[str, float | str] | None = None,
    attack_params: Mapping[str, float] | None = None,
    base_model: bool = False,
    access: Access = "weights",
    benchmark: str = "toy",
    card: BenchmarkCard = CARD,
    not_applicable: str = "",
    cost: Cost = COST,
) -> Record:
    """One finished cell."""
    cell = Cell(
        benchmark=Spec(benchmark, 1),
        method=Spec(method, 1, dict(params or {})),
        attack=Spec(attack, 1, dict(attack_params or {})),
        engine=Spec("engine", 1),
        seed=seed,
    )
    return Record(
        schema=1,
        id=cell.id,
        cell=cell,
        benchmark=card,
        method=MethodCard(f"What {method} does.", role, "gradient", "arXiv:0000.00000"),
        attack=AttackCard(f"What {attack} does.", family, Threat(access, "forget", base_model), ""),
        measurements=tuple(stops),
        not_applicable=not_applicable,
        reference_lr=1e-3,
        unlearn_cost=cost,
        attack_cost=Cost(),
        provenance=PROVENANCE,
    )


def moved(
    made: Record,
    params: Mapping[str, Value] | None = None,
    *,
    content: Mapping[str, str] | None = None,
    engine: Spec = Spec("engine", 1),  # noqa: B008 - a frozen value
    dtype: str = "float32",
) -> Record:
    """The record as if it had been made under another benchmark setting, content, engine or dtype."""
    benchmark = Spec(made.cell.benchmark.name, 1, dict(params or {}), dict(content or {}))
    cell = replace(made.cell, benchmark=benchmark, engine=engine)
    return replace(made, cell=cell, id=cell.id, provenance=replace(made.provenance, dtype=dtype))


def controls(attacks: Mapping[str, tuple[Family, Sequence[Measurement]]] | None = None) -> list[Record]:
    """The original (K = 1) and the never-learned model (K = 0), unattacked and under the given attacks."""
    made = [
        record("original", [stop(1.0)], role="original"),
        record("never", [stop(0.0)], role="reference"),
    ]
    for name, (family, stops) in (attacks or {}).items():
        made.append(record("original", [stop(1.0)], role="original", attack=name, family=family))
        made.append(record("never", stops, role="reference", attack=name, family=family))
    return made


def demo(seeds: int = 1) -> list[Record]:
    """A board with every section, several attacks and a relearning curve."""
    plan: dict[str, tuple[float, float, float]] = {
        "gradient_up": (0.0, 0.12, 0.05),
        "steady": (0.05, 0.97, 0.30),
        "firm": (0.12, 0.93, 0.42),
        "fragile": (0.02, 0.99, 0.85),
        "lazy": (0.70, 0.99, 0.95),
        "patchy": (0.08, 0.96, 0.55),
    }
    tokens = (0, 120, 480, 1_500, 6_000, 24_000)
    reteach = [stop(0.01 * i, 1.0, budget=t, series="N=60") for i, t in enumerate(tokens)]
    made = controls({"relearn": ("relearn", reteach)})
    made += controls({"round": ("edit", [stop(0.0, series="8-bit"), stop(0.02, 0.5, series="3-bit")])})[2:]
    made += controls({"ask": ("prompt", [stop(0.03, series="few-shot", budget=90)])})[2:]
    for seed in range(seeds):
        for name, (k, u, top) in plan.items():
            wobble = 0.02 * seed
            curve = [stop(k + (top - k) * i / 5 + wobble, u, budget=t, series="N=60") for i, t in enumerate(tokens)]
            made.append(record(name, [stop(k + wobble, u)], seed=seed))
            made.append(record(name, curve, attack="relearn", family="relearn", seed=seed))
            if name != "patchy":
                edits = [stop(k + 0.01, u, series="8-bit"), stop(k + 0.2, u * 0.6, series="3-bit")]
                made.append(record(name, edits, attack="round", family="edit", seed=seed))
            made.append(
                record(name, [stop(k, u, series="few-shot", budget=90)], attack="ask", family="prompt", seed=seed)
            )
    return made


def many(rows: int) -> list[Record]:
    """A board of so many methods in every section, under three attacks, each with a relearning curve."""
    chance = random.Random(0)
    tokens = (0, 100, 1_000, 10_000)
    made = controls({"relearn": ("relearn", [stop(0.02 * i, budget=t, series="all") for i, t in enumerate(tokens)])})
    made += controls({"round": ("edit", [stop(0.0, series="4-bit")])})[2:]
    made += controls({"ask": ("prompt", [stop(0.02, series="few-shot", budget=90)])})[2:]
    for number in range(rows):
        k, top, u = chance.uniform(0, 0.3), chance.uniform(0.3, 1.0), min(1.0, chance.uniform(0.82, 1.05))
        name = f"method_{number:04}"
        curve = [stop(k + (top - k) * i / 3, u, budget=t, series="all") for i, t in enumerate(tokens)]
        made.append(record(name, [stop(k, u)]))
        made.append(record(name, curve, attack="relearn", family="relearn"))
        made.append(record(name, [stop(k + 0.03, u, series="4-bit")], attack="round", family="edit"))
        made.append(record(name, [stop(k + 0.05, u, series="few-shot", budget=90)], attack="ask", family="prompt"))
    return made
