"""Commands that look and build: check a plugin, examine the machine, verify published values, build small models.

Part of the composition root: what is slow to import is imported inside the command that needs it.
"""
# ruff: noqa: PLC0415 - as in harness.cli, so that ``harness --help`` answers at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness import options as flag
from harness.errors import UserError
from harness.options import FAILED, INTERRUPTED


def check(
    kind: Literal["method", "attack", "benchmark"],
    name: flag.Name,
    *,
    on: Annotated[str, typer.Option("--benchmark", help="Where a method or an attack is tried.")] = "pocket-wmdp",
    pairs: Annotated[list[str] | None, typer.Option("--set", help=flag.CHECK_SET)] = None,
    json: flag.Json = False,
) -> None:
    """Check that a plugin keeps the contract: it runs twice on the benchmark's model, as it is configured."""
    from transformers.utils.logging import disable_progress_bar

    from harness.console import print_json, print_table
    from harness.flags import check_settings
    from harness.testing import check_installed

    disable_progress_bar()
    settings, place = check_settings(pairs or (), f"{kind}.{name}.", flag.PLACE)
    results = check_installed(kind, name, benchmark=on, settings=settings, place=place)
    if json:
        print_json([{"name": r.name, "passed": r.passed, "detail": r.detail} for r in results])
    else:
        print_table(("check", "result", "detail"), [[r.name, "ok" if r.passed else "FAIL", r.detail] for r in results])
    if not all(result.passed for result in results):
        raise typer.Exit(FAILED)


def doctor(  # noqa: PLR0913 - typer reads the flags from the signature; they are those of `plan`
    *,
    methods: flag.Methods = None,
    attacks: flag.Attacks = None,
    benchmarks: flag.Benchmarks = None,
    seeds: flag.Seeds = None,
    pairs: flag.Set = None,
    grid: flag.GridFile = None,
    engine: flag.Engine = None,
    model: flag.Model = None,
    data_root: flag.DataRoot = None,
    utility: flag.Utility = None,
    results: flag.Results = Path("results/local"),
    workers: flag.Workers = None,
) -> None:
    """Say whether this machine has what a grid needs: software, devices, memory, disk, models, data, time.

    Exits 1 if something is missing. The hub is asked for a few headers, unless HF_HUB_OFFLINE=1.
    """
    from huggingface_hub import is_offline_mode

    from harness.console import say
    from harness.doctor.examine import Patient, examine
    from harness.doctor.machine import this_machine
    from harness.flags import grid_of
    from harness.hub import ask_hub
    from harness.means import Means, workers_of
    from harness.store import Store

    typed = {"methods": methods, "attacks": attacks, "benchmarks": benchmarks, "seeds": seeds, "engine": engine}
    typed["utility"] = utility
    wanted = grid_of(grid, typed, pairs=pairs or (), places={"model": model, "data_root": data_root})
    ask = None if is_offline_mode() else ask_hub
    patient = Patient(wanted, Store(results), workers_of(Means(workers=workers)), ask)
    findings = examine(patient, this_machine())
    for finding in findings:
        for line in finding.lines:
            say(line)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(FAILED)


def verify(
    *,
    benchmarks: flag.Benchmarks = None,
    pairs: flag.Set = None,
    grid: flag.GridFile = None,
    engine: flag.Engine = None,
    model: flag.Model = None,
    data_root: flag.DataRoot = None,
) -> None:
    """Evaluate the original models and compare with published values; exit 1 if one differs that is known for sure."""
    from transformers.utils.logging import disable_progress_bar

    from harness.console import print_table, say
    from harness.flags import grid_of
    from harness.verify import COLUMNS, sources, summary
    from harness.verify import verify as compared_with_published

    disable_progress_bar()
    typed = {"benchmarks": benchmarks, "engine": engine}
    wanted = grid_of(grid, typed, pairs=pairs or (), places={"model": model, "data_root": data_root})
    compared = compared_with_published(wanted, say)
    print_table(COLUMNS, [one.row for one in compared])
    for line in (*sources(compared), summary(compared)):
        say(line)
    if any(one.failed for one in compared):
        raise typer.Exit(FAILED)


def tune(  # noqa: PLR0913 - typer reads the flags from the signature
    *,
    methods: flag.Methods = None,
    benchmarks: flag.Benchmarks = None,
    trials: Annotated[int, typer.Option(min=1, help="Settings tried per method, the same number for every one.")] = 20,
    utility_budget: Annotated[
        float, typer.Option(min=0, max=1, help="Share of utility that a setting may cost before any attack.")
    ] = 0.05,
    attack: Annotated[str, typer.Option(help="The validation attack, on facts that no board shows.")] = "relearn",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of search, unlearning and attack.")] = 0,
    pairs: flag.Set = None,
    engine: flag.Engine = None,
    out: Annotated[Path, typer.Option(help="Folder of tuned settings; a search continues what it finds there.")] = Path(
        "results/tuned"
    ),
    workers: flag.Workers = None,
) -> None:
    """Choose settings on dev facts: least knowledge after relearning at kept utility; exit 1 if a method has none.

    `harness run --tuned OUT` then uses what was found.
    """
    from harness.console import print_table, say
    from harness.flags import grid_of
    from harness.means import Means, workers_of
    from harness.places import require_writable
    from harness.tuning.jobs import jobs_of
    from harness.tuning.session import COLUMNS, Tuned
    from harness.tuning.session import tune as tuned
    from harness.tuning.study import Discipline

    typed = {"methods": methods, "attacks": attack, "benchmarks": benchmarks, "engine": engine}
    wanted = grid_of(None, typed, pairs=pairs or (), places={})
    require_writable(out, "--out")
    jobs, omitted = jobs_of(wanted, Discipline(trials, 1 - utility_budget, seed), out)
    for line in omitted:
        say(line)
    try:
        ended: list[Tuned] = list(tuned(jobs, workers_of(Means(workers=workers))))
    except KeyboardInterrupt:
        say("Interrupted. Finished trials are kept; the same command continues.")
        raise typer.Exit(INTERRUPTED) from None
    print_table(COLUMNS, sorted(one.row for one in ended))
    if any(one.problem for one in ended):
        raise typer.Exit(FAILED)


def unlearn(  # noqa: PLR0913 - typer reads the flags from the signature; they are those of `run`
    *,
    methods: flag.Methods = None,
    benchmarks: flag.Benchmarks = None,
    seeds: flag.Seeds = None,
    pairs: flag.Set = None,
    grid: flag.GridFile = None,
    model: flag.Model = None,
    data_root: flag.DataRoot = None,
    tuned: flag.Tuned = None,
    results: flag.Results = Path("results/local"),
) -> None:
    """Make unlearned weights ahead of `run`, which then finds them; exit 1 if a row failed.

    Under `accelerate launch` several processes make them together.
    """
    from harness.console import say
    from harness.flags import grid_of
    from harness.places import require_writable
    from harness.plan import make_plan
    from harness.prepare import prepare
    from harness.store import Store

    typed = {"methods": methods, "attacks": "none", "benchmarks": benchmarks, "seeds": seeds, "tuned": tuned}
    wanted = grid_of(grid, typed, pairs=pairs or (), places={"model": model, "data_root": data_root})
    require_writable(results, "--results")
    failed = False
    for row in prepare(make_plan(wanted), Store(results)):
        say(row.line)
        failed = failed or not row.made
    if failed:
        raise typer.Exit(FAILED)


def pocket_build(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write `wmdp` and `muse` into; it must not hold them already.")],
    seed: Annotated[int, typer.Option(help="Of the worlds and the models; the shipped ones have the default.")] = 0,
) -> None:
    """Rebuild the pocket benchmarks' worlds and models from a seed; nobody needs to, since they are shipped."""
    from harness.console import say
    from harness.pocket.build import build_wmdp
    from harness.pocket.muse import build_muse
    from harness.progress import building

    builders = {"wmdp": build_wmdp, "muse": build_muse}
    for name in builders:
        if (out / name).exists():
            raise UserError(
                f"{out / name} exists already, and nothing is overwritten. Choose another folder with --out."
            )
    with building() as report:
        for name, build in builders.items():
            build(out / name, seed=seed, report=report)
    say(f"Wrote {', '.join(str(out / name) for name in builders)}.")


def target_build(
    *,
    benchmark: Annotated[str, typer.Option(help="A benchmark of real documents, such as muse-news.")],
    out: Annotated[Path, typer.Option(help="New folder for target and reference; give it to `run` as --model.")],
    data_root: Annotated[str, typer.Option(help="Folder laid out <root>/<org>/<name>; empty: the hub.")] = "",
    documents: Annotated[int, typer.Option(min=1, help="Documents to learn, and later to forget.")] = 100,
    seed: Annotated[int, typer.Option(help="Of initial weights and order.")] = 0,
) -> None:
    """Train a small target, and its never-learned reference, on a slice of a benchmark's real documents."""
    from harness.console import say
    from harness.progress import building
    from harness.target import build_target

    with building() as report:
        build_target(benchmark, out, data_root=data_root, documents=documents, seed=seed, report=report)
    say(f"Wrote {out}. Next:")
    root = f" --data-root {data_root}" if data_root else ""
    say(f"  harness run --benchmarks {benchmark}{root} --model {out}")
