"""Calls a second, durations and errors by method over the last hour, from what is counted anyway.

A sample of all processes' counters is taken every few seconds; what is kept of it is how much they
grew, in arrays of fixed size. Quantiles are made when somebody looks.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import deque
from typing import TYPE_CHECKING, Any

from autogpt_db.metrics.growth import (
    BUCKETS,
    Growth,
    add_up,
    added,
    is_error,
    quantile,
    slow_statements,
    summary,
)
from autogpt_db.metrics.reading import read_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from autogpt_db.metrics.reading import Figures

INTERVAL = 15.0
"""Seconds between two samples."""
SAMPLES = 240
"""Samples that are kept: an hour."""
MOST_METHODS = 300
"""Methods that are told apart; of further ones nothing is kept."""
PARTS = 12
"""Parts of the hour, by which statements go out of sight: of those there is no plot."""
PLOTTED = 6
"""Methods that have a line of their own, those with the most calls."""


class _Ring:
    """How much one series grew in each sample."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.values = array("I", bytes(4 * width * SAMPLES))

    def put(self, place: int, grown: Sequence[float]) -> None:
        at = place * self.width
        for number, value in enumerate(grown):
            self.values[at + number] = min(int(value), 0xFFFFFFFF)

    def at(self, place: int) -> array[int]:
        return self.values[place * self.width : (place + 1) * self.width]

    def sums(self) -> list[int]:
        return [sum(self.values[number :: self.width]) for number in range(self.width)]


class History:
    """The last hour."""

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque(maxlen=SAMPLES)  # Unix time, its seconds
        self._place = 0
        self._methods: dict[str, _Ring] = {}
        self._errors: dict[tuple[str, str], _Ring] = {}
        self._statements: deque[dict[str, list[float]]] = deque(maxlen=PARTS)
        self._samples = 0
        self._growth = Growth()
        self._taken: float | None = None

    async def keep(self, runtime: Path) -> None:
        """Take samples until cancelled."""
        while True:
            self.take(read_all(runtime), time.time(), time.monotonic())
            await asyncio.sleep(INTERVAL)

    def take(self, figures: Iterable[Figures], now: float, moment: float) -> None:
        """Take a sample.

        Args:
            figures: Of all processes.
            now: Unix time.
            moment: The same, by `time.monotonic()`.
        """
        grown = self._growth.take(figures)
        before, self._taken = self._taken, moment
        if before is None:
            return
        self._place = (self._place + 1) % SAMPLES
        self._times.append((now, max(moment - before, 0.001)))
        for ring in (*self._methods.values(), *self._errors.values()):
            ring.put(self._place, (0,) * ring.width)
        for (method, status), buckets in grown.items():
            self._add(method, status, buckets)
        if self._samples % (SAMPLES // PARTS) == 0:
            self._statements.append({})
        self._samples += 1
        add_up(self._statements[-1], self._growth.statements)

    def _add(self, method: str, status: str, grown: list[float]) -> None:
        ring = self._methods.get(method)
        if ring is None and len(self._methods) < MOST_METHODS:
            ring = self._methods[method] = _Ring(BUCKETS)
        if ring is None:
            return
        ring.put(self._place, added(ring.at(self._place), grown))
        if is_error(status):
            errors = self._errors.get((method, status))
            if errors is None and len(self._errors) < MOST_METHODS:
                errors = self._errors[method, status] = _Ring(1)
            if errors is not None:
                errors.put(self._place, [errors.at(self._place)[0] + sum(grown)])

    def document(self) -> dict[str, Any]:
        """Return what the page shows of it: times in Unix seconds, durations in seconds."""
        shown = summary(
            {method: ring.sums() for method, ring in self._methods.items()},
            {key: ring.sums()[0] for key, ring in self._errors.items()},
            self._growth.passed_on,
        )
        lines = [("all", list(self._methods.values()))]
        plotted = [method["name"] for method in shown["methods"][:PLOTTED]]
        lines += [(name, [self._methods[name]]) for name in plotted]
        return {
            "interval": INTERVAL,
            "times": [round(at) for at, _ in self._times],
            "lines": [{"name": name, **self._line(rings)} for name, rings in lines],
            **shown,
            "statements": slow_statements(self._statements_of_the_hour()),
        }

    def _statements_of_the_hour(self) -> dict[str, list[float]]:
        sums: dict[str, list[float]] = {}
        for part in self._statements:
            add_up(sums, part)
        return sums

    def _line(self, rings: list[_Ring]) -> dict[str, list[float | None]]:
        rate: list[float | None] = []
        p50: list[float | None] = []
        p99: list[float | None] = []
        for place, seconds in self._places():
            buckets = [sum(each) for each in zip(*(ring.at(place) for ring in rings), strict=True)]
            rate.append(round(sum(buckets) / seconds, 2))
            p50.append(quantile(buckets, 0.5))
            p99.append(quantile(buckets, 0.99))
        return {"rate": rate, "p50": p50, "p99": p99}

    def _places(self) -> Iterator[tuple[int, float]]:
        """Yield where each sample is, the oldest first, and its seconds."""
        count = len(self._times)
        for number, (_, seconds) in enumerate(self._times):
            yield (self._place - count + 1 + number) % SAMPLES, seconds
