"""The flags of the command line with their help, each in one place for every command that takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit statuses: something that was looked at or run is not well; the command cannot be carried out as typed;
Ctrl-C."""

Groups = Literal["methods", "attacks", "benchmarks", "engines"]
Kinds = Literal["method", "attack", "benchmark", "engine"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Name = Annotated[str, typer.Argument(help="An installed name, as `harness list` shows it.")]
Methods = Annotated[
    str | None,
    typer.Option(help="Names, 'all' (default), 'core', or NAME@SETTING (tuned, preset, published, default)."),
]
Attacks = Annotated[str | None, typer.Option(help="Names, 'all' (default), 'core', or NAME@SETTING.")]
Benchmarks = Annotated[str | None, typer.Option(help="Names, 'pocket' (default: all pocket benchmarks) or 'all'.")]
Seeds = Annotated[str | None, typer.Option(help="How many (3 means seeds 0, 1, 2), or a list such as 0,5. Default 1.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="kind.name.field=value, such as method.npo.beta=0.2; repeat it.")
]
GridFile = Annotated[Path | None, typer.Option("--grid", help="A TOML file with these settings; flags go first.")]
Engine = Annotated[
    str | None, typer.Option(help="What scores: transformers, vllm, or auto (default: vllm on a GPU that has it).")
]
Model = Annotated[str | None, typer.Option(help="Short for --set benchmark.NAME.model=... on the chosen benchmarks.")]
DataRoot = Annotated[str | None, typer.Option(help="Short for --set benchmark.NAME.data_root=... likewise.")]
Utility = Annotated[str | None, typer.Option(help="lm-eval tasks that measure utility, such as mmlu,gsm8k.")]
Tuned = Annotated[str | None, typer.Option(help="Folder of `harness tune`; what is there goes before what ships.")]
Matching = Annotated[
    str | None,
    typer.Option(
        "--match",
        help="Where models are measured: off (as they are; default), forget (at K(0) = 0.25), utility (at u = 0.95), "
        "or a level such as forget=0.2; several with commas.",
    ),
]
Results = Annotated[Path, typer.Option(help="Folder of records; a run continues what it finds there.")]
Site = Annotated[Path, typer.Option(help="Folder that the leaderboard is rendered into.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: one per core.")]
Executor = Annotated[
    Literal["pool", "subprocess", "in-process"] | None,
    typer.Option(
        help="pool: long-lived workers (default on CPUs); subprocess: one process per cell (default on a GPU); "
        "in-process: for debugging."
    ),
]
Folders = Annotated[list[Path] | None, typer.Option(help="Folder of records or of submissions; may be given again.")]
Preview = Annotated[list[Path] | None, typer.Option(help="A packed entry to show as it would look, marked as such.")]
Rerun = Annotated[Path | None, typer.Option(help="Folder of cells that `leaderboard reproduce` measured again.")]
Repository = Annotated[str, typer.Option(help="Address on GitHub of the repository that takes entries and reports.")]
KEEP = "Keep the unlearned weights under RESULTS/scratch when their row is done."
PLACE = "benchmark."
CHECK_SET = f"field=value of NAME, or {PLACE}field=value of the benchmark that it is tried on; repeat it."
