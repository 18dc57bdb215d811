"""What `top` shows of the daemon: its tree, and what has been counted since the last look.

Everything is read where `status`, the admin listener and `/metrics` read it; nothing is measured.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.metrics.families import SECONDS
from autogpt_db.metrics.growth import (
    BUCKETS,
    Growth,
    add_up,
    added,
    is_error,
    longest,
    quantile,
    slow_statements,
    summary,
)
from autogpt_db.metrics.reading import read_all
from autogpt_db.supervision.looking import look_at_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Document = dict[str, Any]
"""What is shown, as `--json` prints it."""

PATIENCE = 5.0
"""Seconds for which the daemon is waited for, until it is said not to answer."""
LATELY = 60.0
"""Seconds for which errors and slow calls stay in sight."""
SLOW = 1.0
"""Seconds from which on a call is slow, as `logging.slow_request` has it by default."""
_SLOW_BUCKET = SECONDS.index(SLOW) + 1


class _Interval(NamedTuple):
    """What has been counted between two looks."""

    seconds: float
    calls: dict[tuple[str, str], list[float]]
    statements: dict[str, list[float]]


class Figures:
    """The looks.

    Args:
        runtime: The daemon's runtime directory.
    """

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._growth = Growth()
        self._moment: float | None = None
        self._lately: deque[_Interval] = deque()
        self._used: dict[int, float] = {}

    def look(self, *, lasting: bool = False) -> Document:
        """Look at the daemon.

        Args:
            lasting: Whether a daemon that doesn't answer is an error; else it is shown.

        Returns:
            `at` (Unix time), `seconds` (since the last look), `tree` (as `status --json`, and of
            each process `memory`, `cpu_seconds`, `cpu` as a share of one processor, `lanes`; or
            `unknown`), `calls` over these seconds (`rate`, `p50`, `p99`, `methods`, `passed_on`),
            and `lately`, over the last minute of them (`seconds`, `errors`, `slow`, `statements`).
            Durations are in seconds. After the first look there are no seconds yet, and no rates.

        Raises:
            DatabaseUnreachableError: No daemon answers, and that is an error.
        """
        found = list(read_all(self._runtime))
        moment = time.monotonic()
        before, self._moment = self._moment, moment
        seconds = None if before is None else max(moment - before, 0.001)
        grown = self._growth.take(found)
        if seconds is not None:
            self._lately.append(_Interval(seconds, grown, self._growth.statements))
        while len(self._lately) > 1 and self._seconds() > LATELY:
            self._lately.popleft()
        try:
            tree = look_at_tree(self._runtime, found, PATIENCE)
        except DatabaseUnreachableError as error:
            if lasting:
                raise
            tree = {"unknown": str(error), "processes": []}
        self._add_shares(tree, seconds)
        return {
            "at": round(time.time(), 3),
            "seconds": None if seconds is None else round(seconds, 3),
            "tree": tree,
            "calls": _calls(grown, self._growth.passed_on, seconds),
            "lately": self._of_late(),
        }

    def _add_shares(self, tree: Document, seconds: float | None) -> None:
        """Say how much of a processor each process has used since the last look."""
        used: dict[int, float] = {}
        for process in tree["processes"]:
            pid, now = process["pid"], process.get("cpu_seconds")
            before = self._used.get(pid)
            known = now is not None and before is not None and seconds is not None
            process["cpu"] = round(max(0.0, now - before) / seconds, 4) if known else None
            if now is not None:
                used[pid] = now
        self._used = used

    def _seconds(self) -> float:
        return sum(each.seconds for each in self._lately)

    def _of_late(self) -> Document:
        statements: dict[str, list[float]] = {}
        slow: dict[str, list[float]] = {}
        errors: dict[tuple[str, str], float] = {}
        for each in self._lately:
            add_up(statements, each.statements)
            for (method, status), buckets in each.calls.items():
                if is_error(status):
                    key = (method, status)
                    errors[key] = errors.get(key, 0) + sum(buckets)
                if any(buckets[_SLOW_BUCKET:]):
                    slow[method] = added(slow.get(method, [0.0] * BUCKETS), buckets)
        return {
            "seconds": round(self._seconds(), 3),
            "errors": summary({}, errors, {})["errors"],
            "slow": sorted(
                (
                    {
                        "method": method,
                        "count": int(sum(buckets[_SLOW_BUCKET:])),
                        "longest_bucket": longest(buckets),
                    }
                    for method, buckets in slow.items()
                ),
                key=lambda one: -one["count"],
            ),
            "statements": slow_statements(statements),
        }


def _calls(
    grown: Mapping[tuple[str, str], Sequence[float]],
    passed_on: Mapping[str, float],
    seconds: float | None,
) -> Document:
    methods: dict[str, list[float]] = {}
    errors: dict[tuple[str, str], float] = {}
    for (method, status), buckets in grown.items():
        methods[method] = added(methods.get(method, [0.0] * BUCKETS), buckets)
        if is_error(status):
            errors[method, status] = sum(buckets)
    every = [sum(each) for each in zip([0.0] * BUCKETS, *methods.values(), strict=True)]
    shown = summary(methods, errors, passed_on)
    for one in shown["methods"]:
        one["rate"] = None if seconds is None else round(one["calls"] / seconds, 3)
    return {
        "rate": None if seconds is None else round(sum(every) / seconds, 3),
        "p50": quantile(every, 0.5),
        "p99": quantile(every, 0.99),
        "methods": shown["methods"],
        "passed_on": shown["passed_on"],
    }
