"""A process's connections: a bounded number, opened, lent, and tended through outages."""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autogpt_db.database.pool.abreast import WRITES, Abreast
from autogpt_db.database.pool.auditing import Audit
from autogpt_db.database.pool.durations import Durations
from autogpt_db.database.pool.faults import Faults
from autogpt_db.database.pool.gathering import Crowd
from autogpt_db.database.pool.lanes import Lane
from autogpt_db.database.pool.leaving import Leaving
from autogpt_db.database.pool.lending import Lending
from autogpt_db.database.pool.merging import IN_FLIGHT
from autogpt_db.database.pool.opening import Opener
from autogpt_db.database.quoting import quoted
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString, NoReturn

    from autogpt_db.database.pool.knowledge import Knowledge
    from autogpt_db.database.pool.merged import KeyedMerged, Merged
    from autogpt_db.database.pool.merging import Merger
    from autogpt_db.database.pool.pooled import PooledConnection
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.helpers import Helpers
    from autogpt_db.settings import Settings

TENDING = 1.0
"""Seconds between two looks whether all connections are there, and none has gone astray."""
_PLATFORM = re.compile(r"\bplatform\.")


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What an operator wants to see of a pool.

    Attributes:
        size: Open connections.
        in_use: Connections lent out.
        waiting: Calls waiting for one.
        longest_holder: Name of the operation that holds a connection longest, or None.
        longest_holder_seconds: For how long.
        heavy_in_use: Connections lent to calls that read much, of the share they may have.
        heavy_waiting: Such calls waiting for one.
        stray: Connections that are open, and neither idle nor lent to anybody who lives. They are
            replaced within seconds.
        failure: Why no connection can be opened, in words; None when one can, or none is missing.
        trouble: What keeps calls from succeeding, in words; None while nothing does.
        wanted: Connections that there shall be.
        room: Why there is no room for all of the service's connections; None while there is.
    """

    size: int
    in_use: int
    waiting: int
    longest_holder: str | None
    longest_holder_seconds: float
    heavy_in_use: int = 0
    heavy_waiting: int = 0
    stray: int = 0
    failure: str | None = None
    trouble: str | None = None
    wanted: int = 0
    room: str | None = None


class Connections:
    """The connections, and what all calls on them share.

    Attributes:
        url: Where they lead to.
        settings: The configuration in effect.
        knowledge: What is known of AutoGPT's schema.
        helpers: Compute what takes long; None: it is computed where it is asked for.
        patience: Seconds that a call waits for a connection at most.
        statement_timeout: Seconds that a statement may take.
        lending: Lends them, and takes them back.
        heavy_lane: The lane of the calls that read much.
        most_waiting: Calls that may wait for one.
        mergers: What merges calls, for each kind that has come in.
        crowd: The calls of all kinds that may be merged.
        writes_abreast: How many batches of those that write are under way.
        faults: What has been heard of the database's troubles.
        answered: `time.monotonic()` moment at which a statement was answered last.
        durations: How long statements took.
        on_written: Called when a statement or a transaction that may have written has ended well.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        settings: Settings,
        knowledge: Knowledge,
        *,
        name: str,
        size: int,
        helpers: Helpers | None,
        longest_lease: float,
    ) -> None:
        """Prepare; `open` opens them.

        Args:
            url: Where they lead to.
            settings: Every bound.
            knowledge: What is known of AutoGPT's schema.
            name: The sessions' `application_name`.
            size: How many there shall be.
            helpers: Compute what takes long, if there are any.
            longest_lease: Seconds for which a task may have one.
        """
        self.url = url
        self.settings = settings
        self.statement_timeout = settings.database.statement_timeout
        # 0 stands for "as long as the deadline allows" (Prisma's own meaning: no limit).
        self.patience = settings.database.pool_timeout or settings.api.request_deadline
        self._size = size
        self._statements: dict[str, str] = {}
        self.mergers: dict[Merged | KeyedMerged, Merger] = {}
        self.crowd = Crowd()
        self.writes_abreast = Abreast(IN_FLIGHT, most_quick=WRITES)
        self.helpers = helpers
        self.knowledge = knowledge
        self.faults = Faults(url)
        self.answered = -math.inf
        self.traced = settings.traces.enabled
        self.durations = Durations()
        self.on_written: Callable[[], None] | None = None
        self.most_waiting = settings.database.pool_max_waiting
        # The other half stays for short calls.
        self.heavy_lane = Lane(max(1, size // 2), self.most_waiting)
        self._tending: asyncio.Task[None] | None = None
        milliseconds = str(int(self.statement_timeout * 1000))
        self.lending = Lending(
            self.most_waiting,
            replace=self._replace,
            reason=lambda: self._opener.failure,
        )
        self._audit = Audit(self.lending, longest_lease)
        self._leaving = Leaving(self.lending)
        self._opener = Opener(
            self.lending,
            self._leaving.arrived,
            size,
            url.conninfo(
                connect_timeout=settings.database.connect_timeout,
                application_name=name,
                search_path=url.search_path,
                statement_timeout=milliseconds,
                lock_timeout=str(int(settings.database.lock_timeout * 1000)),
                idle_in_transaction_session_timeout=milliseconds,
            ),
            target=url,
            name=name,
            # Statements are prepared at first use; a transaction pooler cannot keep them.
            prepares=not url.pgbouncer,
            autocommit=True,
            prepare_threshold=None,  # which we do ourselves
        )

    async def open(self) -> None:
        """Open the pool without waiting for its connections."""
        await self._opener.open()
        self._tending = asyncio.create_task(self._tend(), name="pool-tending")

    async def close(self) -> None:
        """Close every connection."""
        if self._tending is not None:
            self._tending.cancel()
            with suppress(asyncio.CancelledError):
                await self._tending
        await self._opener.close()
        self.lending.close()

    async def wait(self, seconds: float) -> bool:
        """Wait until the pool is at its full size; False when it isn't within `seconds`.

        Connections that are refused are not waited for where there are others.
        """
        deadline = time.monotonic() + seconds
        while self.lending.size < self._size:
            if self.lending.size and self._opener.failure is not None:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    @property
    def schema(self) -> str:
        """Return the name of AutoGPT's schema, quoted."""
        return quoted(self.url.schema)

    @property
    def all_lent(self) -> bool:
        """Tell whether connections are open, and somebody has each of them."""
        return self.lending.size > 0 and len(self.lending.leases) == self.lending.size

    def leave_silent_host(self) -> None:
        """Replace every connection where there are several hosts, and the one in use is silent.

        With a single one there is nothing better to be had: it may only be slow.
        """
        if self._several_hosts:
            log.host_silent(address=self.url.address)
            self._leaving.leave()

    async def leave_host_of_all(self) -> None:
        """Do the same where every connection is lent, and none of them has an answer.

        So many slow statements look alike; only where another host answers are they cut.
        """
        if not self._several_hosts:
            return
        reached = await self._opener.reach()
        if reached is None:
            return
        if self._leaving.leave_for(reached):
            log.host_silent(address=self.url.address)
        reached.pgconn.finish()

    @property
    def _several_hosts(self) -> bool:
        return "," in self.url.parameters.get("host", "")

    def figures(self) -> PoolFigures:
        """Return the pool's state now."""
        lending = self.lending
        longest = min(lending.leases.values(), key=lambda lease: lease.since, default=None)
        return PoolFigures(
            size=lending.size,
            in_use=len(lending.leases),
            waiting=lending.waiting,
            longest_holder=longest.holder if longest else None,
            longest_holder_seconds=round(time.monotonic() - longest.since, 3) if longest else 0.0,
            heavy_in_use=self.heavy_lane.in_use,
            heavy_waiting=self.heavy_lane.waiting,
            stray=self._audit.strays,
            failure=self._opener.failure if lending.size < self._size else None,
            trouble=self.faults.words,
            wanted=self._size,
            room=self.faults.room,
        )

    def statement(self, sql: LiteralString) -> LiteralString:
        """Return `sql` with AutoGPT's schema under its name in this database."""
        if self.url.schema == "platform":
            return sql
        found = self._statements.get(sql)
        if found is None:
            found = self._statements[sql] = _PLATFORM.sub(lambda _: f"{self.schema}.", sql)
        return found

    def _replace(self, connection: PooledConnection) -> None:
        self._opener.replace(connection)

    async def _tend(self) -> NoReturn:
        while True:
            await asyncio.sleep(TENDING)
            try:
                for problem in self._audit.mend():
                    log.connection_astray(problem=problem)
                await self._opener.fill()
            except Exception as error:  # noqa: BLE001 - whatever it is, it goes on looking
                log.pool_untended(exc_info=error)
