"""Awaiting that somebody waits for a lock, which the test holds."""

from __future__ import annotations

import asyncio

import psycopg

from waiting import wait_for

_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def await_lock(url: str, *, what: str, sessions: int = 1) -> None:
    """Wait until sessions wait for locks in a database.

    Args:
        url: The database's.
        what: What is awaited, for people: `the call to wait`.
        sessions: How many, at the least.
    """
    with psycopg.connect(url, autocommit=True) as observer:

        def waiting() -> bool:
            row = observer.execute(_WAITING).fetchone()
            return row is not None and row[0] >= sessions

        wait_for(waiting, what=what)


async def lock_awaited(url: str) -> None:
    """Wait until somebody waits for a lock in a database, beside calls in the same loop."""
    await asyncio.to_thread(await_lock, url, what="somebody to wait for a lock")
