"""`harness doctor`: goes through everything that a grid needs, and never raises for what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components import build
from harness.contract import AUTO, POCKET
from harness.doctor import machine as here
from harness.doctor import sources
from harness.doctor.finding import Finding
from harness.doctor.machine import Machine
from harness.doctor.sources import Ask
from harness.engines import suitable
from harness.faults import Fault, attempt
from harness.grid import Grid, overrides_of
from harness.models import ModelFacts, Need, facts_of, tokenizer_of
from harness.plan import Plan, expanded, make_plan
from harness.preview import estimate, in_words
from harness.store import Store


@dataclass(frozen=True)
class Patient:
    """What is examined.

    Attributes:
        grid: The grid that is meant to run.
        store: Where its records go.
        workers: Cells at a time.
        ask: The hub, or None if it must not be asked.
    """

    grid: Grid
    store: Store
    workers: int
    ask: Ask | None


def examine(patient: Patient, machine: Machine) -> list[Finding]:
    """Everything that was looked at, in the order in which a run would need it."""
    grid = patient.grid
    engine = suitable() if grid.engine == AUTO else grid.engine
    findings = [*here.software(), here.engine(engine), *here.devices(machine)]
    facts: dict[str, ModelFacts] = {}
    for name in expanded("benchmark", grid.benchmarks):
        findings += _benchmark(name, patient, facts)
        if name in facts:
            findings.append(here.memory(name, facts[name], machine, workers=patient.workers))
    return [*findings, *_plan(patient, findings, facts)]


def needs_of(benchmark: Any) -> tuple[Need, ...]:  # noqa: ANN401 - any plugin
    """What a benchmark says it needs, or the models that it names."""
    if hasattr(benchmark, "needs"):
        return tuple(benchmark.needs())
    models = (benchmark.target(), benchmark.reference())
    return tuple(Need("model", source) for source in dict.fromkeys(models) if source is not None)


def _benchmark(name: str, patient: Patient, facts: dict[str, ModelFacts]) -> Iterator[Finding]:
    """Models, tokenizer and data of one benchmark; what its target is goes into ``facts``."""
    fields = overrides_of(patient.grid).get(("benchmark", name))
    benchmark = attempt(lambda: build("benchmark", name, overrides=fields))
    if isinstance(benchmark, Fault):
        yield Finding("fail", name, benchmark.reason, here=False)
        return
    needs = attempt(lambda: needs_of(benchmark))
    if isinstance(needs, Fault):
        yield Finding("fail", f"{name}: what it needs", needs.reason, here=False)
        return
    data_root = str(getattr(benchmark, "data_root", ""))
    found = list(_needed(needs, data_root, patient.ask))
    yield from found
    target = attempt(benchmark.target)
    if not isinstance(target, Fault):
        yield from _target(name, target, found, facts)
    if name in facts and hasattr(benchmark, "require_room") and all(one.here and one.state != "fail" for one in found):
        yield _room(name, benchmark)
    if not hasattr(benchmark, "needs") and all(finding.state != "fail" for finding in found):
        content = attempt(benchmark.identity)
        if isinstance(content, Fault):
            yield Finding("fail", f"{name}: content", content.reason, here=False)
        else:
            yield Finding("ok", f"{name}: content", f"{len(content)} parts with their digests")


def _needed(needs: Sequence[Need], data_root: str, ask: Ask | None) -> Iterator[Finding]:
    """Each data set once, each model, and each tokenizer that comes from elsewhere once."""
    sets = [need for need in needs if need.kind == "dataset"]
    for name in dict.fromkeys(need.id for need in sets):
        yield sources.dataset([need for need in sets if need.id == name], data_root=data_root, ask=ask)
    models = {need.id: need for need in needs if need.kind == "model"}
    for need in models.values():
        yield sources.model(need.id, gated=need.gated, ask=ask)
    for tokenizer in dict.fromkeys(tokenizer_of(source) for source in models):
        if tokenizer not in models:
            yield sources.tokenizer_files(tokenizer, ask=ask)


def _target(name: str, source: str, found: Sequence[Finding], facts: dict[str, ModelFacts]) -> Iterator[Finding]:
    """What the target is; its config alone is fetched where it is not here yet."""
    mine = [finding for finding in found if source in finding.what or tokenizer_of(source) in finding.what]
    if any(finding.state == "fail" for finding in mine):
        return
    read = attempt(lambda: facts_of(source))
    if isinstance(read, Fault):
        yield Finding("fail", f"{name}: target", read.reason)
        return
    facts[name] = read
    told = f"{read.architecture}, {read.parameters:,} parameters, reads {read.context} tokens"
    yield Finding("ok", f"{name}: target", told)
    if all(finding.here for finding in mine) and not name.startswith(f"{POCKET}-"):
        yield sources.tokenizer(source)


def _room(name: str, benchmark: Any) -> Finding:  # noqa: ANN401 - any plugin
    """Whether the target reads enough tokens for every record; its tokenizer alone is loaded."""
    trouble = attempt(benchmark.require_room)
    if isinstance(trouble, Fault):
        return Finding("fail", f"{name}: context", trouble.reason)
    return Finding("ok", f"{name}: context", "every record and its answer fit")


def _plan(patient: Patient, findings: Sequence[Finding], facts: Mapping[str, ModelFacts]) -> Iterator[Finding]:
    """Cells, time and disk of the plan, if all that it stands on is here."""
    if not all(finding.here for finding in findings):
        yield Finding(
            "warn", "plan", "not made, since something above is not on this machine yet", "See `harness plan`."
        )
        return
    plan = attempt(lambda: make_plan(patient.grid))
    if isinstance(plan, Fault):
        yield Finding("fail", "plan", plan.reason)
        return
    yield _time(plan, patient)
    rows = {planned.cell.unlearn_id: planned.cell.benchmark.name for planned in plan.without(patient.store.ids())}
    sizes = [facts[name].parameters for name in rows.values() if name in facts]
    folder = patient.store.root
    yield here.disk(sizes, folder, at_a_time=patient.workers, free=here.free_space(folder))


def _time(plan: Plan, patient: Patient) -> Finding:
    """What is to run, and how long it takes as far as finished records tell."""
    todo = plan.without(patient.store.ids())
    told = estimate(todo, patient.store.records())
    hours = f" ({told.seconds / 3600:.2g} device-hours of optimisation)" if told.known else ""
    time = f"{in_words(told, patient.workers)}{hours}" if todo else "Nothing is left to run."
    return Finding("ok", "plan", f"{len(plan.cells)} cells, {len(todo)} to run. {time}")
