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

from autogpt_db.metrics.families import PASSED_ON, REQUESTS, SECONDS
from autogpt_db.metrics.reading import read_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from autogpt_db.metrics.reading import Figures

INTERVAL = 15.0
"""Seconds between two samples."""
SAMPLES = 240
"""Samples that are kept: an hour."""
BUCKETS = len(SECONDS) + 1
MOST_METHODS = 300
"""Methods that are told apart; of further ones nothing is kept."""
PLOTTED = 6
"""Methods that have a line of their own, those with the most calls."""
MOST_ERRORS = 50
_FIRST_ERROR = 400
_LEFT = 499  # the client has left: no error of the service's


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
        self._passed_on: dict[str, float] = {}
        self._before: dict[tuple[str, ...], Sequence[float]] | None = None
        self._taken = 0.0

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
        totals = _totals(figures)
        before, self._before = self._before, totals
        seconds, self._taken = moment - self._taken, moment
        if before is None:
            return
        self._place = (self._place + 1) % SAMPLES
        self._times.append((now, max(seconds, 0.001)))
        for ring in (*self._methods.values(), *self._errors.values()):
            ring.put(self._place, (0,) * ring.width)
        for key, values in totals.items():
            known = before.get(key, (0.0,) * len(values))
            grown = [max(0.0, new - old) for new, old in zip(values, known, strict=True)]
            if any(grown):
                self._add(key, grown)
        self._passed_on = {
            key[1]: values[0] for key, values in totals.items() if key[0] == PASSED_ON.short_name
        }

    def _add(self, key: tuple[str, ...], grown: list[float]) -> None:
        if key[0] != REQUESTS.short_name:
            return
        _, method, status = key
        ring = self._methods.get(method)
        if ring is None and len(self._methods) < MOST_METHODS:
            ring = self._methods[method] = _Ring(BUCKETS)
        if ring is None:
            return
        there = ring.at(self._place)
        ring.put(self._place, [old + new for old, new in zip(there, grown, strict=True)])
        if status.isdecimal() and int(status) >= _FIRST_ERROR and int(status) != _LEFT:
            errors = self._errors.get((method, status))
            if errors is None and len(self._errors) < MOST_METHODS:
                errors = self._errors[method, status] = _Ring(1)
            if errors is not None:
                errors.put(self._place, [errors.at(self._place)[0] + sum(grown)])

    def document(self) -> dict[str, Any]:
        """Return what the page shows of it: times in Unix seconds, durations in seconds."""
        sums = {method: ring.sums() for method, ring in self._methods.items()}
        calls = {method: sum(buckets) for method, buckets in sums.items()}
        failed: dict[str, int] = {}
        errors: list[dict[str, Any]] = []
        for (method, status), ring in self._errors.items():
            (count,) = ring.sums()
            failed[method] = failed.get(method, 0) + count
            if count:
                errors.append({"method": method, "status": status, "count": count})
        ranked = sorted((name for name in calls if calls[name]), key=lambda name: -calls[name])
        lines = [("all", list(self._methods.values()))]
        lines += [(name, [self._methods[name]]) for name in ranked[:PLOTTED]]
        return {
            "interval": INTERVAL,
            "times": [round(at) for at, _ in self._times],
            "lines": [{"name": name, **self._line(rings)} for name, rings in lines],
            "methods": [
                {
                    "name": name,
                    "calls": calls[name],
                    "errors": failed.get(name, 0),
                    "p50": quantile(sums[name], 0.5),
                    "p99": quantile(sums[name], 0.99),
                }
                for name in ranked
            ],
            "errors": sorted(errors, key=lambda one: -one["count"])[:MOST_ERRORS],
            "passed_on": [
                {"method": name, "calls": count}
                for name, count in sorted(self._passed_on.items(), key=lambda one: -one[1])
            ][:MOST_ERRORS],
        }

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


def _totals(figures: Iterable[Figures]) -> dict[tuple[str, ...], Sequence[float]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for process in figures:
        for key, values in process.series.items():
            if key[0] == REQUESTS.short_name and len(key) == 1 + len(REQUESTS.labels):
                kept = list(values[:BUCKETS])
            elif key[0] == PASSED_ON.short_name and len(key) == 1 + len(PASSED_ON.labels):
                kept = [values[0]]
            else:
                continue
            known = found.get(key)
            found[key] = kept if known is None else list(map(float.__add__, known, kept))
    return dict(found)
