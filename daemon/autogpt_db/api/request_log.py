"""A line for each request, as long as there are few; above that, a sum for each method and second.

Writing a line costs more than serving a short call does. What failed or was slow keeps its own.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from dataclasses import dataclass
from logging import DEBUG, INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    from autogpt_db.errors import CallError
    from autogpt_db.metrics import RequestCounters
    from autogpt_db.settings.operation import LoggingSettings
    from autogpt_db.spans import Span

LEFT = 499
"""Status in the log of a request whose client left before its reply, as nginx has it."""
SERVER_FAULT = 500
CLIENT_FAULT = 400
WINDOW = 1.0
"""Seconds that a sum is about."""


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    pool_wait: float = 0.0
    rows: int = 0


class RequestLog:
    """Writes what became of requests.

    Args:
        settings: Which requests get a line, what is slow, and how many lines a second may be.
        counters: Where all of them are counted.
    """

    def __init__(self, settings: LoggingSettings, counters: RequestCounters) -> None:
        self._count = counters.count
        self._which = settings.requests
        self._slow = settings.slow_request
        self._most_lines = settings.request_lines
        self._lines = 0
        self._window_ends = 0.0
        self._sums: dict[str, _Sum] = {}

    def ended(
        self,
        name: str,
        status: int,
        seconds: float,
        *,
        request_id: str,
        pool_wait: float = 0.0,
        rows: int = 0,
        quiet: bool = False,
        replayed: bool = False,
        failure: CallError | None = None,
        span: Span | None = None,
    ) -> None:
        """Take note of a request that has been answered.

        Args:
            name: The method, or verb and path.
            status: The reply's, or `LEFT`.
            seconds: From its arrival to its reply.
            request_id: What its line is found by.
            pool_wait: Seconds of that spent waiting for a connection.
            rows: Rows that its statements returned or changed.
            quiet: Whether it is one of the many that look whether we are there.
            replayed: Whether its reply is that of another call with the same idempotency key.
            failure: What it was answered with instead of a result.
            span: What is traced of it; None: nothing.
        """
        self._count(name, status, seconds)
        is_slow = seconds >= self._slow
        failed = status >= CLIENT_FAULT
        which = self._which
        if which == "none" or (which == "failed" and not (failed or is_slow)):
            return
        if is_slow or status >= SERVER_FAULT:
            level = WARNING
        elif quiet and not failed:
            level = DEBUG
        elif failed or self._may_write():
            level = INFO
        else:
            self._add(name, seconds, pool_wait, rows)
            return
        log.request.at(
            level,
            method=name,
            status=status,
            seconds=round(seconds, 6),
            pool_wait=round(pool_wait, 6),
            rows=rows,
            request_id=request_id,
            replayed=replayed or None,
            failure=None if failure is None else type(failure).__name__,
            sqlstate=getattr(failure.__cause__, "sqlstate", None) if failure else None,
            trace_id=span.trace_id if span else None,
            span_id=span.span_id if span else None,
        )

    def flush(self) -> None:
        """Write the sums of the window that has ended, one record for each method."""
        sums, self._sums = self._sums, {}
        for name, found in sums.items():
            log.requests(
                method=name,
                calls=found.calls,
                mean=round(found.seconds / found.calls, 6),
                slowest=round(found.slowest, 6),
                pool_wait=round(found.pool_wait, 6),
                rows=found.rows,
            )

    def _may_write(self) -> bool:
        """Tell whether one more line fits into this second."""
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends = now + WINDOW
            self._lines = 0
        self._lines += 1
        return self._lines <= self._most_lines

    def _add(self, name: str, seconds: float, pool_wait: float, rows: int) -> None:
        if not self._sums:
            left = max(0.0, self._window_ends - time.monotonic())
            # The sums are nobody's request.
            asyncio.get_running_loop().call_later(left, self.flush, context=Context())
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = _Sum()
        found.calls += 1
        found.seconds += seconds
        found.slowest = max(found.slowest, seconds)
        found.pool_wait += pool_wait
        found.rows += rows
