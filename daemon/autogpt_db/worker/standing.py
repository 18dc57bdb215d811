"""How a worker's queue stands: open, lost and why, and since when that may be relied on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
from procrastinate.exceptions import ConnectorException

from autogpt_db.database.causes import why_refused
from autogpt_db.logs.events import worker as log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autogpt_db.heartbeat import Heartbeat

STEADY = 10.0
"""Seconds after which an open queue counts as recovered, and pauses start small again."""
SETTLED = 1.0
"""Seconds after which a queue that was lost counts as open to the rest of the service.

One with a table that is closed to us opens well, and is lost at its first statement there.
"""
_MOST_TOLD = 20
"""Reasons that are remembered as told: words of the server's may hold a number."""


class QueueLostError(Exception):
    """The queue's database went away, or its tables are not there."""


class Standing:
    """What is told of the queue: once for each reason that it is lost for, however often it opens.

    Args:
        heartbeat: What the rest of the service is told through.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._told: set[str] = set()

    async def opened(self, jobs: Sequence[str], *, notified: bool) -> None:
        """Tell that the queue is open; after a loss, once it has been for long enough to count.

        Cancel it when the queue is lost.

        Args:
            jobs: Names of the jobs that are served.
            notified: Whether new ones are announced.
        """
        if self._told:
            await asyncio.sleep(SETTLED)
        self._heartbeat.able(able=True)
        if self._told:
            await asyncio.sleep(STEADY - SETTLED)
            self._told.clear()
        log.worker_ready(jobs=jobs, notified=notified)

    def lost(self, error: Exception) -> None:
        """Tell why the queue is lost.

        Args:
            error: What happened.
        """
        self._heartbeat.able(able=False, complaint=f"no queue: {_words_for(error)}")
        lines = str(_cause_of(error) or error).strip().splitlines() or [type(error).__name__]
        reason = lines[0]
        if reason not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(reason)
            log.queue_lost(reason=reason)


def _cause_of(error: Exception) -> BaseException | None:
    return error.__cause__ if isinstance(error, ConnectorException) else error


def _words_for(error: Exception) -> str:
    """Return why the queue is lost for the status, which anybody may see: no driver's words."""
    if isinstance(error, QueueLostError):
        return str(error)
    if isinstance(_cause_of(error), psycopg.ProgrammingError):  # a right, a table, a function
        return "something of it is missing or closed to us; `autogpt-db doctor` says what"
    return why_refused(error) if isinstance(error, psycopg.OperationalError) else "it was lost"
