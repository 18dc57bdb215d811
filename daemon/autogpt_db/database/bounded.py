"""Giving a server up that does not answer: one that is frozen never will."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


@contextmanager
def answered_within(seconds: float, connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Cut a connection whose server has not answered what the block asks in time.

    libpq waits without a bound, and a server's own timeouts help nobody while it is frozen. The
    thread that watches has ended when the block has: a fork may follow.

    Args:
        seconds: That the whole block may take.
        connection: What it asks over; a cut one raises `psycopg.OperationalError` there.
    """
    watching = threading.Timer(seconds, cut, [connection])
    watching.daemon = True
    watching.start()
    try:
        yield
    finally:
        watching.cancel()
        watching.join()


def cut(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """End a connection while a statement waits on it, which then sees the end of the stream."""
    # Not pgconn.finish(): its socket is being watched.
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as stream:
        stream.shutdown(socket.SHUT_RDWR)
