"""The command line, and the composition root; what knows the leaderboard is :mod:`harness.board_commands` alone.

Commands that do not plan a run are there and in :mod:`harness.commands`. Whatever is slow to import (torch,
transformers, pandas, jinja2, the leaderboard) is imported inside the command that needs it, so that ``harness --help``
answers at once.
"""
# ruff: noqa: PLC0415 - this file is the border behind which heavy imports wait for the command that needs them

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness import board_commands, commands
from harness import options as flag
from harness.errors import UserError
from harness.options import FAILED, INTERRUPTED, MISUSED

if TYPE_CHECKING:
    from harness.plan import Plan

app = typer.Typer(
    rich_markup_mode=None,  # it imports rich.markdown and pygments, half of the time that --help takes
    help="Benchmark and leaderboard for LLM unlearning under attack.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
leaderboard_app = typer.Typer(help="The static leaderboard.", no_args_is_help=True)
submit_app = typer.Typer(help="Entries for a published board.", no_args_is_help=True)
pocket_app = typer.Typer(help="The pocket benchmarks' world and models.", no_args_is_help=True)
target_app = typer.Typer(help="Small target models for benchmarks of real documents.", no_args_is_help=True)
app.add_typer(leaderboard_app, name="leaderboard")
app.add_typer(submit_app, name="submit")
app.add_typer(pocket_app, name="pocket")
app.add_typer(target_app, name="target")
app.command()(commands.check)
app.command()(commands.doctor)
app.command()(commands.verify)
app.command()(commands.tune)
app.command()(commands.unlearn)
pocket_app.command("build")(commands.pocket_build)
target_app.command("build")(commands.target_build)
leaderboard_app.command("build")(board_commands.build)
leaderboard_app.command("check")(board_commands.check)
leaderboard_app.command("pack")(board_commands.pack)
leaderboard_app.command("reproduce")(board_commands.reproduce)
leaderboard_app.command("serve")(board_commands.serve)
submit_app.command("pack")(board_commands.submit_pack)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what a user can mend is said in one line, without a traceback."""
    try:
        app(args=arguments, prog_name="harness")
    except UserError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(MISUSED)
    except ChildProcessError as error:  # a builder's process, which has printed its own traceback
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(FAILED)


@app.command("list")
def list_(group: flag.Groups, *, json: flag.Json = False) -> None:
    """List what is installed, ours and anybody's; a broken plugin is listed with the reason."""
    from harness.console import print_json, print_table
    from harness.inspection import KIND_OF, listed

    found = listed(KIND_OF[group])
    if json:
        print_json(found)
        return
    columns = ["name", "distribution", "version", "what it is"]
    rows = [[e["name"], e["distribution"], e["version"], e["summary"] or f"BROKEN: {e['broken']}"] for e in found]
    if found and "threat" in found[0]:
        columns.append("what the attacker needs")
        rows = [[*row, entry["threat"]] for row, entry in zip(rows, found, strict=True)]
    print_table(columns, rows)


@app.command()
def show(kind: flag.Kinds, name: flag.Name, *, json: flag.Json = False) -> None:
    """Show one component: its fields with types, defaults and meaning, its presets, citation and threat model."""
    from harness.console import print_json, print_shown
    from harness.inspection import shown

    described = shown(kind, name)
    if json:
        print_json(described)
    else:
        print_shown(described)


@app.command()
def new(
    kind: Literal["method", "attack"],
    name: Annotated[str, typer.Argument(help="Its name in the grid: lower-case letters, digits, underscores.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder to write the package into.")] = Path(),
) -> None:
    """Write the package of a new method or attack, installable at once, with a test."""
    from harness.console import say
    from harness.scaffold import new_package

    folder = new_package(kind, name, out)
    say(f"Wrote {folder}. Next:")
    for command in (
        f"pip install --editable {quote(str(folder))}",
        f"harness check {kind} {name}",
        f"harness run --{kind}s {name}",
    ):
        say(f"  {command}")


@app.command()
def plan(  # noqa: PLR0913 - typer reads the flags from the signature; they are those of `run` that matter here
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
    tuned: flag.Tuned = None,
    match: flag.Matching = None,
    results: flag.Results = Path("results/local"),
    workers: flag.Workers = None,
) -> None:
    """Say which cells `run` would execute, which are done, and how long the rest would take."""
    from harness.console import print_table, say
    from harness.means import Means, workers_of
    from harness.preview import COLUMNS, preview
    from harness.store import Store

    typed = {"methods": methods, "attacks": attacks, "benchmarks": benchmarks, "seeds": seeds, "engine": engine}
    typed |= {"utility": utility, "tuned": tuned, "match": match}
    planned = _plan(typed, grid, pairs=pairs, places={"model": model, "data_root": data_root})
    seen = preview(planned, Store(results), workers=workers_of(Means(workers=workers)))
    print_table(COLUMNS, seen.rows)
    for line in seen.lines:
        say(line)


@app.command()
def run(  # noqa: PLR0913 - typer reads the flags from the signature
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
    tuned: flag.Tuned = None,
    match: flag.Matching = None,
    results: flag.Results = Path("results/local"),
    site: flag.Site = Path("site"),
    workers: flag.Workers = None,
    executor: flag.Executor = None,
    keep_checkpoints: Annotated[bool, typer.Option("--keep-checkpoints", help=flag.KEEP)] = False,
) -> None:
    """Run the grid, continue what an earlier run left, and render the site; exit 1 if a cell failed.

    By default all methods, all attacks, the pocket benchmarks and one seed.
    """
    from harness.console import print_table, say
    from harness.places import require_writable

    typed = {"methods": methods, "attacks": attacks, "benchmarks": benchmarks, "seeds": seeds, "engine": engine}
    typed |= {"utility": utility, "tuned": tuned, "match": match}
    try:
        from harness.means import Means
        from harness.plan import Planned
        from harness.session import run_session
        from harness.store import Store

        require_writable(site, "--site")
        planned = _plan(typed, grid, pairs=pairs, places={"model": model, "data_root": data_root})
        outcome = run_session(planned, Store(results), Means(executor, workers, keep_checkpoints))
    except KeyboardInterrupt:
        say("Interrupted. What is finished is kept; the same command continues.")
        raise typer.Exit(INTERRUPTED) from None
    say(f"{outcome.finished} cells finished, {outcome.skipped} were done before, {len(outcome.failures)} failed.")
    if outcome.failures:
        rows = [[Planned(failed.cell, {}).label, failed.reason, failed.log] for failed in outcome.failures]
        print_table(("failed cell", "reason", "log"), rows)
    board_commands.render(board_commands.collected([results]), site, "--site", source=results)
    if outcome.failures:
        raise typer.Exit(FAILED)


def _plan(
    typed: Mapping[str, str | None],
    grid: Path | None,
    *,
    pairs: list[str] | None,
    places: Mapping[str, str | None],
) -> Plan:
    from harness.console import complain
    from harness.flags import grid_of, left_out
    from harness.plan import make_plan

    wanted = grid_of(grid, typed, pairs=pairs or (), places=places)
    for line in left_out(wanted):
        complain(line)
    return make_plan(wanted)
