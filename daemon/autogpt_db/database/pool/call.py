"""One call's statements over the pool: a connection is borrowed for each, and comes back."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.database.bounded import cut
from autogpt_db.database.failures import REPEATABLE, StandbyMetError, connection_lost
from autogpt_db.database.pool.abreast import Abreast
from autogpt_db.database.pool.faults import classified
from autogpt_db.database.pool.merging import IN_FLIGHT, Merger
from autogpt_db.database.pool.sending import Sending
from autogpt_db.database.pool.tracing import outcome_traced, transaction_traced, wait_traced
from autogpt_db.database.pool.transaction import Transaction
from autogpt_db.errors import DeadlineExceededError
from autogpt_db.logs.events import connections as log
from autogpt_db.spans import SPAN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping
    from typing import LiteralString

    from autogpt_db.database.pool.batches import MergedCall
    from autogpt_db.database.pool.connections import Connections
    from autogpt_db.database.pool.lanes import Lane
    from autogpt_db.database.pool.merged import KeyedMerged, Merged
    from autogpt_db.database.pool.pooled import PooledConnection
    from autogpt_db.database.pool.sending import Fetch

CANCEL_GRACE = 1.0
"""Seconds that a cancelled statement's backend gets before its connection is closed hard."""


class Call(Sending):
    """One call of an operation; `Pool.call` makes it.

    Attributes:
        pool_wait: Seconds it spent waiting for connections.
        row_count: Rows its statements returned or changed.
        statements: Statements it sent.
    """

    __slots__ = ("_connection", "_deadline", "_lane", "_merging", "_urgent")

    def __init__(
        self,
        connections: Connections,
        name: str,
        *,
        reads: bool,
        deadline: float | None = None,
        heavy: bool = False,
        urgent: bool = False,
    ) -> None:
        """Start with nothing sent.

        Args:
            connections: The process's.
            name: The operation, for figures and logs.
            reads: Whether its statements only read.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            heavy: Whether it reads much.
            urgent: Whether it goes before all that wait.
        """
        super().__init__(connections, name, reads=reads)
        self._lane = connections.heavy_lane if heavy else None
        self._deadline = deadline
        self._connection: PooledConnection | None = None
        self._merging: MergedCall | None = None
        self._urgent = urgent

    @property
    def started(self) -> bool:
        """Tell whether anything of this call was sent: until then nothing can be written."""
        return (
            self.statements > 0
            or self._connection is not None
            or (self._merging is not None and self._merging.taken)
        )

    @property
    def busy(self) -> bool:
        """Tell whether it has a connection now: for a statement, or for an open transaction."""
        return self._connection is not None

    def another_call(self, name: str, *, reads: bool) -> Call:
        """Return what another call goes through, which may last longer than this one."""
        return Call(self._connections, name, reads=reads)

    async def merged(self, merged: Merged, parameters: Mapping[str, Any]) -> bytes | None:
        """Return a document like `json`, its statement merged with those of other calls."""
        return await self._merge(merged, parameters)

    async def _merge(
        self, merged: Merged | KeyedMerged, parameters: Mapping[str, Any]
    ) -> bytes | None:
        merger = self._connections.mergers.get(merged) or self._new_merger(merged)
        call = self._merging = merger.submit(parameters)
        span = SPAN.get() if self._connections.traced else None
        try:
            document = await (
                call.outcome if span is None else outcome_traced(call, span, self._name)
            )
            if isinstance(document, bytes | None):
                self.pool_wait += call.waited
                self.row_count += document is not None
                return document
            self._merging = None  # nothing has been sent yet
            document = await merged.alone(self, parameters)
            merger.replies.note(call.identity, document)
            return document
        finally:
            merger.done(call)
            if self._merging is not None:
                self._merging = None
                self.statements += call.taken

    def _new_merger(self, merged: Merged | KeyedMerged) -> Merger:
        connections, name = self._connections, self._name

        def open_call() -> Call:
            return Call(connections, name, reads=merged.reads)

        abreast = connections.writes_abreast
        if merged.reads:
            abreast = Abreast(IN_FLIGHT, most_quick=IN_FLIGHT)
        merger = Merger(
            merged,
            open_call,
            limit=connections.most_waiting,
            abreast=abreast,
            crowd=connections.crowd,
            traced_as=name if connections.traced else None,
        )
        connections.mergers[merged] = merger
        return merger

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run several statements as one transaction, on one connection.

        Nothing inside is repeated: a connection that dies ends the whole transaction.
        """
        connection = self._connection = await self._borrow()
        inside = Transaction(self, self._connections, connection, self._name, reads=self._reads)
        try:
            span = SPAN.get() if self._connections.traced else None
            with nullcontext() if span is None else transaction_traced(span):
                async with connection.transaction():
                    yield inside
        except (psycopg.Error, OSError) as error:
            raise await inside.failure_of(error) from error
        else:
            self._note_write()
        finally:
            self.row_count += inside.row_count
            self.statements += inside.statements
            self._connection = None
            self._give_back(connection)

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

    async def _run(self, sql: LiteralString, parameters: Mapping[str, Any], fetch: Fetch) -> Any:
        statement = self._connections.statement(sql)
        self._statement = sql
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
        self, statement: LiteralString, parameters: Mapping[str, Any], fetch: Fetch
    ) -> Any:
        connection = self._connection = await self._borrow()
        try:
            answer = await self._send(connection, statement, parameters, fetch)
        except psycopg.Error as error:
            found = await classified(error, connection)
            if found is error:
                raise
            raise found from error
        else:
            self._note_write()
            return answer
        finally:
            self._connection = None
            self._give_back(connection)

    def _note_write(self) -> None:
        on_written = self._connections.on_written
        if on_written is not None and not self._reads:
            on_written()

    def _borrow(self) -> Coroutine[Any, Any, PooledConnection]:
        span = SPAN.get() if self._connections.traced else None
        borrowing = self._borrow_in_time()
        if span is None:
            return borrowing
        return wait_traced(borrowing, span, heavy=self._lane is not None)

    async def _borrow_in_time(self) -> PooledConnection:
        connections = self._connections
        started = time.monotonic()
        patience = connections.patience
        if self._deadline is not None:
            left = self._deadline - started
            if left <= 0:
                raise DeadlineExceededError("The request's deadline passed before it could start.")
            patience = min(patience, left)
        try:
            if self._lane is not None:
                return await self._borrow_in_lane(self._lane, patience)
            return await connections.lending.borrow(self._name, patience, urgent=self._urgent)
        finally:
            self.pool_wait += time.monotonic() - started

    async def _borrow_in_lane(self, lane: Lane, patience: float) -> PooledConnection:
        await lane.enter(patience)
        try:
            patience = self._connections.patience
            if self._deadline is not None:
                patience = min(patience, max(0.0, self._deadline - time.monotonic()))
            return await self._connections.lending.borrow(self._name, patience)
        except BaseException:
            lane.leave()
            raise

    def _give_back(self, connection: PooledConnection) -> None:
        self._connections.lending.give_back(connection)
        if self._lane is not None:
            self._lane.leave()

    def _may_repeat(self, error: BaseException) -> bool:
        if isinstance(error, StandbyMetError) or _state(error) in REPEATABLE:
            return True
        return self._reads and connection_lost(error)


def _state(error: BaseException) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None
