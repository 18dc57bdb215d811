"""Lending a pool's connections: every step that moves one is a single turn of the event loop.

Nothing is awaited between a connection's end of use and its being idle or lent again, nor between
its being handed over and its lease being written down. So no cancellation, wherever it strikes
(a client that left, a deadline, the end of the process), can lose one on its way.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.pq import TransactionStatus

from autogpt_db.database.causes import NO_SLOT
from autogpt_db.database.pool.pooled import usable
from autogpt_db.errors import DatabaseUnavailableError, NoConnectionError, PoolExhaustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.pool.pooled import PooledConnection


PATIENCE_WITHOUT_ROOM = 0.5
"""Seconds that a call waits for a first connection which is refused for lack of room.

It is nobody's turn to end: another process has what there is, and serves.
"""


class Lease(NamedTuple):
    """Who has a connection.

    Attributes:
        holder: Name of the operation.
        since: `time.monotonic()` moment from which it has it.
        task: The task that borrowed it, and gives it back before it ends.
    """

    holder: str
    since: float
    task: asyncio.Task[Any] | None


@dataclass(slots=True)
class Counts:
    """What has happened since the process started.

    Attributes:
        waits: Calls that had to wait for a connection.
        wait_seconds: For how long, all together.
        refusals: Calls that got none.
        lost: Connections that broke, or had to be replaced.
        strays: Connections that were neither idle nor lent, and were replaced.
    """

    waits: int = 0
    wait_seconds: float = 0.0
    refusals: int = 0
    lost: int = 0
    strays: int = 0


class _Waiter(NamedTuple):
    holder: str
    task: asyncio.Task[Any] | None


_Wait = asyncio.Future["PooledConnection"]
_Queue = OrderedDict[_Wait, _Waiter]


class Lending:
    """The open connections of a pool, and the calls that wait for one, in order of arrival.

    Attributes:
        open: All of them, lent or not.
        leases: Who has which connection.
        counts: What has happened.
        standby_met: `time.monotonic()` moment at which a standby answered last.
    """

    def __init__(
        self,
        most_waiting: int,
        *,
        replace: Callable[[PooledConnection], None],
        reason: Callable[[], str | None],
    ) -> None:
        """Start with no connection.

        Args:
            most_waiting: Calls that may wait; one more is refused at once.
            replace: Called with a connection that is gone, for another one to be opened.
            reason: Says why no connection can be opened; None when one can.
        """
        self.open: set[PooledConnection] = set()
        self.leases: dict[PooledConnection, Lease] = {}
        self.counts = Counts()
        self._replace = replace
        self._reason = reason
        self.standby_met = -math.inf
        self._most_waiting = most_waiting
        self._idle: deque[PooledConnection] = deque()
        self._waiting: _Queue = OrderedDict()
        self._urgent: _Queue = OrderedDict()
        self._closed = False

    @property
    def size(self) -> int:
        """Return how many connections are open."""
        return len(self.open)

    @property
    def idle(self) -> int:
        """Return how many of them could be lent now."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Return how many calls wait for one."""
        return len(self._waiting) + len(self._urgent)

    # Lending -----------------------------------------------------------------------------------

    async def borrow(
        self, holder: str, seconds: float, *, urgent: bool = False
    ) -> PooledConnection:
        """Lend a connection that was checked; `give_back` must follow.

        Args:
            holder: Name of the operation.
            seconds: Most that it waits for one.
            urgent: Whether it goes before all others, and beside their bound: for the few that
                look how the database is.

        Raises:
            DatabaseUnavailableError: None became free in time.
            PoolExhaustedError: Too many calls wait already.
        """
        if self._closed:
            raise DatabaseUnavailableError("The service is closing its connections; try again.")
        task = asyncio.current_task()
        while self._idle:
            # The last one that came back: what its server needs is still in a processor's cache.
            connection = self._idle.pop()
            if usable(connection):
                self.leases[connection] = Lease(holder, time.monotonic(), task)
                return connection
            self._drop(connection)
        if not urgent and len(self._waiting) >= self._most_waiting:
            self.counts.refusals += 1
            raise PoolExhaustedError(self._why_exhausted())
        if not self.open and self._reason() == NO_SLOT:
            seconds = min(seconds, PATIENCE_WITHOUT_ROOM)
        return await self._wait(_Waiter(holder, task), seconds, urgent=urgent)

    async def _wait(self, waiter: _Waiter, seconds: float, *, urgent: bool) -> PooledConnection:
        loop = asyncio.get_running_loop()
        wait: _Wait = loop.create_future()
        queue = self._urgent if urgent else self._waiting
        queue[wait] = waiter
        timer = loop.call_later(max(0.0, seconds), self._run_out, wait)
        started = time.monotonic()
        self.counts.waits += 1
        try:
            return await wait
        except BaseException:
            # Cancelled in the very moment in which it was handed one.
            if wait.done() and not wait.cancelled() and wait.exception() is None:
                self.give_back(wait.result())
            raise
        finally:
            timer.cancel()
            queue.pop(wait, None)
            self.counts.wait_seconds += time.monotonic() - started

    def _run_out(self, wait: _Wait) -> None:
        if not wait.done():
            self.counts.refusals += 1
            kind = DatabaseUnavailableError if self.open else NoConnectionError
            wait.set_exception(kind(self._why_none(), retry_after=2.0 if self.open else 1.0))

    def give_back(self, connection: PooledConnection) -> None:
        """Take a lent connection back; one that isn't fit to be lent again is replaced.

        It awaits nothing, so that nothing can keep it from being done.
        """
        if self.leases.pop(connection, None) is None:
            connection.finish()  # it was given up as a stray
            return
        if self._closed or connection.expires <= time.monotonic():
            self._drop(connection, lost=False)
        elif (
            connection.swollen
            or connection.standby
            # Nobody is left to end what it is in the middle of; the server rolls it back.
            or connection.pgconn.transaction_status != TransactionStatus.IDLE
        ):
            self._drop(connection)
        else:
            self._offer(connection)

    def admit(self, connection: PooledConnection) -> None:
        """Take in a connection that was opened."""
        if self._closed:
            connection.pgconn.finish()
            return
        connection.watch()
        self.open.add(connection)
        self._offer(connection)

    def _offer(self, connection: PooledConnection) -> None:
        """Hand a connection to who waits for it longest, or lay it with the idle ones."""
        while queue := (self._urgent or self._waiting):
            if not usable(connection):
                self._drop(connection)
                return
            wait, waiter = queue.popitem(last=False)
            if not wait.done():
                self.leases[connection] = Lease(waiter.holder, time.monotonic(), waiter.task)
                wait.set_result(connection)
                return
        self._idle.append(connection)

    def is_idle(self, connection: PooledConnection) -> bool:
        """Tell whether a connection could be lent now."""
        return connection in self._idle

    def serve_idle(self) -> int:
        """Hand idle connections to who waits beside them; return how many were idle.

        There are none of both as long as the rest of this class is right.
        """
        idle = len(self._idle)
        if self.waiting:
            for _ in range(idle):
                self._offer(self._idle.popleft())
        return idle

    def give_up(self, connection: PooledConnection) -> Lease | None:
        """Replace a connection that nobody can give back; return who had it, if that is known."""
        lease = self.leases.pop(connection, None)
        self.counts.strays += 1
        self._drop(connection)
        return lease

    def _drop(self, connection: PooledConnection, *, lost: bool = True) -> None:
        connection.finish()
        if connection.standby:
            self.standby_met = time.monotonic()
        self.open.discard(connection)
        self.counts.lost += lost
        self._replace(connection)

    # Ending ------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Close what is idle, and what is lent when it comes back: fresh ones take their place."""
        for connection in self.open:
            connection.expires = -math.inf
        while self._idle:
            self._drop(self._idle.popleft(), lost=False)

    def close(self) -> None:
        """Close every idle connection, fail who waits, and close the others as they come back."""
        self._closed = True
        while self._idle:
            self._drop(self._idle.popleft(), lost=False)
        for queue in (self._urgent, self._waiting):
            for wait in queue:
                if not wait.done():
                    wait.set_exception(
                        DatabaseUnavailableError("The service is closing its connections.")
                    )

    # Words -------------------------------------------------------------------------------------

    def _why_exhausted(self) -> str:
        if not self.open:
            return (
                f"{self._away()}, and too many calls wait for it; nothing was written. Try again "
                "shortly."
            )
        return "Every database connection is in use and the queue is full; try again shortly."

    def _why_none(self) -> str:
        if not self.open:
            return f"{self._away()}; nothing was written. Try again shortly."
        return "No database connection became free in time; try again shortly."

    def _away(self) -> str:
        reason = self._reason()
        return f"The database cannot be reached ({reason})" if reason else "No connection is open"
