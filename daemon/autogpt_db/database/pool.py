"""A process's bounded pool of connections: opening, checking, lending, tending it in outages."""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool

from autogpt_db.database.lanes import Lane
from autogpt_db.database.pooled import PooledConnection, configure, usable

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.merged import Merged
    from autogpt_db.database.merging import Merger
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings

RECONNECT_TIMEOUT = 2.0
"""Seconds that psycopg's pool retries a lost connection with its own growing pauses.

Then `Connections.tend` asks again every second: after an outage of any length the pool is back
within about a second of the server.
"""
_PLATFORM = re.compile(r"\bplatform\.")


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What an operator wants to see of a pool.

    Attributes:
        size: Open connections.
        in_use: Connections lent out.
        waiting: Calls waiting for one.
        longest_holder: Name of the operation that holds a connection longest, or None.
        longest_holder_seconds: For how long.
        heavy_in_use: Connections lent to calls that read much, of the share they may have.
        heavy_waiting: Such calls waiting for one.
    """

    size: int
    in_use: int
    waiting: int
    longest_holder: str | None
    longest_holder_seconds: float
    heavy_in_use: int = 0
    heavy_waiting: int = 0


@dataclass(frozen=True, slots=True)
class PoolTotals:
    """What a pool has done since its process started.

    Attributes:
        waits: Calls that had to wait for a connection.
        wait_seconds: For how long, all together.
        refusals: Calls that got none.
        lost: Connections that broke, or were replaced.
    """

    waits: int
    wait_seconds: float
    refusals: int
    lost: int


class Connections:
    """The pool proper: opening, checking, lending, and tending it through outages."""

    def __init__(self, url: DatabaseUrl, settings: Settings, *, name: str, size: int) -> None:
        self.url = url
        self.settings = settings
        self.statement_timeout = settings.database.statement_timeout
        # 0 stands for "as long as the deadline allows" (Prisma's own meaning: no limit).
        self._timeout = settings.database.pool_timeout or settings.api.request_deadline
        self._size = size
        self._leases: dict[int, tuple[str, float]] = {}
        self._statements: dict[str, str] = {}
        self.mergers: dict[Merged, Merger] = {}
        self.standby_met = -math.inf
        self.capabilities: Capabilities | None = None
        self.most_waiting = settings.database.pool_max_waiting
        # The other half stays for short calls.
        self.heavy_lane = Lane(max(1, size // 2), self.most_waiting)
        self._tending: asyncio.Task[None] | None = None
        milliseconds = str(int(self.statement_timeout * 1000))
        self._pool: AsyncConnectionPool[PooledConnection] = AsyncConnectionPool(
            url.conninfo(
                connect_timeout=settings.database.connect_timeout,
                application_name=name,
                search_path=f"{_quoted(url.schema)},public,extensions",
                statement_timeout=milliseconds,
                lock_timeout=str(int(settings.database.lock_timeout * 1000)),
                idle_in_transaction_session_timeout=milliseconds,
                # Compiling a plan takes longer than any of our statements.
                jit="off",
                TimeZone="UTC",
            ),
            connection_class=PooledConnection,
            min_size=size,
            max_size=size,
            open=False,
            name=name,
            kwargs={
                "autocommit": True,
                # Prepared at first use; a transaction pooler cannot keep them.
                "prepare_threshold": None if url.pgbouncer else 0,
            },
            configure=configure,
            timeout=self._timeout,
            max_waiting=self.most_waiting,
            reconnect_timeout=RECONNECT_TIMEOUT,
        )

    async def open(self) -> None:
        """Open the pool without waiting for its connections."""
        await self._pool.open(wait=False)
        self._tending = asyncio.create_task(self._tend(), name="pool-tending")

    async def close(self) -> None:
        """Close every connection."""
        if self._tending is not None:
            self._tending.cancel()
            with suppress(asyncio.CancelledError):
                await self._tending
        await self._pool.close()

    async def wait(self, seconds: float) -> bool:
        """Wait until the pool is at its full size; False when it isn't within `seconds`."""
        deadline = time.monotonic() + seconds
        # psycopg's pool_size counts connections that are only being made.
        while self.available + len(self._leases) < self._size:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    @property
    def schema(self) -> str:
        """Return the name of AutoGPT's schema, quoted."""
        return _quoted(self.url.schema)

    @property
    def available(self) -> int:
        """Connections that are idle now."""
        return self._pool.get_stats().get("pool_available", 0)

    def figures(self) -> PoolFigures:
        """Return the pool's state now."""
        stats = self._pool.get_stats()
        name, since = min(self._leases.values(), key=lambda lease: lease[1], default=(None, 0.0))
        return PoolFigures(
            size=stats.get("pool_size", 0),
            in_use=len(self._leases),
            waiting=stats.get("requests_waiting", 0),
            longest_holder=name,
            longest_holder_seconds=round(time.monotonic() - since, 3) if name else 0.0,
            heavy_in_use=self.heavy_lane.in_use,
            heavy_waiting=self.heavy_lane.waiting,
        )

    def totals(self) -> PoolTotals:
        """Return what the pool has done."""
        stats = self._pool.get_stats()
        return PoolTotals(
            waits=stats.get("requests_queued", 0),
            wait_seconds=stats.get("requests_wait_ms", 0) / 1000,
            refusals=stats.get("requests_errors", 0),
            lost=stats.get("connections_lost", 0) + stats.get("returns_bad", 0),
        )

    def statement(self, sql: LiteralString) -> LiteralString:
        """Return `sql` with AutoGPT's schema under its name in this database."""
        if self.url.schema == "platform":
            return sql
        found = self._statements.get(sql)
        if found is None:
            name = _quoted(self.url.schema)
            found = self._statements[sql] = _PLATFORM.sub(lambda _: f"{name}.", sql)
        return found

    @property
    def patience(self) -> float:
        """Return the seconds that a call waits for a connection at most."""
        return self._timeout

    async def borrow(self, holder: str, wait: float | None) -> PooledConnection:
        """Lend a connection that was checked; `give_back` must follow.

        Args:
            holder: Name of the operation, for `figures`.
            wait: Most seconds to wait; None stands for `database.pool_timeout`.
        """
        timeout = self._timeout if wait is None else min(self._timeout, wait)
        deadline = time.monotonic() + timeout
        while True:
            connection = await self._pool.getconn(timeout=deadline - time.monotonic())
            if usable(connection):
                self._leases[id(connection)] = (holder, time.monotonic())
                return connection
            if connection.standby:
                self.standby_met = time.monotonic()
            # Not the pool's own `check`: it pauses a second and more after each dead connection,
            # and after a server's restart all of them are dead.
            await self._pool.putconn(connection)

    async def give_back(self, connection: PooledConnection) -> None:
        """Take a lent connection back; a broken or swollen one is replaced."""
        self._leases.pop(id(connection), None)
        if connection.swollen:
            await connection.close()
        await self._pool.putconn(connection)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._pool.get_stats().get("pool_size", 0) < self._size:
                # psycopg's pool stops trying after RECONNECT_TIMEOUT; check() makes it try again.
                with suppress(Exception):
                    await self._pool.check()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
