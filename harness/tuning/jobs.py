"""From a grid as typed to the studies it means; everything nameable is checked here, before anything is computed."""

from __future__ import annotations

from pathlib import Path

from harness.components import component_class, role_of
from harness.contract import ALL, AUTO
from harness.engines import suitable
from harness.errors import UserError
from harness.grid import Grid, overrides_of
from harness.plan import expanded, lacking
from harness.tuning.session import Job, checked
from harness.tuning.study import Discipline


def jobs_of(grid: Grid, discipline: Discipline, folder: Path) -> tuple[list[Job], list[str]]:
    """One study per method and benchmark, and in words those of ``all`` that there cannot be.

    Raises:
        UserError: A name, a setting, a search space or a benchmark cannot be used.
    """
    benchmarks, attacks = expanded("benchmark", grid.benchmarks), expanded("attack", grid.attacks)
    if len(attacks) != 1:
        raise UserError(f"--attack names {len(attacks)} attacks. A search needs one to be judged by, such as relearn.")
    if getattr(component_class("attack", attacks[0].partition("@")[0]), "family", "") == "none":
        raise UserError(
            f"--attack {attacks[0]} changes nothing, so no setting could be told from another by what is left after "
            "it. Name one that brings knowledge back, such as relearn."
        )
    engine = suitable() if grid.engine == AUTO else grid.engine
    jobs: list[Job] = []
    omitted: list[str] = []
    for benchmark in benchmarks:
        offers = getattr(component_class("benchmark", benchmark), "offers", ())
        for method in _tunable(grid, omitted):
            cls = component_class("method", method)
            if lack := lacking(cls, offers):
                omitted.append(f"{benchmark} · {method}: the benchmark has no {lack}.")
                continue
            job = Job(benchmark, method, attacks[0], engine, overrides_of(grid), discipline, folder)
            jobs.append(checked(job))
    if not jobs:
        raise UserError("There is nothing to tune: no method is left. Name one that unlearns, such as npo.")
    return jobs, list(dict.fromkeys(omitted))


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
