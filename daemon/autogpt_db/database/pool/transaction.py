"""Statements of one call that hold together: all of them, or none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.database.failures import connection_lost
from autogpt_db.database.pool.faults import classified
from autogpt_db.database.pool.sending import Sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import LiteralString

    from autogpt_db.database.pool.connections import Connections
    from autogpt_db.database.pool.database import Database
    from autogpt_db.database.pool.pooled import PooledConnection
    from autogpt_db.database.pool.sending import Fetch

_SAVEPOINT = "SAVEPOINT statement"
_NEXT_SAVEPOINT = "RELEASE SAVEPOINT statement; SAVEPOINT statement"
_UNDO_STATEMENT = "ROLLBACK TO SAVEPOINT statement"
_UNDO_FIRST = "ROLLBACK TO SAVEPOINT work"


class Transaction(Sending):
    """A transaction that is open on a connection of its own; `Call.transaction` opens and ends it.

    Nothing in it is repeated: a connection that dies ends the whole transaction.
    """

    __slots__ = ("_call", "_connection", "_failed", "_undoable")

    def __init__(
        self,
        call: Database,
        connections: Connections,
        connection: PooledConnection,
        name: str,
        *,
        reads: bool,
    ) -> None:
        """Take what its statements need.

        Args:
            call: The call that it belongs to.
            connections: The process's.
            connection: Its own, in the transaction.
            name: The operation, for figures and logs.
            reads: Whether its statements only read.
        """
        super().__init__(connections, name, reads=reads)
        self._call = call
        self._connection = connection
        self._undoable: int | None = None
        self._failed: BaseException | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Go on with this one: there is none inside of another."""
        yield self

    def another_call(self, name: str, *, reads: bool) -> Database:
        """Return what another call goes through, outside of this transaction."""
        return self._call.another_call(name, reads=reads)

    async def make_undoable(self) -> None:
        """Let each statement fail by itself from here on, as it does outside of a transaction.

        One that fails is undone alone and raises a failure of ours, so that whoever can deal with
        it goes on; `undo` takes all of them back.
        """
        await self._connection.execute("SAVEPOINT work", prepare=False)
        self._undoable = 0

    async def undo(self) -> None:
        """Take back what was written since `make_undoable`."""
        await self._connection.execute("ROLLBACK TO SAVEPOINT work", prepare=False)
        self._undoable = self._failed = None

    async def failure_of(self, error: psycopg.Error | OSError) -> BaseException:
        """Return what a driver's error that ended the transaction stands for."""
        if isinstance(error, psycopg.Error):
            error = await classified(error, self._connection)
        return self._translated(error)

    async def _run(self, sql: LiteralString, parameters: Mapping[str, Any], fetch: Fetch) -> Any:
        statement = self._connections.statement(sql)
        self._statement = sql
        if self._undoable is None:
            return await self._send(self._connection, statement, parameters, fetch)
        return await self._send_undoable(self._undoable, statement, parameters, fetch)

    async def _send_undoable(
        self,
        earlier: int,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: Fetch,
    ) -> Any:
        """Send a statement that can be undone alone, after so many earlier ones."""
        if self._failed is not None:
            raise self._failed
        self._undoable = earlier + 1
        if earlier:  # right before the first stands `work` itself
            await self._send_mark(_NEXT_SAVEPOINT if earlier > 1 else _SAVEPOINT)
        try:
            return await self._send(self._connection, statement, parameters, fetch)
        except (psycopg.Error, OSError) as error:
            if connection_lost(error):
                raise self._translated(error) from error
            await self._send_mark(_UNDO_STATEMENT if earlier else _UNDO_FIRST)
            raise await self.failure_of(error) from error

    async def _send_mark(self, command: LiteralString) -> None:
        """Set a savepoint or go back to one; when that fails, nothing can be taken back alone.

        Whoever deals with the failure and goes on gets it again.
        """
        try:
            await self._connection.execute(command, prepare=False)
        except (psycopg.Error, OSError) as error:
            self._failed = self._translated(error)
            raise self._failed from error
