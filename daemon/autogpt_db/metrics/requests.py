"""Counting requests: called once for each of them, so every nanosecond is spent many times."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from autogpt_db.metrics.families import REQUESTS, SECONDS
from autogpt_db.metrics.layout import SUM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autogpt_db.metrics.store import Store

UNKNOWN = "unknown"
"""Stands for every path that isn't served: clients cannot make up new series."""


class RequestCounters:
    """Counts requests by method and status, with their duration.

    Args:
        store: Where they are counted.
        methods: What is served, by name.
    """

    def __init__(self, store: Store, methods: Iterable[str]) -> None:
        self._store = store
        self._methods = frozenset(methods)
        self._values = store.values
        self._places: dict[tuple[str, int], int] = {}

    def count(self, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            method: The method, or what was asked for instead.
            status: The reply's.
            seconds: From its arrival to its reply.
        """
        place = self._places.get((method, status))
        if place is None:
            if method not in self._methods:
                method = UNKNOWN
            place = self._places[method, status] = self._store.place(REQUESTS, method, str(status))
        values = self._values
        values[place + bisect_left(SECONDS, seconds)] += 1.0
        values[place + SUM] += seconds
