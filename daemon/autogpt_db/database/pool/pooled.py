"""One connection of a pool: what makes it unfit to be lent again, and how that is seen."""

from __future__ import annotations

import math
import select
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.adapt import Loader

from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.abc import PQGen

    Result = TypeVar("Result")

LARGEST_KEPT = 1024 * 1024
"""Bytes of one value after which a connection is replaced, for the memory that libpq keeps.

Either way: it has a buffer for what comes and one for what goes, and shrinks neither.
"""

_LEFT_OUT = "AG001"
"""SQLSTATE of the notice that a node execution has more values than are read."""
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
    """

    ended = False
    swollen = False
    standby = False
    expires = math.inf
    unreplicated = False

    def note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice; one that ends the session is an error sent while nothing was asked."""
        if diagnostic.severity_nonlocalized in {"FATAL", "PANIC"}:
            self.ended = True
        elif diagnostic.source_function == _WAITS_FOR_STANDBY:
            self.unreplicated = True
        elif diagnostic.sqlstate == _LEFT_OUT:
            _tell_left_out(diagnostic.message_detail)

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
        result = await super().wait(gen, interval, timeout)
        while self.unreplicated:
            self.unreplicated = False
            try:
                await super().wait(self._exec_command(_WAIT_FOR_STANDBY), interval, timeout)
            except psycopg.errors.QueryCanceled:
                self.unreplicated = True
            except psycopg.Error as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(
                    "the connection was lost before the standby had the transaction"
                ) from error
        return result


@lru_cache(maxsize=1000)
def _tell_left_out(node_exec_id: str | None) -> None:
    """Say so once; of so many others until it is said again."""
    log.node_values_left_out(node_exec_id=node_exec_id)


def configure(connection: PooledConnection) -> None:
    """Make a new connection ready: documents stay bytes, and a farewell is noticed."""
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
            pgconn.is_busy()  # parses, which is what calls note
    connection.standby = pgconn.parameter_status(b"in_hot_standby") == b"on"
    if (
        not connection.ended
        and pgconn.status == psycopg.pq.ConnStatus.OK
        and not connection.standby
    ):
        return True
    pgconn.finish()
    return False
