"""From a grid as typed to the studies it means; everything nameable is checked here, before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.components import component_class, role_of
from harness.contract import ALL, AUTO
from harness.engines import suitable
from harness.errors import UserError
from harness.grid import Grid, overrides_of
from harness.plan import expanded, lacking, refuse_idle
from harness.tuning.session import Job, checked
from harness.tuning.study import Discipline


def jobs_of(grid: Grid, discipline: Discipline, folder: Path) -> tuple[list[Job], list[str]]:
    """One study per method and benchmark, and in words those of ``all`` that there cannot be.

    Raises:
        UserError: A name, a setting, a search space or a benchmark cannot be used.
    """
    overrides = overrides_of(grid)
    (engine,) = expanded("engine", (suitable() if grid.engine == AUTO else grid.engine,))
    benchmarks, attacks = expanded("benchmark", grid.benchmarks), expanded("attack", grid.attacks)
    if len(attacks) != 1:
        raise UserError(f"--attack names {len(attacks)} attacks. A search needs one to be judged by, such as relearn.")
    judge: Any = component_class("attack", attacks[0].partition("@")[0])
    if getattr(judge, "family", "") == "none":
        raise UserError(
            f"--attack {attacks[0]} changes nothing, so no setting could be told from another by what is left after "
            "it. Name one that brings knowledge back, such as relearn."
        )
    if judge.threat.data not in ("forget", "none"):
        raise UserError(
            f"--attack {attacks[0]} works on {judge.threat.data} data, and what is set apart for choosing settings are "
            "forget documents alone: it would get none, or what the board's attackers own. Name one that trains on "
            "forget documents, such as relearn."
        )
    omitted: list[str] = []
    methods = _tunable(grid, omitted)
    refuse_idle(overrides, {"method": methods, "attack": attacks, "benchmark": benchmarks, "engine": (engine,)})
    jobs: dict[Path, Job] = {}
    for benchmark in benchmarks:
        offers = getattr(component_class("benchmark", benchmark), "offers", ())
        for method in methods:
            if lack := lacking(component_class("method", method), offers):
                omitted.append(f"{benchmark} · {method}: the benchmark has no {lack}.")
            else:
                job = Job(benchmark, method, attacks[0], engine, overrides, discipline, folder)
                path = checked(job)
                if path in jobs:
                    raise UserError(
                        f"{jobs[path].label} and {job.label} would both write {path}, since their models share their "
                        "presets. Tune one at a time, each with an --out of its own."
                    )
                jobs[path] = job
    if not jobs:
        raise UserError("There is nothing to tune: no method is left. Name one that unlearns, such as npo.")
    return list(jobs.values()), list(dict.fromkeys(omitted))


def _tunable(grid: Grid, omitted: list[str]) -> list[str]:
    """Methods by name; controls, and of ``all`` those that declare no search, are left out with a word."""
    found = []
    for name in expanded("method", grid.methods):
        if "@" in name:
            raise UserError(f"A search starts from a method's own setting. Write {name.partition('@')[0]} for {name}.")
        cls = component_class("method", name)
        if role_of(cls) != "method" or (ALL in grid.methods and not getattr(cls, "search", ())):
            omitted.append(f"{name}: nothing to tune.")
        else:
            found.append(name)
    return found
