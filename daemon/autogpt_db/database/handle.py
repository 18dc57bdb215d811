"""What operations speak to PostgreSQL through: statements over the pool, for one call."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg

from autogpt_db.database.failures import (
    REPEATABLE,
    StandbyMetError,
    connection_lost,
    translate,
)
from autogpt_db.database.faults import classified
from autogpt_db.database.knowledge import TIMEOUT as KNOWLEDGE_TIMEOUT
from autogpt_db.database.merging import Merger
from autogpt_db.database.pool import Connections
from autogpt_db.database.pooled import cut, swells
from autogpt_db.database.pulse import Pulse
from autogpt_db.database.room import watch_room
from autogpt_db.database.url import database_url
from autogpt_db.errors import CallError, DeadlineExceededError, SchemaUnreadError
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.faults import Faults
    from autogpt_db.database.knowledge import Knowledge
    from autogpt_db.database.lanes import Lane
    from autogpt_db.database.lending import Counts
    from autogpt_db.database.merged import Merged
    from autogpt_db.database.merging import Call
    from autogpt_db.database.pool import PoolFigures
    from autogpt_db.database.pooled import PooledConnection
    from autogpt_db.database.pulse import Verdict
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.helpers import Helpers
    from autogpt_db.settings import Settings

    _Cursor = psycopg.AsyncCursor[tuple[Any, ...]]
    _Fetch = Callable[[_Cursor], Awaitable[Any]]

CANCEL_GRACE = 1.0
"""Seconds that a cancelled statement's backend gets before its connection is closed hard."""
LARGEST_COMPUTED_HERE = 16_384
"""Bytes that a computation may have to look at on the event loop."""
_SAVEPOINT = "SAVEPOINT statement"
_NEXT_SAVEPOINT = "RELEASE SAVEPOINT statement; SAVEPOINT statement"
_UNDO_STATEMENT = "ROLLBACK TO SAVEPOINT statement"
_UNDO_FIRST = "ROLLBACK TO SAVEPOINT work"
_SET_SEARCH_PATH: LiteralString = "SELECT pg_catalog.set_config('search_path', %(path)s, true)"
_NO_PARAMETERS: Mapping[str, Any] = {}


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
        "_failed",
        "_in_transaction",
        "_lane",
        "_merging",
        "_name",
        "_reads",
        "_statement",
        "_undoable",
        "_urgent",
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
        urgent: bool = False,
    ) -> None:
        self._connections = connections
        self._name = name
        self._reads = reads
        self._lane = connections.heavy_lane if heavy else None
        self._deadline = deadline
        self._connection: PooledConnection | None = None
        self._in_transaction = False
        self._undoable: int | None = None
        self._failed: BaseException | None = None
        self._merging: Call | None = None
        self._statement = ""
        self._urgent = urgent
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
        helpers: Helpers | None = None,
        longest_lease: float = math.inf,
    ) -> AsyncGenerator[Database]:
        """Open a pool and yield a handle on it; the pool is closed at the end.

        Opening never waits and never fails because PostgreSQL is away.

        Args:
            settings: Where the database is, and every bound.
            name: The sessions' `application_name`.
            size: Connections; None stands for the settings' pool size.
            url: Another target than the settings' own.
            helpers: Compute what takes long; without them it is computed where it is asked for.
            longest_lease: Seconds after which a task that has a connection is cancelled: more than
                any of its bounds allows.
        """
        connections = Connections(
            url or database_url(settings),
            settings,
            name=name,
            size=size or settings.api_pool_size,
            longest_lease=longest_lease,
        )
        connections.helpers = helpers
        database = cls(connections)
        pulse = connections.pulse = Pulse(database, connections)
        await connections.open()
        tasks = [asyncio.create_task(pulse.watch_forever(), name="pulse-watching")]
        if not connections.url.pgbouncer:
            watching = watch_room(database._for_knowledge, settings, connections.faults)
            tasks.append(asyncio.create_task(watching, name="room"))
        try:
            yield database
        finally:
            for task in tasks:
                task.cancel()
            await pulse.close()
            await connections.close()

    def for_call(
        self,
        name: str,
        *,
        reads: bool,
        deadline: float | None = None,
        heavy: bool = False,
        urgent: bool = False,
    ) -> Database:
        """Return a handle for one call of the operation `name`.

        Args:
            name: The operation, for figures and logs.
            reads: Whether its statements only read: those are repeated once when a connection
                dies, and may be cancelled.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            heavy: Whether it reads much: such calls share half of the connections.
            urgent: Whether it goes before all that wait: for the few that look how the database is.
        """
        return Database(
            self._connections,
            name=name,
            reads=reads,
            deadline=deadline,
            heavy=heavy,
            urgent=urgent,
        )

    @property
    def started(self) -> bool:
        """Tell whether anything of this call was sent: until then nothing can be written."""
        return (
            self.statements > 0
            or self._connection is not None
            or (self._merging is not None and self._merging.taken)
        )

    @property
    def settings(self) -> Settings:
        """Return the configuration in effect."""
        return self._connections.settings

    @property
    def capabilities(self) -> Capabilities:
        """Return what AutoGPT's schema has, as it was read last.

        Raises:
            SchemaUnreadError: It has not been read yet.
        """
        found = self._connections.knowledge.capabilities
        if found is None:
            raise SchemaUnreadError
        return found

    @property
    def knowledge(self) -> Knowledge:
        """Return what this process knows of AutoGPT's schema."""
        return self._connections.knowledge

    @property
    def schema(self) -> str:
        """Return the name of AutoGPT's schema, quoted."""
        return self._connections.schema

    @property
    def schema_name(self) -> str:
        """Return the name of AutoGPT's schema as it is."""
        return self._connections.url.schema

    async def learn(self) -> None:
        """Read what AutoGPT's schema has, if that has changed."""
        await self.knowledge.look(self._for_knowledge())

    async def keep_up(self) -> NoReturn:
        """Read what AutoGPT's schema has whenever that changes, until cancelled."""
        await self.knowledge.keep_up(self._for_knowledge)

    def _for_knowledge(self) -> Database:
        deadline = time.monotonic() + KNOWLEDGE_TIMEOUT
        return Database(self._connections, name="catalogue", reads=True, deadline=deadline)

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until the pool is full and the schema read; tell whether it is."""
        if not await self._connections.wait(seconds):
            return False
        await self.learn()
        return True

    @property
    def able(self) -> bool:
        """Tell whether this process has a connection, and knows what it needs to use it."""
        connections = self._connections
        return connections.figures().size > 0 and connections.knowledge.capabilities is not None

    async def look(self, patience: float) -> Verdict:
        """Return how the database is to this process; at most one look is under way for all.

        Args:
            patience: Most seconds to wait for it.
        """
        return await self._connections.pulse.look(patience)

    @property
    def faults(self) -> Faults:
        """Return what this process has heard of the database's troubles."""
        return self._connections.faults

    def figures(self) -> PoolFigures:
        """Return the pool's figures."""
        return self._connections.figures()

    def totals(self) -> Counts:
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

    async def computed(self, size: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, computed beside the event loop when it may take long.

        Args:
            size: Bytes that it has to look at.
            function: A module's, of ours, without effect on anything.
            arguments: Its own, and what can be pickled.

        Raises:
            AutogptDbError: What the function raised; or it took too much time or memory.
        """
        helpers = self._connections.helpers
        if helpers is None or size <= LARGEST_COMPUTED_HERE:
            return function(*arguments)
        return await helpers.run(function, *arguments, size=size)

    async def merged(self, merged: Merged, parameters: Mapping[str, Any]) -> bytes | None:
        """Return a document like `json`, its statement merged with those of other calls.

        Inside a transaction it is sent by itself.
        """
        if self._in_transaction:
            return await self.json(merged.single, parameters)
        merger = self._merger(merged)
        call = self._merging = merger.submit(parameters)
        try:
            document = await call.outcome
            if isinstance(document, bytes | None):
                self.pool_wait += call.waited
                self.row_count += document is not None
                return document
            self._merging = None  # nothing has been sent yet
            document = await self.json(merged.single, parameters)
            merger.replied(call, document)
            return document
        finally:
            merger.done(call)
            if self._merging is not None:
                self._merging = None
                self.statements += call.taken

    def _merger(self, merged: Merged) -> Merger:
        mergers = self._connections.mergers
        found = mergers.get(merged)
        if found is None:
            connections, name = self._connections, self._name

            def handle() -> Database:
                return Database(connections, name=name, reads=merged.reads)

            found = mergers[merged] = Merger(merged, handle, limit=connections.most_waiting)
        return found

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
        except psycopg.Error as error:
            self._statement = inside._statement
            raise self._translated(await classified(error, connection)) from error
        except OSError as error:
            raise self._translated(error) from error
        finally:
            self.row_count += inside.row_count
            self.statements += inside.statements
            self._connection = None
            self._give_back(connection)

    @asynccontextmanager
    async def with_search_path(self) -> AsyncIterator[Database]:
        """Run statements with names that have no schema: pgvector's, or in functions of AutoGPT's.

        Sessions of our own find them, unless pgvector is in a schema that nobody thinks of. Behind
        a transaction pooler they are the pooler's. There what they search has to be said in each
        transaction.
        """
        url = self._connections.url
        catalogue = self.knowledge.catalogue
        places = url.search_path_to(catalogue.vectors if catalogue else None)
        if places == url.search_path and not url.pgbouncer:
            yield self
            return
        async with self.transaction() as inside:
            await inside.row(_SET_SEARCH_PATH, {"path": places})
            yield inside

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
        self._undoable = self._failed = None

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

    def _close_hard(self, connection: PooledConnection) -> None:
        if self._connection is not connection or connection.closed:
            return  # it came back in time
        log.backend_closed_hard(operation=self._name, pid=connection.info.backend_pid)
        cut(connection)

    async def _execute(
        self, sql: LiteralString, parameters: Mapping[str, Any], fetch: _Fetch
    ) -> Any:
        statement = self._connections.statement(sql)
        self._statement = sql
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
            log.statement_repeated(operation=self._name, sqlstate=_state(error))
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
            found = await classified(error, connection)
            if found is error:
                raise
            raise found from error
        finally:
            self._connection = None
            self._give_back(connection)

    async def _send_undoable(
        self,
        connection: PooledConnection,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: _Fetch,
    ) -> Any:
        if self._failed is not None:
            raise self._failed
        earlier = self._undoable or 0
        self._undoable = earlier + 1
        if earlier:  # right before the first stands `work` itself
            await self._send_mark(connection, _NEXT_SAVEPOINT if earlier > 1 else _SAVEPOINT)
        try:
            return await self._send(connection, statement, parameters, fetch)
        except (psycopg.Error, OSError) as error:
            if not connection_lost(error):
                await self._send_mark(connection, _UNDO_STATEMENT if earlier else _UNDO_FIRST)
                if isinstance(error, psycopg.Error):
                    error = await classified(error, connection)
            raise self._translated(error) from error

    async def _send_mark(self, connection: PooledConnection, command: LiteralString) -> None:
        """Set a savepoint or go back to one; when that fails, nothing can be taken back alone.

        Whoever deals with the failure and goes on gets it again.
        """
        try:
            await connection.execute(command, prepare=False)
        except (psycopg.Error, OSError) as error:
            self._failed = self._translated(error)
            raise self._failed from error

    async def _send(
        self,
        connection: PooledConnection,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: _Fetch,
    ) -> Any:
        self.statements += 1
        if swells(parameters):
            connection.swollen = True
        cursor = await connection.execute(statement, parameters)
        self._connections.answered = time.monotonic()
        self.row_count += max(cursor.rowcount, 0)
        return await fetch(cursor)

    async def _borrow(self) -> PooledConnection:
        started = time.monotonic()
        left = None if self._deadline is None else self._deadline - started
        if left is not None and left <= 0:
            raise DeadlineExceededError("The request's deadline passed before it could start.")
        try:
            return await self._borrow_in_lane(started, left)
        finally:
            self.pool_wait += time.monotonic() - started

    async def _borrow_in_lane(self, started: float, left: float | None) -> PooledConnection:
        lane = self._lane
        if lane is None:
            return await self._connections.borrow(self._name, left, urgent=self._urgent)
        patience = self._connections.patience if left is None else left
        await lane.enter(min(patience, self._connections.patience))
        try:
            if left is not None:
                left = max(0.0, left - (time.monotonic() - started))
            return await self._connections.borrow(self._name, left)
        except BaseException:
            lane.leave()
            raise

    def _give_back(self, connection: PooledConnection) -> None:
        self._connections.give_back(connection)
        if self._lane is not None:
            self._lane.leave()

    def _may_repeat(self, error: BaseException) -> bool:
        if isinstance(error, StandbyMetError) or _state(error) in REPEATABLE:
            return True
        return self._reads and connection_lost(error)

    def _translated(self, error: BaseException) -> BaseException:
        self._connections.faults.note(error, self._name, self._statement)
        failure: CallError | None = translate(error, reads=self._reads, statement=self._statement)
        return failure if failure is not None else error


async def _first(cursor: _Cursor) -> tuple[Any, ...] | None:
    return await cursor.fetchone() if cursor.description else None


async def _all(cursor: _Cursor) -> list[tuple[Any, ...]]:
    return await cursor.fetchall() if cursor.description else []


async def _count(cursor: _Cursor) -> int:
    return max(cursor.rowcount, 0)


def _state(error: BaseException) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None
