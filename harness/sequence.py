"""Unlearning requests that follow each other: which unlearned model a method starts from.

A benchmark that continues another one is unlearned from that one's unlearned model under the same method and seed. That
model is an ordinary checkpoint under the earlier cell's own id, so a run that plans both requests makes it once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from harness.api import Benchmark
from harness.cell import Cell, Spec
from harness.components import benchmark_spec, role_of


def earlier(name: str, benchmark: Benchmark) -> Iterator[tuple[Spec, Benchmark]]:
    """The requests before a benchmark's own, nearest first; none where it does not continue another.

    Args:
        name: Its installed name, which they share.
        benchmark: The request that comes last.
    """
    before: Benchmark | None = getattr(benchmark, "continues", lambda: None)()
    if before is not None:
        yield benchmark_spec(name, before), before
        yield from earlier(name, before)


def previous(cell: Cell, benchmark: Benchmark, method: Any) -> tuple[Cell, Benchmark] | None:  # noqa: ANN401 - any plugin
    """The cell, and its benchmark, whose unlearned model this one starts from; None for the original model.

    The never-learned model continues nothing: it met none of the requests.
    """
    found = None if role_of(method) == "reference" else next(earlier(cell.benchmark.name, benchmark), None)
    return found and (dataclasses.replace(cell, benchmark=found[0]), found[1])
