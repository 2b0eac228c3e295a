"""Choose pocket settings of the methods on dev items: runs every listed trial and prints its dev numbers.

    python benchmarks/tune_methods.py pocket-wmdp
    python benchmarks/tune_methods.py pocket-muse --method npo --method rmu

One discipline for all: at most ten trials each, the same number of updates wherever a method allows it, seed 0, dev
items only; test scores are dropped before anything is printed. A method's own presets are not applied, so a trial is
its dataclass defaults plus what its row says. What was chosen from the table stands in each method's ``presets``, and
in docs/pocket_tuning.md.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import Axis, Prompts, Score
from harness.components import build
from harness.lm import load_lm

Fields = Mapping[str, object]

SHARED: Fields = {"steps": 60, "warmup": 10, "batch_size": 8, "max_tokens": 160, "accumulation": 2}
KEEP: Fields = {**SHARED, "retain": "kl", "retain_batch_size": 16, "retain_weight": 1.0}
SATURATING: Fields = {**KEEP, "reduce": "mean", "beta": 0.5, "forget_weight": 1.0}
NPO: Fields = {**KEEP, "reduce": "mean", "beta": 0.1, "forget_weight": 0.3, "lr": 6e-4}
STABLEUN: Fields = {key: value for key, value in NPO.items() if key != "retain_weight"} | {"retain_feedback": 1.0}
MATRICES = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
RMU: Fields = {
    **SHARED,
    "retain_batch_size": 16,
    "layer": 1,
    "train_layers": (0, 1),
    "train_matrices": MATRICES,
    "adaptive": 6.0,
    "alpha": 50.0,
    "lr": 1e-3,
}


def grid(base: Fields, **choices: Sequence[object]) -> list[Fields]:
    """The base with every combination of choices."""
    return [{**base, **dict(zip(choices, values, strict=True))} for values in itertools.product(*choices.values())]


TRIALS: Mapping[str, Sequence[Fields]] = {
    "npo": [*grid(SATURATING, lr=[3e-4, 6e-4, 1e-3]), {**SATURATING, "beta": 0.1, "lr": 4e-4}, NPO],
    "graddiff": [
        {**KEEP, "forget_weight": 0.03, "lr": 3e-4},
        *grid(KEEP, forget_weight=[0.1], lr=[2e-4, 3e-4, 6e-4]),
        *grid(KEEP, forget_weight=[0.3], lr=[3e-4, 4e-4]),
    ],
    "rmu": [
        *grid(RMU, alpha=[50.0, 200.0, 1200.0]),
        {**RMU, "alpha": 400.0, "layer": 2, "train_layers": (0, 1, 2)},
        {**RMU, "alpha": 200.0, "train_matrices": ("mlp.down_proj",), "lr": 2e-3},
    ],
    "npo_sam": [
        *grid({**SATURATING, "rho": 0.1}, lr=[3e-4, 6e-4]),
        *grid(NPO, rho=[0.03, 0.1, 0.3]),
        {**NPO, "rho": 0.1, "retain_weight": 2.25},
    ],
    "stableun": [
        *grid(STABLEUN, rho=[0.03, 0.1, 0.3]),
        {**STABLEUN, "rho": 0.1, "forget_weight": 0.15},
        {**STABLEUN, "rho": 0.1, "retain_feedback": 2.25},
    ],
    "ga": grid({**SHARED, "steps": 20, "warmup": 0}, lr=[1e-4, 2e-4, 4e-4]),
}


@dataclass(frozen=True)
class Ruler:
    """Dev values of the original model and of the never-learned one: K and u are measured between them."""

    original: Mapping[str, Score]
    floor: Mapping[str, float]

    def kept(self, scores: Mapping[str, Score], axis: Axis) -> dict[str, float]:
        """K (forget) or kept utility of each headline dev score: 0 at the floor, 1 as the original."""
        return {
            name: (scores[name].value - self.floor[name]) / (score.value - self.floor[name])
            for name, score in self.original.items()
            if score.axis == axis
        }


class Bench:
    """A benchmark with an engine: scores a model on headline dev items."""

    def __init__(self, name: str) -> None:
        """Build the benchmark and measure both ends."""
        self.benchmark: Any = build("benchmark", name)
        self.engine: Any = build("engine", "transformers")
        original, never = (
            self.dev_scores(load_lm(folder)) for folder in (self.benchmark.target(), self.benchmark.reference())
        )
        floor = {
            key: max(score.chance, never[key].value) if score.axis == "forget" else score.chance
            for key, score in original.items()
        }
        self.ruler = Ruler(original, floor)

    def dev_scores(self, lm: Any) -> dict[str, Score]:  # noqa: ANN401 - LM
        """Headline scores on dev items; everything else is dropped here."""
        self.engine.load(lm)
        scores = self.benchmark.evaluate(self.engine, Prompts()).scores
        return {key: score for key, score in scores.items() if score.split == "dev" and score.headline}


def row(bench: Bench, method: str, fields: Fields, *, seed: int) -> str:
    """Run one trial and describe it in a line of a Markdown table."""
    lm = load_lm(bench.benchmark.target())
    component = build("method", method, overrides=fields)
    start = time.process_time()
    component.unlearn(lm, bench.benchmark.corpora(), seed=seed)
    seconds = time.process_time() - start
    scores = bench.dev_scores(lm)
    known, kept = bench.ruler.kept(scores, "forget"), bench.ruler.kept(scores, "utility")
    cells = [
        method,
        str(seed),
        f"{max(known.values()):.2f}",
        " ".join(f"{value:.2f}" for value in known.values()),
        f"{sum(kept.values()) / len(kept):.2f}",
        " ".join(f"{value:.2f}" for value in kept.values()),
        f"{seconds:.0f}",
        ", ".join(f"{key} {value}" for key, value in fields.items()),
    ]
    return f"| {' | '.join(cells)} |"


def rows(bench: Bench, methods: Sequence[str], seeds: Sequence[int]) -> Iterator[str]:
    """All trials of the named methods."""
    for method, seed in itertools.product(methods, seeds):
        for fields in TRIALS[method]:
            yield row(bench, method, fields, seed=seed)


def main() -> None:
    """Print the dev table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["pocket-wmdp", "pocket-muse"])
    parser.add_argument("--method", action="append", choices=sorted(TRIALS), help="repeat to name several; default all")
    parser.add_argument("--seed", type=int, action="append", help="repeat to name several; default 0")
    given = parser.parse_args()
    bench = Bench(given.benchmark)
    print("original", {key: round(score.value, 3) for key, score in bench.ruler.original.items()})
    print("floor", {key: round(value, 3) for key, value in bench.ruler.floor.items()})
    print("\n| method | seed | K | K by score | u | u by score | CPU s | settings |\n|---|---|---|---|---|---|---|---|")
    for line in rows(bench, given.method or list(TRIALS), given.seed or [0]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
