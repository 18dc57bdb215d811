"""A child's bounded pool of connections, and the handle that operations speak to it through."""

from __future__ import annotations

import asyncio
import math
import os
import re
import select
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from psycopg.adapt import Loader
from psycopg_pool import AsyncConnectionPool

from autogpt_db.database.failures import REPEATABLE, connection_lost, translate
from autogpt_db.database.lanes import Lane
from autogpt_db.database.merging import Merger
from autogpt_db.database.url import database_url
from autogpt_db.errors import CallError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from typing import LiteralString

    from autogpt_db.database.merging import Merged
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings

    _Cursor = psycopg.AsyncCursor[tuple[Any, ...]]
    _Fetch = Callable[[_Cursor], Awaitable[Any]]


log = structlog.get_logger("autogpt_db.database")

RECONNECT_TIMEOUT = 2.0
"""Seconds that psycopg's pool retries a lost connection with its own growing pauses.

Then `Connections.tend` asks again every second: after an outage of any length the pool is back
within about a second of the server.
"""
CANCEL_GRACE = 1.0
"""Seconds that a cancelled statement's backend gets before its connection is closed hard."""

LARGEST_KEPT = 8 * 1024 * 1024
"""Bytes of one value after which a connection is replaced, for the memory that libpq keeps."""

_PLATFORM = re.compile(r"\bplatform\.")
_SAVEPOINT = "SAVEPOINT statement"
_NEXT_SAVEPOINT = "RELEASE SAVEPOINT statement; SAVEPOINT statement"
_UNDO_STATEMENT = "ROLLBACK TO SAVEPOINT statement"
_UNDO_FIRST = "ROLLBACK TO SAVEPOINT work"
_NO_PARAMETERS: Mapping[str, Any] = {}


class _JsonBytes(Loader):
    """`json` as the server wrote it: no decoding, no parsing, no encoding again."""

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        if len(data) > LARGEST_KEPT and isinstance(self.connection, _Connection):
            self.connection.swollen = True
        return bytes(data)


class _Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A pooled connection that remembers what makes it unfit to be lent again.

    Attributes:
        ended: The server said goodbye while it was idle.
        swollen: libpq's buffer has grown to a large row, and never shrinks again.
        standby: It leads to a standby, which takes no writes.
    """

    ended = False
    swollen = False
    standby = False

    def note_end(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice; one that ends the session is an error sent while nothing was asked."""
        if diagnostic.severity_nonlocalized in {"FATAL", "PANIC"}:
            self.ended = True


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
        self._max_waiting = settings.database.pool_max_waiting
        # The other half stays for short calls.
        self.heavy_lane = Lane(max(1, size // 2), self._max_waiting)
        self._tending: asyncio.Task[None] | None = None
        milliseconds = str(int(self.statement_timeout * 1000))
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            url.conninfo(
                connect_timeout=settings.database.connect_timeout,
                application_name=name,
                search_path=f"{_quoted(url.schema)},public,extensions",
                statement_timeout=milliseconds,
                idle_in_transaction_session_timeout=milliseconds,
                # Compiling a plan takes longer than any of our statements.
                jit="off",
                TimeZone="UTC",
            ),
            connection_class=_Connection,
            min_size=size,
            max_size=size,
            open=False,
            name=name,
            kwargs={
                "autocommit": True,
                # Prepared at first use; a transaction pooler cannot keep them.
                "prepare_threshold": None if url.pgbouncer else 0,
            },
            configure=_configure,
            timeout=self._timeout,
            max_waiting=settings.database.pool_max_waiting,
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

    async def borrow(self, holder: str, wait: float | None) -> _Connection:
        """Lend a connection that was checked; `give_back` must follow.

        Args:
            holder: Name of the operation, for `figures`.
            wait: Most seconds to wait; None stands for `database.pool_timeout`.
        """
        timeout = self._timeout if wait is None else min(self._timeout, wait)
        deadline = time.monotonic() + timeout
        while True:
            connection = await self._pool.getconn(timeout=deadline - time.monotonic())
            if _usable(connection):
                self._leases[id(connection)] = (holder, time.monotonic())
                return connection
            if connection.standby:
                self.standby_met = time.monotonic()
            # Not the pool's own `check`: it pauses a second and more after each dead connection,
            # and after a server's restart all of them are dead.
            await self._pool.putconn(connection)

    async def give_back(self, connection: _Connection) -> None:
        """Take a lent connection back; a broken or swollen one is replaced."""
        self._leases.pop(id(connection), None)
        if connection.swollen:
            await connection.close()
        await self._pool.putconn(connection)

    def merger(self, merged: Merged, name: str) -> Merger:
        """Return what puts the calls of `merged` together; `name` is the first caller's."""
        found = self.mergers.get(merged)
        if found is None:

            def handle() -> Database:
                return Database(self, name=name, reads=merged.reads)

            found = self.mergers[merged] = Merger(merged, handle, limit=self._max_waiting)
        return found

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._pool.get_stats().get("pool_size", 0) < self._size:
                # psycopg's pool stops trying after RECONNECT_TIMEOUT; check() makes it try again.
                with suppress(Exception):
                    await self._pool.check()


async def _configure(connection: _Connection) -> None:
    connection.adapters.register_loader("json", _JsonBytes)
    connection.add_notice_handler(connection.note_end)


def _usable(connection: _Connection) -> bool:
    """Tell, without a round trip, whether a connection is alive and leads to a primary.

    One that isn't is closed, so that the pool replaces it.
    """
    pgconn = connection.pgconn
    poller = select.poll()
    poller.register(pgconn.socket, select.POLLIN)
    # An idle connection has nothing to say, unless it is being ended or a setting has changed.
    # Twice, because a farewell and the end of the stream are read separately.
    with suppress(psycopg.Error):
        for _ in range(2):
            if not poller.poll(0):
                break
            pgconn.consume_input()
            pgconn.is_busy()  # parses, which is what calls note_end
    connection.standby = pgconn.parameter_status(b"in_hot_standby") == b"on"
    if (
        not connection.ended
        and pgconn.status == psycopg.pq.ConnStatus.OK
        and not connection.standby
    ):
        return True
    pgconn.finish()
    return False


class Database:
    """What an operation receives: statements over the pool, for one call.

    Attributes:
        pool_wait: Seconds this call spent waiting for connections.
        row_count: Rows its statements returned or changed.
        statements: Statements it sent.
    """

    __slots__ = (
        "_connection",
        "_connections",
        "_deadline",
        "_in_transaction",
        "_lane",
        "_name",
        "_reads",
        "_undoable",
        "pool_wait",
        "row_count",
        "statements",
    )

    def __init__(
        self,
        connections: Connections,
        *,
        name: str = "unnamed",
        reads: bool = False,
        deadline: float | None = None,
        heavy: bool = False,
    ) -> None:
        self._connections = connections
        self._name = name
        self._reads = reads
        self._lane = connections.heavy_lane if heavy else None
        self._deadline = deadline
        self._connection: _Connection | None = None
        self._in_transaction = False
        self._undoable: int | None = None
        self.pool_wait = 0.0
        self.row_count = 0
        self.statements = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        name: str = "autogpt-db",
        size: int | None = None,
        url: DatabaseUrl | None = None,
    ) -> AsyncGenerator[Database]:
        """Open a pool and yield a handle on it; the pool is closed at the end.

        Opening never waits and never fails because PostgreSQL is away.

        Args:
            settings: Where the database is, and every bound.
            name: The sessions' `application_name`.
            size: Connections; None stands for the settings' pool size.
            url: Another target than the settings' own.
        """
        connections = Connections(
            url or database_url(settings),
            settings,
            name=name,
            size=size or settings.api_pool_size,
        )
        await connections.open()
        try:
            yield cls(connections)
        finally:
            await connections.close()

    def for_call(
        self, name: str, *, reads: bool, deadline: float | None = None, heavy: bool = False
    ) -> Database:
        """Return a handle for one call of the operation `name`.

        Args:
            name: The operation, for figures and logs.
            reads: Whether its statements only read: those are repeated once when a connection
                dies, and may be cancelled.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            heavy: Whether it reads much: such calls share half of the connections.
        """
        return Database(self._connections, name=name, reads=reads, deadline=deadline, heavy=heavy)

    @property
    def started(self) -> bool:
        """Tell whether this call has had a connection: until then nothing can be written."""
        return self.statements > 0 or self._connection is not None

    @property
    def settings(self) -> Settings:
        """Return the configuration in effect."""
        return self._connections.settings

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until the pool is full; tell whether it is."""
        return await self._connections.wait(seconds)

    def figures(self) -> PoolFigures:
        """Return the pool's figures."""
        return self._connections.figures()

    def totals(self) -> PoolTotals:
        """Return what the pool has done since its process started."""
        return self._connections.totals()

    def met_standby(self, seconds: float) -> bool:
        """Tell whether a connection of the last `seconds` led to a standby, and wasn't used."""
        return time.monotonic() - self._connections.standby_met < seconds

    @property
    def heavy_lane(self) -> Lane:
        """Return the lane of the calls that read much."""
        return self._connections.heavy_lane

    def mergers(self) -> list[Merger]:
        """Return what merges calls, one for each kind that has come in."""
        return list(self._connections.mergers.values())

    async def merged(self, merged: Merged, parameters: Mapping[str, Any]) -> bytes | None:
        """Return a document like `json`, its statement merged with those of other calls.

        Inside a transaction it is sent by itself.
        """
        if self._in_transaction:
            return await self.json(merged.single, parameters)
        merger = self._connections.merger(merged, self._name)
        self.statements += 1
        call = merger.submit(parameters)
        try:
            document = await call.outcome
            if isinstance(document, bytes | None):
                self.pool_wait += call.waited
                self.row_count += document is not None
                return document
            self.statements -= 1  # nothing has been sent yet
            return await self.json(merged.single, parameters)
        finally:
            merger.done(call)

    async def json(
        self, sql: LiteralString, parameters: Mapping[str, Any] = _NO_PARAMETERS
    ) -> bytes | None:
        """Return the `json` document in the first column of the first row, as PostgreSQL's bytes.

        Returns:
            None when there is no row, or SQL NULL in it.
        """
        found = await self.row(sql, parameters)
        document: bytes | None = found[0] if found is not None else None
        return document

    async def row(
        self, sql: LiteralString, parameters: Mapping[str, Any] = _NO_PARAMETERS
    ) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        found: tuple[Any, ...] | None = await self._execute(sql, parameters, _first)
        return found

    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any] = _NO_PARAMETERS
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""
        found: list[tuple[Any, ...]] = await self._execute(sql, parameters, _all)
        return found

    async def execute(
        self, sql: LiteralString, parameters: Mapping[str, Any] = _NO_PARAMETERS
    ) -> int:
        """Run a statement and return how many rows it changed."""
        changed: int = await self._execute(sql, parameters, _count)
        return changed

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """Run several statements as one transaction, on one connection.

        Nothing inside is repeated: a connection that dies ends the whole transaction.
        """
        if self._in_transaction:
            yield self
            return
        connection = await self._borrow()
        inside = Database(
            self._connections, name=self._name, reads=self._reads, deadline=self._deadline
        )
        inside._connection = self._connection = connection
        inside._in_transaction = True
        try:
            async with connection.transaction():
                yield inside
        except (psycopg.Error, OSError) as error:
            raise self._translated(error) from error
        finally:
            self.row_count += inside.row_count
            self.statements += inside.statements
            self._connection = None
            await self._give_back(connection)

    async def make_undoable(self) -> None:
        """Inside a transaction: let each statement fail by itself from here on, as it does outside.

        One that fails is undone alone and raises a failure of ours, so that whoever can deal with
        it goes on; `undo` takes all of them back.
        """
        assert self._connection is not None, "only inside a transaction"
        await self._connection.execute("SAVEPOINT work", prepare=False)
        self._undoable = 0

    async def undo(self) -> None:
        """Take back what was written since `make_undoable`."""
        assert self._connection is not None, "only inside a transaction"
        await self._connection.execute("ROLLBACK TO SAVEPOINT work", prepare=False)
        self._undoable = None

    def abandon(self) -> None:
        """Say that nobody waits for this call any more (its deadline passed, its client left).

        A read has been cancelled by then: a backend that does not answer the cancel is closed
        hard a second later. A write runs on, for as long as the statement timeout allows it.
        """
        connection = self._connection
        if connection is None:
            return
        grace = CANCEL_GRACE if self._reads else self._connections.statement_timeout
        asyncio.get_running_loop().call_later(grace, self._close_hard, connection)

    def _close_hard(self, connection: _Connection) -> None:
        if self._connection is not connection or connection.closed:
            return  # it came back in time
        log.warning("backend_closed_hard", operation=self._name, pid=connection.info.backend_pid)
        # Not pgconn.finish(): a statement is waiting on it. It sees the end of the stream.
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as stream:
            stream.shutdown(socket.SHUT_RDWR)

    async def _execute(
        self, sql: LiteralString, parameters: Mapping[str, Any], fetch: _Fetch
    ) -> Any:
        statement = self._connections.statement(sql)
        if self._in_transaction:
            assert self._connection is not None
            if self._undoable is not None:
                return await self._send_undoable(self._connection, statement, parameters, fetch)
            return await self._send(self._connection, statement, parameters, fetch)
        try:
            return await self._borrow_and_send(statement, parameters, fetch)
        except (psycopg.Error, OSError) as error:
            # One transparent repeat: of reads whose connection died, and of statements that are
            # known not to have been applied.
            if not self._may_repeat(error):
                raise self._translated(error) from error
            log.info("statement_repeated", operation=self._name, sqlstate=_state(error))
        try:
            return await self._borrow_and_send(statement, parameters, fetch)
        except (psycopg.Error, OSError) as error:
            raise self._translated(error) from error

    async def _borrow_and_send(
        self, statement: LiteralString, parameters: Mapping[str, Any], fetch: _Fetch
    ) -> Any:
        connection = self._connection = await self._borrow()
        try:
            return await self._send(connection, statement, parameters, fetch)
        except psycopg.Error as error:
            if error.sqlstate == "25006":
                await connection.close()  # demoted: the pool must not lend it again
            raise
        finally:
            self._connection = None
            await self._give_back(connection)

    async def _send_undoable(
        self,
        connection: _Connection,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: _Fetch,
    ) -> Any:
        earlier = self._undoable or 0
        self._undoable = earlier + 1
        try:
            if earlier:  # right before the first stands `work` itself
                mark = _NEXT_SAVEPOINT if earlier > 1 else _SAVEPOINT
                await connection.execute(mark, prepare=False)
            return await self._send(connection, statement, parameters, fetch)
        except (psycopg.Error, OSError) as error:
            if not connection_lost(error):
                back = _UNDO_STATEMENT if earlier else _UNDO_FIRST
                await connection.execute(back, prepare=False)
            raise self._translated(error) from error

    async def _send(
        self,
        connection: _Connection,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: _Fetch,
    ) -> Any:
        self.statements += 1
        cursor = await connection.execute(statement, parameters)
        self.row_count += max(cursor.rowcount, 0)
        return await fetch(cursor)

    async def _borrow(self) -> _Connection:
        started = time.monotonic()
        left = None if self._deadline is None else self._deadline - started
        if left is not None and left <= 0:
            raise DeadlineExceededError("The request's deadline passed before it could start.")
        try:
            return await self._borrow_in_lane(started, left)
        except psycopg.Error as error:
            # Nothing was sent, so nothing can be unknown.
            raise translate(error, reads=True) or error from error
        finally:
            self.pool_wait += time.monotonic() - started

    async def _borrow_in_lane(self, started: float, left: float | None) -> _Connection:
        lane = self._lane
        if lane is None:
            return await self._connections.borrow(self._name, left)
        patience = self._connections.patience if left is None else left
        await lane.enter(min(patience, self._connections.patience))
        try:
            if left is not None:
                left = max(0.0, left - (time.monotonic() - started))
            return await self._connections.borrow(self._name, left)
        except BaseException:
            lane.leave()
            raise

    async def _give_back(self, connection: _Connection) -> None:
        try:
            await self._connections.give_back(connection)
        finally:
            if self._lane is not None:
                self._lane.leave()

    def _may_repeat(self, error: BaseException) -> bool:
        if isinstance(error, psycopg.Error) and error.sqlstate in REPEATABLE:
            return True
        return self._reads and connection_lost(error)

    def _translated(self, error: BaseException) -> BaseException:
        failure: CallError | None = translate(error, reads=self._reads)
        return failure if failure is not None else error


async def _first(cursor: _Cursor) -> tuple[Any, ...] | None:
    return await cursor.fetchone() if cursor.description else None


async def _all(cursor: _Cursor) -> list[tuple[Any, ...]]:
    return await cursor.fetchall() if cursor.description else []


async def _count(cursor: _Cursor) -> int:
    return max(cursor.rowcount, 0)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _state(error: BaseException) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None
