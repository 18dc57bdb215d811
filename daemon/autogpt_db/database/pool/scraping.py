"""What all processes of the service on this host have counted and measured, as Prometheus reads it.

Whoever is asked reads the figures of all, and asks PostgreSQL for its own.
"""

from __future__ import annotations

import asyncio
import platform
import time
from typing import TYPE_CHECKING

from autogpt_db import __version__
from autogpt_db.database.pool.health import Health, HealthWatch
from autogpt_db.metrics import families
from autogpt_db.metrics.exposition import Exposition
from autogpt_db.metrics.reading import read_all, read_own

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.database.pool.pool import Pool
    from autogpt_db.database.pool.queue_figures import QueueFigures
    from autogpt_db.metrics import Store
    from autogpt_db.settings import Settings

PATIENCE = 0.02
"""Seconds that a scrape waits for PostgreSQL's answer before it shows the one before."""
SLICE = 0.002
"""Seconds of work after which requests get their turn."""


class Scraping:
    """Answers scrapes, for all processes.

    Args:
        database: The process's pool.
        settings: Where the others' figures are, and how old the database's may be.
        store: The process's own figures.
    """

    def __init__(self, database: Pool, settings: Settings, store: Store) -> None:
        self._runtime: Path = settings.paths.runtime
        self._store = store
        self._health = HealthWatch(database, settings.metrics.database_interval)

    async def health(self, patience: float = PATIENCE) -> Health:
        """Return what is known of PostgreSQL, which is asked if that is old.

        Args:
            patience: Seconds to wait for its answer.
        """
        return await self._health.look(patience)

    async def text(self) -> str:
        """Return the figures in Prometheus' text format."""
        health = await self.health()
        shown = Exposition()
        turn = _Turn()
        if self._store.shared:
            for figures in read_all(self._runtime):
                shown.add(figures)
                await turn.give_way()
        else:
            shown.add(read_own(self._store))
        _show_build(shown)
        _show_health(shown, health)
        parts = []
        for part in shown.text():
            parts.append(part)
            await turn.give_way()
        return "".join(parts)

    async def close(self) -> None:
        """Stop asking the database."""
        await self._health.close()


class _Turn:
    """A share of the event loop's time."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE

    async def give_way(self) -> None:
        """Let requests go on if the share is used up."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + SLICE


def _show_build(shown: Exposition) -> None:
    shown.set(families.BUILD, 1, __version__, platform.python_version())


def _show_health(shown: Exposition, health: Health) -> None:
    shown.set(families.DATABASE_UP, health.up)
    shown.set(families.DATABASE_RECOVERY, health.in_recovery)
    if not health.up:
        return
    if health.version is not None:
        shown.set(families.DATABASE_INFO, 1, health.version)
    shown.set(families.DATABASE_SEEN, health.seen)
    shown.set(families.DATABASE_STANDBYS, health.standbys)
    shown.set(families.DATABASE_LAG, health.lag)
    shown.set(families.DATABASE_CONNECTIONS, health.connections)
    shown.set(families.DATABASE_CONNECTIONS_MAX, health.connections_max)
    shown.set(families.DATABASE_OLDEST, health.oldest_transaction)
    shown.set(families.DATABASE_SIZE, health.size)
    for table, rows, dead in health.tables:
        shown.set(families.TABLE_ROWS, rows, table)
        shown.set(families.TABLE_DEAD, dead, table)
    _show_queue(shown, health.queue)


def _show_queue(shown: Exposition, queue: QueueFigures) -> None:
    for job, status, number in queue.queued:
        shown.set(families.JOBS, number, job, status)
    for job, moment in queue.succeeded.items():
        shown.set(families.JOB_SUCCEEDED, moment, job)
    for job, share in queue.progress.items():
        shown.set(families.JOB_PROGRESS, share, job)
    for job in queue.paused:
        shown.set(families.JOB_PAUSED, 1, job)
    newest: dict[str, float] = {}
    for figure in queue.figures:
        newest[figure.job] = max(figure.measured_at, newest.get(figure.job, 0.0))
        family = families.MEASURED.get(figure.name)
        if family is not None and set(family.labels) == figure.labels.keys():
            labels = [str(figure.labels[label]) for label in family.labels]
            shown.set(family, figure.value, *labels)
    for job, moment in newest.items():
        shown.set(families.JOB_MEASURED, moment, job)
