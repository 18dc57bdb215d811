"""Whether the database answers this process, and takes writes: one look that answers all who ask.

However many ask at once, at most one look is under way, and it goes before the calls that wait for
a connection; so thousands that look whether we are there take no place from anybody's call. An
answer is good for `FRESH` seconds, a bad one for less.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString, NoReturn

from autogpt_db.database.session import UNBEARABLE, WANTED, named
from autogpt_db.database.sqlstates import READ_ONLY, cause_of
from autogpt_db.errors import CallError
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autogpt_db.database.pool.call import Call
    from autogpt_db.database.pool.connections import Connections

TIMEOUT = 2.0
"""Seconds that a look may take, waiting for a connection included."""
FRESH = 1.0
"""Seconds that "it answers" is good for."""
FRESH_PROBLEM = 0.1
"""Seconds that "it does not" is good for: who has got well is heard of at once."""
INTERVAL = 5.0
"""Seconds between two looks that nobody asks for; one while writes are refused."""

RENEWAL = 5.0
"""Seconds between two times that sessions are replaced which have a setting from their start."""
HELD = 3.0
"""Seconds for which a disk counts as full after the last write that was refused.

It takes a small one now and then; readiness would come and go with each.
"""

LOOK: LiteralString = """
SELECT pg_catalog.current_setting('transaction_read_only') = 'on',
       pg_catalog.current_setting('synchronous_commit') = 'off',
       pg_catalog.current_setting('transaction_timeout', true)
"""

# What its own session was given at its start stays with it when nobody is given it any more.
OUTLIVED: LiteralString = """
SELECT setting.source IN ('database', 'user', 'database user', 'global')
       AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_db_role_setting AS given
            CROSS JOIN unnest(given.setconfig) AS line
            WHERE lower(line) = ANY (%(lines)s)
              AND given.setdatabase IN (
                  0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
              )
              AND given.setrole IN (
                  0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)
              )
       )
  FROM pg_catalog.pg_settings AS setting
 WHERE setting.name = %(name)s
"""
_READ_ONLY_SET: Final = {
    "name": "default_transaction_read_only",
    "lines": [f"default_transaction_read_only={value}" for value in ("on", "true", "yes", "1")],
}
_NOT_AWAITED_SET: Final = {
    "name": "synchronous_commit",
    "lines": [f"synchronous_commit={value}" for value in ("off", "false", "no", "0")],
}

# Rows that don't fit into work_mem go to a file: it takes room on the disk, and leaves nothing.
LITTLE_MEMORY: LiteralString = "SELECT pg_catalog.set_config('work_mem', '64kB', true)"
SPILL: LiteralString = "SELECT count(*) FROM generate_series(1, 50000)"

# Below a second; PostgreSQL writes longer ones in seconds, if they are whole ones.
_SHORT: Final = re.compile(r"(\d{1,3})ms")

_READ_ONLY: Final = cause_of(READ_ONLY)
_DISK_FULL: Final = cause_of("53100")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the database is to this process.

    Attributes:
        problem: Why it doesn't answer, in a sentence; None when it does.
        trouble: Why calls fail although it answers, in a sentence; None when they need not.
    """

    problem: str | None = None
    trouble: str | None = None


class Pulse:
    """Looks how the database is, for all who ask.

    Args:
        connections: The process's.
        open_call: Returns what one look asks through, given the moment of its end.
    """

    def __init__(self, connections: Connections, open_call: Callable[[float], Call]) -> None:
        self._open_call = open_call
        self._connections = connections
        self._problem: str | None = None
        self._looked = self._renewed = self._sought = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def look(self, patience: float) -> Verdict:
        """Return how the database is; who stops waiting for that stops nobody else's look.

        Args:
            patience: Most seconds to wait for it.
        """
        fresh = FRESH if self._problem is None else FRESH_PROBLEM
        if time.monotonic() - self._looked >= fresh:
            looking = self._begin()
            done, _ = await asyncio.wait({looking}, timeout=patience)
            if not done:
                return self._verdict(f"The database did not answer within {patience:g} seconds.")
        return self._verdict(self._problem)

    async def watch_forever(self) -> NoReturn:
        """Look now and then although nobody asks, so that what is wrong is told in time."""
        while True:
            await asyncio.sleep(FRESH)
            refused = self._connections.faults.words is not None
            due = time.monotonic() - self._looked >= (FRESH if refused else INTERVAL)
            # Where no connection is free, calls that go through tell as much.
            if due and (refused or self._connections.lending.idle):
                await asyncio.wait({self._begin()})
            elif self._connections.all_lent:
                await self._seek()

    async def _seek(self) -> None:
        """Look for another host where those who have every connection have had no answer."""
        since = max(self._connections.answered, self._looked, self._sought)
        if time.monotonic() - since >= INTERVAL:
            self._sought = time.monotonic()
            await self._connections.leave_host_of_all()

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _begin(self) -> asyncio.Task[None]:
        if self._looking is None:
            # It belongs to none of those who ask.
            self._looking = asyncio.create_task(self._look(), name="pulse", context=Context())
        return self._looking

    def _verdict(self, problem: str | None) -> Verdict:
        words = self._connections.faults.words
        return Verdict(problem, f"{words}." if words else None)

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._ask(began + TIMEOUT)
            self._problem = None
        except (CallError, TimeoutError) as error:
            # Others get their answers on the connections that it did not get.
            answered = self._connections.answered > began
            words = str(error) or f"The database did not answer within {TIMEOUT:g} seconds."
            self._problem = None if answered else words
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            log.pulse_unknown(exc_info=error)
            self._problem = "The database could not be asked how it is: see the service's log."
        finally:
            self._looked = time.monotonic()
            self._looking = None

    def _unanswered(self, call: Call) -> None:
        """Give up a connection on which nobody answers, and those beside it for another host's."""
        if call.started:
            call.abandon()
            self._connections.leave_silent_host()

    async def _ask(self, deadline: float) -> None:
        faults = self._connections.faults
        call = self._open_call(deadline)
        silent = asyncio.get_running_loop().call_later(TIMEOUT, self._unanswered, call)
        try:
            pooled = self._connections.url.pgbouncer
            unbearable = await call.rows(UNBEARABLE, WANTED) if pooled else []
            found = await call.row(LOOK)
        finally:
            silent.cancel()
        assert found is not None, "a SELECT without FROM has one row"
        read_only, unsafe, longest = found
        # Of all that is refused the one that no session of ours can set: older servers lack it.
        if not pooled and (milliseconds := _SHORT.fullmatch(longest or "")) is not None:
            unbearable = [("transaction_timeout", f"{milliseconds[1]} ms")]
            self._renew_now_and_then()
        faults.settings_are(named(unbearable))
        faults.commits_are(awaited=not unsafe)
        if unsafe:
            await self._renew_if_outlived(call, _NOT_AWAITED_SET)
        if read_only:
            faults.writes_refused(_READ_ONLY)
            await self._renew_if_outlived(call, _READ_ONLY_SET)
        else:
            faults.writes_possible(_READ_ONLY)
        if faults.trouble is _DISK_FULL:
            async with call.transaction() as inside:
                await inside.row(LITTLE_MEMORY)
                await inside.row(SPILL)
            faults.writes_possible(_DISK_FULL, after=HELD)

    def _renew_now_and_then(self) -> None:
        """Replace sessions for those that get what is set by then."""
        if time.monotonic() - self._renewed >= RENEWAL:
            self._renewed = time.monotonic()
            self._connections.lending.renew()

    async def _renew_if_outlived(self, call: Call, given: Mapping[str, Any]) -> None:
        """Replace the sessions that have kept a setting which nobody is given any more."""
        outlived = await call.row(OUTLIVED, given)
        if outlived is not None and outlived[0]:
            self._connections.lending.renew()
