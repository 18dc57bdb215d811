"""Opening a pool's connections and keeping them there: psycopg's pool, with what it lacks.

psycopg's pool connects, tries again and counts; what it has opened is taken from it at once and
for good, and goes back only to be replaced. Lending is not left to it: its `putconn` waits for a
lock, and a caller that is cancelled there loses the connection; a call that timed out while it
waited still counts as waiting until a connection comes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed

from autogpt_db.database.causes import why_refused
from autogpt_db.database.hosts import Hosts
from autogpt_db.database.pool.pooled import PooledConnection, configure
from autogpt_db.database.reasons import reason_of
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from autogpt_db.database.pool.lending import Lending
    from autogpt_db.database.url import DatabaseUrl

Connection = TypeVar("Connection", bound=PooledConnection)

AT_ONCE = 3
"""Connections that are opened at the same time."""
RECONNECT_TIMEOUT = 0.2
"""Seconds that psycopg's pool retries a connection by itself.

Its own pauses begin at a second and grow; after this it is asked again by `fill`, every second, so
that after an outage of any length the pool is back within about a second of the server.
"""
LIFETIME = 3600.0
"""Seconds after which a connection is replaced, for what its server process has piled up."""
_FOR_GOOD = 1e9
"""Seconds that are never over: who waits in psycopg's pool is never given up and counted twice."""
_STANDBY = "it is a standby"


class Opener:
    """Keeps a pool at its size.

    Attributes:
        failure: Why the last attempt failed, in words; None when it did not.
    """

    def __init__(
        self,
        lending: Lending,
        arrived: Callable[[PooledConnection], None],
        size: int,
        conninfo: str,
        *,
        target: DatabaseUrl,
        name: str,
        prepares: bool,
        **given: Any,
    ) -> None:
        """Prepare.

        Args:
            lending: Takes the connections.
            arrived: Called with each when it has been taken.
            size: How many there shall be.
            conninfo: Where to.
            target: The same, for words.
            name: The pool's, for its tasks and records.
            prepares: Whether their statements are prepared.
            given: What psycopg's `connect` takes.
        """
        self.failure: str | None = None
        self._lending = lending
        self._arrived = arrived
        self._size = size
        self._target = target
        self._prepares = prepares
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetching = 0
        self._closed = False
        self._hosts = Hosts(conninfo)
        opener = self

        class Reporting(PooledConnection):
            """What psycopg's pool opens: it says nobody why it could not."""

            @classmethod
            async def connect(cls, conninfo: str = "", **given: Any) -> Reporting:  # noqa: ARG003 - `_hosts` has it
                opening = super().connect

                async def to_a_primary(address: str, **given: Any) -> Reporting:
                    return opener._primary(await opening(address, **given))

                return await opener._connected(opener._hosts.connect(to_a_primary, **given))

        async def connect_beside() -> PooledConnection:
            return await Reporting.connect(**given)

        self._connect_beside = connect_beside
        # It quotes libpq's messages at each attempt; `connections_refused` says the same once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._source: AsyncConnectionPool[PooledConnection] = AsyncConnectionPool(
            conninfo,
            connection_class=Reporting,
            kwargs=given,
            min_size=size,
            max_size=size,
            open=False,
            name=name,
            max_lifetime=_FOR_GOOD,  # theirs counts only when one is given back
            reconnect_timeout=RECONNECT_TIMEOUT,
            num_workers=AT_ONCE,
        )

    async def open(self) -> None:
        """Begin to open connections, and wait for none."""
        await self._source.open(wait=False)
        self._fetch()

    async def fill(self) -> None:
        """See to it that what is missing is opened; every second or so."""
        self._fetch()
        if self._lending.size < self._size:
            # Also looks at connections that wait to be fetched; there are none for long.
            await self._source.check()

    async def reach(self) -> PooledConnection | None:
        """Open a connection beside the pool's; None when no host has one to give.

        Returns:
            The connection, for the caller to end.
        """
        try:
            return await self._connect_beside()
        except (psycopg.Error, OSError):
            return None

    def replace(self, connection: PooledConnection) -> None:
        """Give back a connection that was closed: another one is opened in its place."""
        if self._closed:
            return
        self._begin(self._source.putconn(connection), "returning")
        self._fetch()

    async def close(self) -> None:
        """Give up what is being opened."""
        self._closed = True
        await self._source.close(timeout=1.0)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fetch(self) -> None:
        """Wait, in tasks that nobody cancels, for as many connections as are missing."""
        while not self._closed and self._lending.size + self._fetching < self._size:
            self._fetching += 1
            self._begin(self._fetch_one(), "fetching")

    async def _fetch_one(self) -> None:
        try:
            connection = await self._source.getconn(timeout=_FOR_GOOD)
        except PoolClosed:
            return
        finally:
            self._fetching -= 1
        self._lending.admit(connection)
        self._arrived(connection)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _primary(self, connection: Connection) -> Connection:
        """Return a connection that leads to a primary; another address may have one."""
        if connection.pgconn.parameter_status(b"in_hot_standby") == b"on":
            connection.pgconn.finish()
            self._lending.standby_met = time.monotonic()
            raise psycopg.OperationalError(_STANDBY)
        return connection

    async def _connected(self, connecting: Awaitable[Connection]) -> Connection:
        """Return the connection that is being opened, made ready, or note why there is none."""
        try:
            connection = await connecting
        except (psycopg.Error, OSError) as error:
            detail = reason_of(error, self._target) if isinstance(error, psycopg.Error) else None
            standby = _STANDBY in str(error)
            self._fail(_STANDBY if standby else why_refused(error), None if standby else detail)
            raise
        except Exception as error:
            log.connection_not_opened(exc_info=error)
            self._fail("a bug of the service: see its log")
            raise
        configure(connection, prepares=self._prepares)
        connection.expires = time.monotonic() + LIFETIME * random.uniform(0.95, 1.0)  # noqa: S311 - spreads replacements, no secret
        if self.failure is not None:
            log.database_back(address=self._target.address)
        self.failure = None
        return connection

    def _fail(self, reason: str, detail: str | None = None) -> None:
        if reason != self.failure:
            log.connections_refused(address=self._target.address, reason=reason, detail=detail)
        self.failure = reason
