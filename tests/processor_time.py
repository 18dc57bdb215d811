"""What tests cost: processor seconds of each test's whole process tree, PostgreSQL's included.

Seconds on the clock say more of the machine's other work than of the tests. With
AUTOGPT_DB_TEST_COSTS=1 a run ends with a table by directory and file (`make test-costs`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

WANTED = os.environ.get("AUTOGPT_DB_TEST_COSTS") == "1"
_TICKS = os.sysconf("SC_CLK_TCK")
_NAME = "processor_seconds"
_LEAST = 3.0
"""Seconds from which on a file or a test gets a line of its own."""


def spent() -> float:
    """Return the processor seconds of this process and all that descend from it, so far.

    What has ended and been waited for is counted with its parent. What outlived its parent is lost.
    """
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        process = int(entry.name)
        try:
            fields = _fields(process)
        except OSError:
            continue  # it ended meanwhile
        parents[process] = int(fields[1])
        ticks[process] = sum(map(int, fields[11:15]))
    family = {os.getpid()}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(one, 0) for one in family) / _TICKS


def spent_by(process: int) -> float:
    """Return the processor seconds that one process has used so far, to some ten milliseconds."""
    return sum(map(int, _fields(process)[11:13])) / _TICKS


def _fields(process: int) -> list[str]:
    """Return what proc(5) says of a process after its command in brackets: state, parent, ….

    Its times are the 12th to the 15th of these: its own in two parts, those of who it has awaited.
    """
    text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    return text.rpartition(")")[2].split()


class ProcessorTime:
    """Measures from the end of one test to the end of the next, fixtures included."""

    def __init__(self) -> None:
        self._before = spent()
        self._costs: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write what the test has cost into its last report."""
        report = yield
        if call.when == "teardown":
            now = spent()
            report.user_properties.append((_NAME, now - self._before))
            self._before = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what comes from all test processes."""
        for name, seconds in report.user_properties:
            if name == _NAME and isinstance(seconds, float) and report.when == "teardown":
                self._costs[report.nodeid] = seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table: directories, files, and the dearest tests."""
        directories: dict[str, float] = defaultdict(float)
        files: dict[str, float] = defaultdict(float)
        for test, seconds in self._costs.items():
            path = test.partition("::")[0]
            files[path] += seconds
            directories[str(Path(path).parent)] += seconds
        terminalreporter.section("processor seconds")
        for costs, least in ((directories, 0.0), (files, _LEAST), (self._costs, _LEAST)):
            for name, seconds in sorted(costs.items(), key=lambda item: -item[1]):
                if seconds >= least:
                    terminalreporter.line(f"{seconds:8.1f}  {name}")
            terminalreporter.line("")
        terminalreporter.line(f"{sum(self._costs.values()):8.1f}  in all")
