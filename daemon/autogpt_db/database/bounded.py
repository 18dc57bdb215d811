"""Bounding what main asks a server without an event loop: one that is frozen never answers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from autogpt_db.database.pooled import cut

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
