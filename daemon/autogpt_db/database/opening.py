"""Opening a pool's connections: as many as are missing, and with pauses while it fails."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import psycopg
import structlog

from autogpt_db.database.causes import why_refused
from autogpt_db.database.pooled import PooledConnection, configure
from autogpt_db.database.reasons import reason_of

if TYPE_CHECKING:
    from typing import Any

    from autogpt_db.database.lending import Lending
    from autogpt_db.database.url import DatabaseUrl

log = structlog.get_logger("autogpt_db.database")

AT_ONCE = 3
"""Connections that are opened at the same time."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two attempts while they fail: doubled from the first up to the second.

So after an outage of any length the pool is back within about a second of the server.
"""
LIFETIME = 3600.0
"""Seconds after which a connection is replaced, for what its server process has piled up."""
_STANDBY = "it is a standby"


class Opener:
    """Keeps a pool at its size.

    Attributes:
        failure: Why the last attempt failed, in words; None when it did not.
    """

    def __init__(
        self, lending: Lending, size: int, conninfo: str, *, target: DatabaseUrl, **given: Any
    ) -> None:
        """Prepare.

        Args:
            lending: Takes the connections.
            size: How many there shall be.
            conninfo: Where to.
            target: The same, for words.
            given: What psycopg's `connect` takes.
        """
        self.failure: str | None = None
        self._lending = lending
        self._size = size
        self._conninfo = conninfo
        self._target = target
        self._given = given
        self._attempts: set[asyncio.Task[None]] = set()
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._closed = False

    def fill(self) -> None:
        """Begin to open what is missing.

        While attempts fail there is one at a time, and another beside it when it takes long: it
        may hang at an address that swallows what it is sent.
        """
        most = AT_ONCE
        if self.failure is not None:
            lasts = time.monotonic() - self._started >= LONGEST_PAUSE
            most = min(AT_ONCE, len(self._attempts) + 1) if lasts else 1
        missing = self._size - self._lending.size
        while not self._closed and len(self._attempts) < min(most, missing):
            self._started = time.monotonic()
            task = asyncio.get_running_loop().create_task(self._attempt(), name="connecting")
            self._attempts.add(task)
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Give up what is being opened."""
        self._closed = True
        attempts = list(self._attempts)
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self.fill()

    async def _attempt(self) -> None:
        """Open one; a failure is followed by a pause, in which its place stays taken."""
        try:
            connection = await PooledConnection.connect(self._conninfo, **self._given)
        except (psycopg.Error, OSError) as error:
            detail = reason_of(error, self._target) if isinstance(error, psycopg.Error) else None
            self._fail(why_refused(error), detail)
        except Exception:
            log.exception("connection_not_opened")
            self._fail("a bug of the service: see its log")
        else:
            if self._take_in(connection):
                return
        pause = self._pause
        self._pause = min(pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - spreads attempts, no secret

    def _take_in(self, connection: PooledConnection) -> bool:
        if connection.pgconn.parameter_status(b"in_hot_standby") == b"on":
            connection.pgconn.finish()
            self._lending.standby_met = time.monotonic()
            self._fail(_STANDBY)
            return False
        configure(connection)
        connection.expires = time.monotonic() + LIFETIME * random.uniform(0.95, 1.0)  # noqa: S311 - as above
        if self.failure is not None:
            log.info("database_back", address=self._target.address)
        self.failure = None
        self._pause = FIRST_PAUSE
        self._lending.admit(connection)
        return True

    def _fail(self, reason: str, detail: str | None = None) -> None:
        if reason != self.failure:
            log.warning(
                "connections_refused", address=self._target.address, reason=reason, detail=detail
            )
        self.failure = reason
