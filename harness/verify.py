"""`harness verify`: does the original model score here what was published for it?

Only the same checkpoint is compared: a preset, its id, or a copy of it whose folder ends with that id. Everything else
is said to have no published value, and is neither passed nor failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.api import Benchmark, Engine, Evaluation, Prompts
from harness.components import build
from harness.contract import AUTO
from harness.engines import suitable
from harness.grid import Grid, overrides_of
from harness.lm import load_lm
from harness.plan import expanded
from harness.presets import PRESETS, is_preset
from harness.published import PRIVLEAK, Reference, published

Role = Literal["target", "reference"]
Verdict = Literal["agrees", "differs", "not measured", "no published value for this model"]

MEMBERSHIP = "min_k_auc"
COLUMNS = ("benchmark", "model", "score", "measured", "published", "difference", "tolerance", "known", "verdict")


@dataclass(frozen=True)
class Compared:
    """One published value beside ours, or a model for which there is none.

    Attributes:
        benchmark: Its name.
        model: Source of the model.
        reference: What was published; None if nothing was.
        measured: Ours; None if the benchmark does not measure it.
    """

    benchmark: str
    model: str
    reference: Reference | None = None
    measured: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether both agree, as far as they can be compared."""
        if self.reference is None:
            return "no published value for this model"
        if self.measured is None:
            return "not measured"
        return "agrees" if abs(self.measured - self.reference.value) <= self.reference.tolerance else "differs"

    @property
    def failed(self) -> bool:
        """Whether this is a difference that must be explained; a value that is not known for sure fails nobody."""
        return self.verdict == "differs" and self.reference is not None and self.reference.gates

    @property
    def row(self) -> tuple[str, ...]:
        """For a table with :data:`COLUMNS`."""
        if self.reference is None:
            return (self.benchmark, self.model, *[""] * 6, self.verdict)
        ours = self.measured
        difference = "" if ours is None else f"{ours - self.reference.value:+.4f}"
        softened = " (not known for sure)" if self.verdict == "differs" and not self.failed else ""
        return (
            self.benchmark,
            self.model,
            self.reference.score,
            "" if ours is None else f"{ours:.4f}",
            f"{self.reference.value:.4f}",
            difference,
            f"{self.reference.tolerance:g}",
            self.reference.known,
            self.verdict + softened,
        )


def verify(grid: Grid, say: Callable[[str], None]) -> list[Compared]:
    """Evaluate the original models of a grid's benchmarks and compare them with what was published.

    Args:
        grid: Benchmarks, engine and their settings; nothing is unlearned or attacked, so no other data is needed.
        say: Told what is being evaluated.
    """
    fields = overrides_of(grid)
    served_by = suitable() if grid.engine == AUTO else grid.engine
    engine: Engine = build("engine", served_by, overrides=fields.get(("engine", served_by)))
    lines: list[Compared] = []
    for name in expanded("benchmark", grid.benchmarks):
        world: Benchmark = build("benchmark", name, overrides=fields.get(("benchmark", name)))
        lines += _of_benchmark(name, world, engine, say)
    return lines


def summary(compared: Sequence[Compared]) -> str:
    """What was compared and with which outcome, in one sentence."""
    found = [line for line in compared if line.verdict in ("agrees", "differs")]
    if not found:
        return "Nothing was compared: no published value is known for these models in this mode."
    agreeing = sum(line.verdict == "agrees" for line in found)
    unmeasured = sum(line.verdict == "not measured" for line in compared)
    rest = f" {unmeasured} more could not be measured here." if unmeasured else ""
    return f"{agreeing} of {len(found)} published values agree within their tolerance.{rest}"


def sources(compared: Sequence[Compared]) -> list[str]:
    """Where the published values stand, each source once, behind the letter that says how its values are known."""
    found = [line.reference for line in compared if line.reference is not None]
    return list(dict.fromkeys(f"{reference.known}: {reference.source}" for reference in found))


def privleak(auc: float, reference: float) -> float:
    """PrivLeak in points: 100 (A - A_r) / A_r, where A is one minus our AUC (MUSE, arXiv 2407.06460).

    Args:
        auc: P(a forget text looks more member-like than one never trained) under the model.
        reference: The same under the never-learned model.
    """
    return 100 * ((1 - auc) / (1 - reference) - 1)


def names_of(benchmark: str, role: Role, source: str) -> tuple[str, ...]:
    """Names under which values of this model may have been published: presets, or a shipped model's role."""
    if benchmark.startswith("pocket-"):
        return (role,)
    return tuple(name for name in PRESETS if is_preset(source, name))


def _of_benchmark(name: str, benchmark: Benchmark, engine: Engine, say: Callable[[str], None]) -> Iterator[Compared]:
    sources: dict[Role, str] = {"target": benchmark.target()}
    if (never_learned := benchmark.reference()) is not None:
        sources["reference"] = never_learned
    mode = str(getattr(benchmark, "mode", ""))
    wanted = {role: published(name, names_of(name, role, source), mode) for role, source in sources.items()}
    seen: dict[Role, Evaluation] = {}
    for role, source in sources.items():
        if not wanted[role]:
            yield Compared(name, source)
            continue
        say(f"{name}: evaluating {source} ...")
        engine.load(load_lm(source))
        seen[role] = benchmark.evaluate(engine, Prompts())
        engine.rest()
    for role, source in sources.items():
        for reference in wanted[role]:
            yield Compared(name, source, reference, measured(reference.score, role, seen))


def measured(score: str, role: Role, seen: Mapping[Role, Evaluation]) -> float | None:
    """Our value; PrivLeak only where the published reference model has been evaluated as well."""
    if score != PRIVLEAK:
        found = seen[role].scores.get(score)
        return None if found is None else found.value
    aucs = [evaluation.scores.get(MEMBERSHIP) for evaluation in (seen[role], seen.get("reference")) if evaluation]
    if len(aucs) < 2 or aucs[0] is None or aucs[1] is None or aucs[1].value == 1:
        return None
    return privleak(aucs[0].value, aucs[1].value)
