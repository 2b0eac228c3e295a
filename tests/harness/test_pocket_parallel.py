import os
from functools import partial

import pytest

from harness.pocket.parallel import Report, in_parallel


def count(to: int, report: Report) -> None:
    for done in range(1, to + 1):
        report("counting", done, to)


def die(report: Report) -> None:
    os.abort()


def test_jobs_side_by_side_pass_on_all_that_they_report() -> None:
    reports: list[tuple[str, int, int]] = []
    in_parallel({"short": partial(count, 1), "long": partial(count, 2)}, lambda *said: reports.append(said))
    assert sorted(reports) == [("counting", 1, 1), ("counting", 1, 2), ("counting", 2, 2)]


def test_a_job_whose_process_dies_is_named() -> None:
    with pytest.raises(ChildProcessError, match="'fatal' ended with exit code"):
        in_parallel({"fatal": die}, lambda stage, done, total: None)
