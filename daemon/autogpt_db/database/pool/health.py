"""How PostgreSQL is, asked seldom and remembered."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from autogpt_db.database.pool.queue_figures import MOST_FIGURES, QUEUE, QueueFigures, decode
from autogpt_db.errors import CallError
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.database.pool.pool import Pool

_NO_PARAMETERS: Mapping[str, Any] = {}

TIMEOUT = 2.0
"""Seconds that PostgreSQL gets for an answer."""
SIZES_INTERVAL = 60.0
"""Seconds between two looks at what takes longer: sizes on disk, and the queue."""

# Without pg_monitor a role sees others' sessions, but not what they do; NULL then stands for what
# it cannot know.
STATE: LiteralString = """
SELECT current_setting('server_version'),
       pg_is_in_recovery(),
       current_setting('max_connections')::integer,
       (SELECT sum(numbackends)::integer
          FROM pg_catalog.pg_stat_database),
       (SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8
          FROM pg_catalog.pg_stat_activity
         WHERE pid <> pg_backend_pid()),
       CASE
         WHEN pg_has_role('pg_read_all_stats', 'USAGE')
         THEN (SELECT count(*)
                 FROM pg_catalog.pg_stat_replication
                WHERE state = 'streaming')
       END,
       (SELECT max(extract(epoch FROM coalesce(replay_lag, '0')))::float8
          FROM pg_catalog.pg_stat_replication
         WHERE state = 'streaming')
"""

SIZES: LiteralString = """
SELECT pg_database_size(current_database()),
       (SELECT coalesce(json_agg(json_build_array(relname, n_live_tup, n_dead_tup)), '[]')
          FROM pg_catalog.pg_stat_all_tables
         WHERE relid = ANY (ARRAY[
                 to_regclass('platform."AgentGraphExecution"'),
                 to_regclass('platform."AgentNodeExecution"'),
                 to_regclass('platform."AgentNodeExecutionInputOutput"'),
                 to_regclass('platform."AgentNodeExecutionKeyValueData"'),
                 to_regclass('platform."CreditTransaction"'),
                 to_regclass('platform."NotificationEvent"'),
                 to_regclass('autogpt_db.procrastinate_jobs'),
                 to_regclass('autogpt_db.procrastinate_events')
               ]::oid[]))
"""


@dataclass(slots=True)
class Health:
    """What is known of PostgreSQL.

    Attributes:
        up: Whether it answered last; None before it was asked, or when no connection was free.
        seen: Unix time of that answer.
        version: The server's.
        in_recovery: Whether it is a standby.
        connections_max: Its max_connections.
        connections: Connections of everyone.
        oldest_transaction: Age of the oldest one, in seconds.
        standbys: Standbys that stream from it; None where we may not know.
        lag: Seconds that the slowest of them is behind; None where there is none.
        size: Bytes on disk.
        tables: Live and dead rows of the big tables, by name.
        queue: What the workers' tables say.
    """

    up: bool | None = None
    seen: float | None = None
    version: str | None = None
    in_recovery: bool | None = None
    connections_max: int | None = None
    connections: int | None = None
    oldest_transaction: float | None = None
    standbys: int | None = None
    lag: float | None = None
    size: int | None = None
    tables: list[tuple[str, int, int]] = field(default_factory=list)
    queue: QueueFigures = field(default_factory=QueueFigures)


class HealthWatch:
    """Asks PostgreSQL at most once in `interval` seconds, however often it is looked at.

    Args:
        pool: The process's.
        interval: Seconds that an answer is good for.
    """

    def __init__(self, pool: Pool, interval: float) -> None:
        self._pool = pool
        self._interval = interval
        self._known = Health()
        self._asked = self._sized = -math.inf
        self._asking: asyncio.Task[None] | None = None

    async def look(self, patience: float) -> Health:
        """Return what is known, after waiting a little for an answer that is due.

        Args:
            patience: Seconds to wait; an answer that comes later is there the next time.
        """
        if self._asking is None and time.monotonic() - self._asked >= self._interval:
            self._asking = asyncio.create_task(self._ask(), name="health", context=Context())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=patience)
        return self._known

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self) -> None:
        try:
            await self._read_state()
            if time.monotonic() - self._sized >= SIZES_INTERVAL:
                self._sized = time.monotonic()
                with suppress(CallError, TimeoutError):
                    await self._read_sizes()
        except (CallError, TimeoutError):
            figures = self._pool.figures()
            # All connections are lent: others get their answers, so nothing is said of the server.
            busy = figures.size > 0 and figures.in_use >= figures.size
            standby = self._pool.met_standby(self._interval) or None
            self._known = Health(up=None if busy else False, in_recovery=standby)
            self._sized = -math.inf
        except Exception as error:  # noqa: BLE001 - a scrape has much else to say
            log.health_unknown(exc_info=error)
            self._known = Health()
        finally:
            self._asked = time.monotonic()
            self._asking = None

    async def _read_state(self) -> None:
        found = await self._row(STATE)
        known = self._known
        (
            known.version,
            known.in_recovery,
            known.connections_max,
            known.connections,
            known.oldest_transaction,
            known.standbys,
            known.lag,
        ) = found
        known.up, known.seen = True, time.time()

    async def _read_sizes(self) -> None:
        known = self._known
        known.size, tables = await self._row(SIZES)
        known.tables = msgspec.json.decode(tables, type=list[tuple[str, int, int]])
        (queue,) = await self._row(QUEUE, {"most": MOST_FIGURES})
        known.queue = decode(queue)

    async def _row(
        self, sql: LiteralString, parameters: Mapping[str, Any] = _NO_PARAMETERS
    ) -> tuple[Any, ...]:
        deadline = time.monotonic() + TIMEOUT
        call = self._pool.call("metrics", reads=True, deadline=deadline, urgent=True)
        async with asyncio.timeout(TIMEOUT):
            found = await call.row(sql, parameters)
        assert found is not None, "a SELECT without FROM has one row"
        return found
