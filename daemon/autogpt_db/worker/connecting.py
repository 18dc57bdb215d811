"""The queue's connections: procrastinate's own, with every wait bounded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import psycopg
from procrastinate import PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from autogpt_db.database.hosts import Hosts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from psycopg.rows import DictRow

STATEMENT_LIMIT = 10.0
"""Seconds that a statement of the queue may take, in the server and as seen from here.

The second matters when the server's side is frozen or the network swallows its answer: without
it procrastinate would wait for ever, and look healthy.
"""
SET_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', 'autogpt_db', true)"


class QueueConnection(psycopg.AsyncConnection[Any]):
    """A connection of the queue's, to whichever of the database's addresses answers first."""

    @classmethod
    async def connect(cls, conninfo: str = "", **given: Any) -> Self:
        """Return a connection to the first that answers."""
        return await Hosts(conninfo).connect(super().connect, **given)


class QueueConnector(PsycopgConnector):
    """procrastinate's connector, for any kind of PostgreSQL and for every outage.

    It replaces two things. Behind a transaction pooler a session's settings are not ours, so each
    statement runs in a transaction that sets the search path for itself alone. And each statement
    is bounded by `STATEMENT_LIMIT` on this side too.

    Attributes:
        last_failure: What went wrong last.
        lost: Set when the worker cannot go on with this queue, and has to open it anew.
    """

    def __init__(self, *, pooled: bool) -> None:
        super().__init__()
        self._pooled = pooled
        self.last_failure: Exception | None = None
        self.lost = asyncio.Event()

    @asynccontextmanager
    async def _get_cursor(
        self, connection: psycopg.AsyncConnection[Any] | None = None
    ) -> AsyncGenerator[psycopg.AsyncCursor[DictRow]]:
        try:
            async with (
                asyncio.timeout(STATEMENT_LIMIT),
                super()._get_cursor(connection) as cursor,
            ):
                if not self._pooled:
                    yield cursor
                    return
                async with cursor.connection.transaction():
                    await cursor.execute(SET_SEARCH_PATH)
                    yield cursor
        except TimeoutError as error:
            self.last_failure = TimeoutError(f"no answer within {STATEMENT_LIMIT:g} s")
            raise self.last_failure from error
        except psycopg.Error as error:
            self.last_failure = error
            raise


class QueuePool(AsyncConnectionPool[QueueConnection]):
    """procrastinate's connections, each of which comes back whatever becomes of its borrower.

    Replaces stock behaviour: a borrower that is cancelled while it waits for the pool's lock, as
    by a job's time limit, leaves its connection counted as open and lent to nobody.
    """

    def __init__(self, conninfo: str, **given: Any) -> None:
        super().__init__(conninfo, **given)
        self._returns: set[asyncio.Task[None]] = set()

    async def putconn(self, conn: QueueConnection) -> None:
        """Take a connection back; a cancellation ends the waiting for that, and not the return."""
        task = asyncio.create_task(super().putconn(conn), name="returning")
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)
        await asyncio.shield(task)
