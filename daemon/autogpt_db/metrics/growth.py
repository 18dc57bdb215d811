"""What processes have counted between two looks, and what follows of it: rates, durations, errors.

The page for operators and the terminal's `top` show it; nothing is measured for either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from autogpt_db.metrics.families import PASSED_ON, REQUESTS, SECONDS, STATEMENT_SECONDS
from autogpt_db.metrics.layout import SUM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autogpt_db.metrics.reading import Figures

BUCKETS = len(SECONDS) + 1
"""Of a request's duration: one for each bound, and what is beyond the last."""
MOST_ERRORS = 50
"""Kinds of failure, methods passed on, and slow statements that are listed."""
SLOW_STATEMENT = 0.1
"""Seconds from which on a statement is slow."""
_SLOW_BUCKETS = slice(SECONDS.index(SLOW_STATEMENT) + 1, BUCKETS)
_PASSED_ON = PASSED_ON.short_name
_REQUESTS = REQUESTS.short_name
_STATEMENTS = STATEMENT_SECONDS.short_name
_FIRST_ERROR = 400
_LEFT = 499  # the client has left: no error of the service's


class Growth:
    """How much the counters of all processes grow from one look to the next.

    Attributes:
        passed_on: Calls of each method that isn't served here, since the service's start.
        statements: Statements since the last look, by operation: in buckets of duration, and last
            their seconds all together.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[tuple[str, ...], list[float]]] = {}
        self._looked = False
        self.passed_on: dict[str, float] = {}
        self.statements: dict[str, list[float]] = {}

    def take(self, figures: Iterable[Figures]) -> dict[tuple[str, str], list[float]]:
        """Return the calls since the last look, by method and status, in buckets of duration.

        What was counted before the first look is nobody's growth. A counter that has fallen began
        anew, with a new service: all of it has grown since. A process whose file cannot be read
        once is compared with what it had before that.

        Args:
            figures: Of all processes.
        """
        grown: dict[tuple[str, str], list[float]] = {}
        statements: dict[str, list[float]] = {}
        passed_on: dict[str, float] = {}
        for process in figures:
            known = self._known.setdefault(process.name, {})
            for key, values in process.series.items():
                family, *labels = key
                if family == _PASSED_ON and len(labels) == len(PASSED_ON.labels):
                    passed_on[labels[0]] = passed_on.get(labels[0], 0.0) + values[0]
                elif family == _REQUESTS and len(labels) == len(REQUESTS.labels):
                    method, status = labels
                    _add(grown, (method, status), self._more(known, key, values[:BUCKETS]))
                elif family == _STATEMENTS and len(labels) == len(STATEMENT_SECONDS.labels):
                    counted = (*values[:BUCKETS], values[SUM])
                    _add(statements, labels[0], self._more(known, key, counted))
        self.passed_on, self.statements = passed_on, statements
        self._looked = True
        return grown

    def _more(
        self,
        known: dict[tuple[str, ...], list[float]],
        key: tuple[str, ...],
        counted: Sequence[float],
    ) -> list[float] | None:
        """Return by how much a counter has grown; None where it hasn't."""
        now = list(counted)
        before, known[key] = known.get(key), now
        if not self._looked:
            return None
        more = _more(now, before)
        return more if any(more) else None


_Key = TypeVar("_Key")


def _add(grown: dict[_Key, list[float]], key: _Key, more: list[float] | None) -> None:
    if more is not None:
        add_up(grown, {key: more})


def add_up(sums: dict[_Key, list[float]], rows: Mapping[_Key, list[float]]) -> None:
    """Add rows to those of the same key."""
    for key, row in rows.items():
        before = sums.get(key)
        sums[key] = row if before is None else added(before, row)


def _more(counted: list[float], before: list[float] | None) -> list[float]:
    if before is None or any(map(float.__lt__, counted, before)):
        return counted
    return list(map(float.__sub__, counted, before))


def added(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the sums of two rows of buckets."""
    return [left + right for left, right in zip(one, other, strict=True)]


def is_error(status: str) -> bool:
    """Tell whether a reply's status counts as an error: whoever has left got none."""
    return status.isdecimal() and int(status) >= _FIRST_ERROR and int(status) != _LEFT


def quantile(buckets: Sequence[float], share: float) -> float | None:
    """Return the seconds within which a share of the calls was answered; None where there are none.

    Within a bucket they are taken to be spread evenly; beyond the last bound it is that bound.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted = total * share
    passed = 0.0
    for number, count in enumerate(buckets[: len(SECONDS)]):
        if count and passed + count >= wanted:
            low = SECONDS[number - 1] if number else 0.0
            return round(low + (SECONDS[number] - low) * (wanted - passed) / count, 6)
        passed += count
    return SECONDS[-1]


def summary(
    calls: Mapping[str, Sequence[float]],
    errors: Mapping[tuple[str, str], float],
    passed_on: Mapping[str, float],
) -> dict[str, list[dict[str, Any]]]:
    """Return what is shown of calls: methods, those with the most calls first, and errors.

    Args:
        calls: Buckets by method.
        errors: Failed ones by method and status.
        passed_on: Calls by method, of those that aren't served here.
    """
    totals = {method: sum(buckets) for method, buckets in calls.items()}
    failed: dict[str, float] = {}
    for (method, _), count in errors.items():
        failed[method] = failed.get(method, 0) + count
    return {
        "methods": [
            {
                "name": name,
                "calls": totals[name],
                "errors": failed.get(name, 0),
                "p50": quantile(calls[name], 0.5),
                "p99": quantile(calls[name], 0.99),
            }
            for name in sorted((name for name in totals if totals[name]), key=lambda n: -totals[n])
        ],
        "errors": [
            {"method": method, "status": status, "count": count}
            for (method, status), count in sorted(errors.items(), key=lambda one: -one[1])
            if count
        ][:MOST_ERRORS],
        "passed_on": [
            {"method": name, "calls": count}
            for name, count in sorted(passed_on.items(), key=lambda one: -one[1])
        ][:MOST_ERRORS],
    }


def slow_statements(statements: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Return the operations that had slow statements, the one with the most seconds first.

    Args:
        statements: As `Growth.statements` has them.
    """
    slow = {name: row for name, row in statements.items() if any(row[_SLOW_BUCKETS])}
    return [
        {
            "name": name,
            "count": sum(row[:BUCKETS]),
            "slow": sum(row[_SLOW_BUCKETS]),
            "p50": quantile(row[:BUCKETS], 0.5),
            "p99": quantile(row[:BUCKETS], 0.99),
            "longest_bucket": longest(row[:BUCKETS]),
            "seconds": round(row[BUCKETS], 3),
        }
        for name, row in sorted(slow.items(), key=lambda one: -one[1][BUCKETS])
    ][:MOST_ERRORS]


def longest(buckets: Sequence[float]) -> float | None:
    """Return the upper bound of the last bucket that has something; None where it has none."""
    last = max(number for number, count in enumerate(buckets) if count)
    return SECONDS[last] if last < len(SECONDS) else None
