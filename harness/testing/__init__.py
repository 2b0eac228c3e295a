"""Conformance checks for plugins: what ``harness check`` runs, and what a plugin's own tests call.

A check is a pure function of a *trial*, which is what was seen of a component while it ran. A plugin conforms exactly
when ``failures(check_installed("method", "mine"))`` is empty.
"""

from harness.testing.attack import check_attack
from harness.testing.benchmark import check_benchmark
from harness.testing.installed import check_installed
from harness.testing.method import check_method
from harness.testing.result import Result, failures

__all__ = ["Result", "check_attack", "check_benchmark", "check_installed", "check_method", "failures"]
