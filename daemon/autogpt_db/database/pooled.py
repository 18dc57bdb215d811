"""One connection of a pool: what makes it unfit to be lent again, and how that is seen."""

from __future__ import annotations

import math
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Loader

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_KEPT = 1024 * 1024
"""Bytes of one value after which a connection is replaced, for the memory that libpq keeps.

Either way: it has a buffer for what comes and one for what goes, and shrinks neither.
"""


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
    """

    ended = False
    swollen = False
    standby = False
    expires = math.inf

    def note_end(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice; one that ends the session is an error sent while nothing was asked."""
        if diagnostic.severity_nonlocalized in {"FATAL", "PANIC"}:
            self.ended = True


def configure(connection: PooledConnection) -> None:
    """Make a new connection ready: documents stay bytes, and a farewell is noticed."""
    connection.adapters.register_loader("json", _JsonBytes)
    connection.add_notice_handler(connection.note_end)


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
