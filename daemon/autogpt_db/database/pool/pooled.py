"""One connection of a pool: what makes it unfit to be lent again, and how that is seen."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus
from psycopg.waiting import Ready, Wait

from autogpt_db.database.pool.arrivals import Arrivals
from autogpt_db.database.pool.commands import Commands
from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGresult

    Result = TypeVar("Result")

LARGEST_KEPT = 1024 * 1024
"""Bytes of one value after which a connection is replaced, for the memory that libpq keeps.

Either way: it has a buffer for what comes and one for what goes, and shrinks neither.
"""

CANCEL_PATIENCE = 5.0
"""Seconds that a cancelled statement's end is waited for, twice; psycopg waits as long."""
_LEFT_OUT = "AG001"
"""SQLSTATE of the notice that a node execution has more values than are read."""
_DEFAULTED = "AG002"
"""SQLSTATE of the notice that a chat's column holds what no caller could take."""
_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
# Its commit waits for the standby, and so for all that was committed before.
_WAIT_FOR_STANDBY = b"SELECT pg_logical_emit_message(true, 'autogpt_db', '')"


class _JsonBytes(Loader):
    """`json` as the server wrote it: no decoding, no parsing, no encoding again."""

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        if len(data) > LARGEST_KEPT and isinstance(self.connection, PooledConnection):
            self.connection.swollen = True
        return bytes(data)


class PooledConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A pooled connection that remembers what makes it unfit to be lent again.

    Attributes:
        ended: The server said goodbye while it was idle.
        swollen: libpq's buffer has grown to a large row, and never shrinks again.
        standby: It leads to a standby, which takes no writes.
        expires: `time.monotonic()` moment from which it is replaced.
        unreplicated: A commit's wait for the synchronous standby was cancelled.
        arrivals: Tells when its server has said something; None as long as it isn't watched.
        prepares: Whether its statements are prepared; a transaction pooler cannot keep them.
    """

    ended = False
    swollen = False
    standby = False
    expires = math.inf
    unreplicated = False
    arrivals: Arrivals | None = None
    prepares = True

    @cached_property
    def commands(self) -> Commands:
        """Return its statements."""
        return Commands(self)

    async def run(self, statement: LiteralString, parameters: Mapping[str, Any]) -> PGresult:
        """Run a statement; its `commands` read the result.

        Args:
            statement: Its text, with `%(name)s` for each parameter.
            parameters: By name.
        """
        if self.prepares:
            return await self.wait(self.commands.run(statement, parameters))
        result = (await self.execute(statement, parameters)).pgresult
        assert result is not None, "it was executed"
        return result

    def watch(self) -> None:
        """Have the event loop watch it until `finish`; where that fails psycopg does each time."""
        with suppress(psycopg.Error, OSError):
            self.arrivals = Arrivals(self.pgconn.socket)

    def finish(self) -> None:
        """Close it at once; who waits for its server hears so."""
        self.pgconn.finish()
        if self.arrivals is not None:
            self.arrivals.close()

    def note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice; one that ends the session is an error sent while nothing was asked."""
        if diagnostic.severity_nonlocalized in {"FATAL", "PANIC"}:
            self.ended = True
        elif diagnostic.source_function == _WAITS_FOR_STANDBY:
            self.unreplicated = True
        elif diagnostic.sqlstate == _LEFT_OUT:
            _tell_left_out(diagnostic.message_detail)
        elif diagnostic.sqlstate == _DEFAULTED:
            tell_defaulted(diagnostic.message_detail)

    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's own signature
    ) -> Result:
        """Run a command as psycopg does; wait again for the standby when that was cancelled.

        To psycopg a commit has succeeded when somebody cancels its wait for the synchronous standby
        (`pg_cancel_backend`): PostgreSQL only warns that a failover may lose it. Nobody is told of
        success before the standby has it.

        Raises:
            OperationalError: The connection was lost in that wait. It has no SQLSTATE.
        """
        self.unreplicated = False  # of a call that was cancelled in that wait
        result = await self._wait(gen, interval, timeout)
        while self.unreplicated:
            self.unreplicated = False
            try:
                await self._wait(self._exec_command(_WAIT_FOR_STANDBY), interval, timeout)
            except psycopg.errors.QueryCanceled:
                self.unreplicated = True
            except psycopg.Error as error:
                self.finish()
                raise psycopg.OperationalError(
                    "the connection was lost before the standby had the transaction"
                ) from error
        return result

    async def _wait(
        self,
        gen: PQGen[Result],
        interval: float,
        timeout: float | None,  # noqa: ASYNC109 - psycopg's own signature
    ) -> Result:
        """Run a command; what only waits for an answer needs nothing of the event loop anew."""
        arrivals = self.arrivals
        if arrivals is None or timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            state = next(gen)
            while state == Wait.R:
                await arrivals.next()
                state = gen.send(Ready.R)
        except StopIteration as end:
            result: Result = end.value
            return result
        except asyncio.CancelledError:
            await self._end_command(gen)
            raise
        # It has more to send than the server takes at once.
        return await super().wait(_going_on(gen, state), interval)

    async def _end_command(self, gen: PQGen[Any]) -> None:
        """Cancel a command at its server and take its end in, or close the connection.

        As psycopg does it: the connection is to be used again.
        """
        if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            with suppress(Exception):  # the answer may come nevertheless
                await self.cancel_safe(timeout=CANCEL_PATIENCE)
            await super().wait(gen, timeout=CANCEL_PATIENCE)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException as error:
            self.finish()
            if not isinstance(error, Exception):
                raise


def _going_on(gen: PQGen[Result], state: Wait) -> PQGen[Result]:
    """Go on with a command that has begun, and waits for `state`."""
    try:
        while True:
            ready = yield state
            state = gen.send(ready or Ready.NONE)
    except StopIteration as end:
        result: Result = end.value
        return result


@lru_cache(maxsize=1000)
def _tell_left_out(node_exec_id: str | None) -> None:
    """Say so once; of so many others until it is said again."""
    log.node_values_left_out(node_exec_id=node_exec_id)


@lru_cache(maxsize=1000)
def tell_defaulted(detail: str | None) -> None:
    """Say so once, in the same way."""
    table, column, row_id = (detail or "? ? ?").split(" ", 2)
    log.chat_column_defaulted(table=table, column=column, id=row_id)


def configure(connection: PooledConnection, *, prepares: bool) -> None:
    """Make a new connection ready: documents stay bytes, and a farewell is noticed."""
    connection.prepares = prepares
    connection.adapters.register_loader("json", _JsonBytes)
    connection.add_notice_handler(connection.note)


def swells(parameters: Mapping[str, Any]) -> bool:
    """Tell whether a statement's parameters make libpq's buffer larger than is kept."""
    size = 0
    for value in parameters.values():
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, list) and value and isinstance(value[0], str):
            size += sum(map(len, value))
    return size > LARGEST_KEPT


def usable(connection: PooledConnection) -> bool:
    """Tell, without a round trip, whether a connection is alive and leads to a primary.

    One that isn't is closed, so that the pool replaces it.
    """
    pgconn, arrivals = connection.pgconn, connection.arrivals
    if arrivals is None or arrivals.unasked:
        # An idle connection has nothing to say, unless it is being ended or a setting has changed.
        # Twice, because a farewell and the end of the stream are read separately.
        with suppress(psycopg.Error):
            for _ in range(2):
                pgconn.consume_input()  # which waits for nothing
                pgconn.is_busy()  # parses, which is what calls note
        if arrivals is not None:
            arrivals.resume()
    connection.standby = pgconn.parameter_status(b"in_hot_standby") == b"on"
    if (
        not connection.ended
        and pgconn.status == psycopg.pq.ConnStatus.OK
        and not connection.standby
    ):
        return True
    connection.finish()
    return False
