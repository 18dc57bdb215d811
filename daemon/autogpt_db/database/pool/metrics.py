"""A pool's figures, where /metrics finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.metrics import families
from autogpt_db.metrics.store import Total

if TYPE_CHECKING:
    from autogpt_db.database.pool.pool import Pool
    from autogpt_db.metrics import Store

HEAVY = "heavy"


class PoolMetrics:
    """Publishes what a process's pool, its lanes and its mergers do.

    Args:
        pool: The process's.
        store: Its figures.
    """

    def __init__(self, pool: Pool, store: Store) -> None:
        self._pool = pool
        self._store = store
        self._waits = Total(store, families.POOL_WAITS)
        self._wait_seconds = Total(store, families.POOL_WAIT_SECONDS)
        self._refusals = Total(store, families.POOL_REFUSALS)
        self._lost = Total(store, families.POOL_LOST)
        self._strays = Total(store, families.POOL_STRAYS)
        self._faults: dict[str, Total] = {}
        self._durations: dict[str, Total] = {}
        self._seconds: dict[str, float] = {}
        self._sizes = Total(store, families.BATCH_SIZE)
        self._isolated = Total(store, families.ISOLATED)
        if pool.settings.events.enabled:
            self._tell_who_follows()

    def publish(self) -> None:
        """Write them down."""
        store, pool = self._store, self._pool
        figures = pool.figures()
        store.set(families.POOL_SIZE, figures.size)
        store.set(families.POOL_IN_USE, figures.in_use)
        store.set(families.POOL_WAITING, figures.waiting)
        store.set(families.LANE_SIZE, pool.heavy_lane.size, HEAVY)
        store.set(families.LANE_IN_USE, figures.heavy_in_use, HEAVY)
        store.set(families.LANE_WAITING, figures.heavy_waiting, HEAVY)
        totals = pool.totals()
        self._waits.set(totals.waits)
        self._wait_seconds.set(totals.wait_seconds)
        self._refusals.set(totals.refusals)
        self._lost.set(totals.lost)
        self._strays.set(totals.strays)
        store.set(families.DATABASE_WRITABLE, figures.trouble is None)
        for cause, count in pool.faults.counts.items():
            if cause not in self._faults:
                self._faults[cause] = Total(store, families.DATABASE_FAULTS, cause)
            self._faults[cause].set(count)
        self._publish_durations()
        merged = [merger.figures for merger in pool.mergers()]
        if merged:
            buckets = [sum(counts) for counts in zip(*(each.sizes for each in merged), strict=True)]
            self._sizes.set_histogram(buckets, sum(each.sent for each in merged))
            self._isolated.set(sum(each.isolated for each in merged))

    def _tell_who_follows(self) -> None:
        """Count writes as they end, where those who follow live events look."""
        values, place = self._store.values, self._store.place(families.LIVE_EVENT_WRITES)

        def written() -> None:
            values[place] += 1.0

        self._pool.on_written(written)

    def _publish_durations(self) -> None:
        for operation, (*buckets, seconds) in self._pool.durations.counted.items():
            if self._seconds.get(operation) == seconds:
                continue  # most have sent nothing since the last time
            self._seconds[operation] = seconds
            if operation not in self._durations:
                self._durations[operation] = Total(
                    self._store, families.STATEMENT_SECONDS, operation
                )
            self._durations[operation].set_histogram(buckets, seconds)
