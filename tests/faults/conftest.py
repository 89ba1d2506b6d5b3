"""Counts the fault tests for the report: no differences mean little where a test did not get so far."""

from __future__ import annotations

import pytest

from tests.faults import results


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        results.add("faults.tests", 1, "tests")
    results.add("faults.failed_tests", int(report.failed), "tests")
