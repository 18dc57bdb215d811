"""Sending a statement on a connection, and what its failure stands for."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from autogpt_db.database.failures import translate
from autogpt_db.database.pool.database import Database
from autogpt_db.database.pool.pooled import swells
from autogpt_db.database.pool.statements import NO_PARAMETERS
from autogpt_db.database.pool.tracing import run_traced
from autogpt_db.spans import SPAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString

    from psycopg.pq.abc import PGresult

    from autogpt_db.database.pool.connections import Connections
    from autogpt_db.database.pool.pooled import PooledConnection
    from autogpt_db.errors import CallError

    Fetch = Callable[[PooledConnection, PGresult], Any]


class Sending(Database):
    """Statements that this process sends itself, for one operation.

    Attributes:
        pool_wait: Seconds it spent waiting for connections.
        row_count: Rows its statements returned or changed.
        statements: Statements it sent.
    """

    __slots__ = ("_name", "_reads", "_statement", "pool_wait", "row_count", "statements")

    statements: int

    def __init__(self, connections: Connections, name: str, *, reads: bool) -> None:
        """Start with nothing sent.

        Args:
            connections: The process's.
            name: The operation, for figures and logs.
            reads: Whether its statements only read.
        """
        self._connections = connections
        self._name = name
        self._reads = reads
        self._statement = ""
        self.pool_wait = 0.0
        self.row_count = 0
        self.statements = 0

    async def row(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        found: tuple[Any, ...] | None = await self._run(sql, parameters, _first)
        return found

    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""
        found: list[tuple[Any, ...]] = await self._run(sql, parameters, _all)
        return found

    async def execute(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> int:
        """Run a statement and return how many rows it changed."""
        changed: int = await self._run(sql, parameters, _count)
        return changed

    @abstractmethod
    async def _run(self, sql: LiteralString, parameters: Mapping[str, Any], fetch: Fetch) -> Any:
        """Send a statement and return what `fetch` takes of its result."""

    async def _send(
        self,
        connection: PooledConnection,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        fetch: Fetch,
    ) -> Any:
        self.statements += 1
        if swells(parameters):
            connection.swollen = True
        began = time.monotonic()
        try:
            span = SPAN.get() if self._connections.traced else None
            result = await (
                connection.run(statement, parameters)
                if span is None
                else run_traced(span, self._name, connection, statement, parameters)
            )
        finally:
            ended = time.monotonic()
            self._connections.durations.count(self._name, ended - began)
        self._connections.answered = ended
        self.row_count += result.command_tuples or 0
        return fetch(connection, result)

    def _translated(self, error: BaseException) -> BaseException:
        self._connections.faults.note(error, self._name, self._statement)
        failure: CallError | None = translate(error, reads=self._reads, statement=self._statement)
        return failure if failure is not None else error


def _first(connection: PooledConnection, result: PGresult) -> tuple[Any, ...] | None:
    return connection.commands.first(result)


def _all(connection: PooledConnection, result: PGresult) -> list[tuple[Any, ...]]:
    return connection.commands.rows(result)


def _count(_connection: PooledConnection, result: PGresult) -> int:
    return result.command_tuples or 0
