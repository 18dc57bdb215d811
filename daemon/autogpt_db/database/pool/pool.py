"""A process's pool: opened once, asked for a `Call` by everybody, and asked how it is."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

from autogpt_db.database.pool.call import Call
from autogpt_db.database.pool.connections import Connections
from autogpt_db.database.pool.keyed_call import KeyedCall
from autogpt_db.database.pool.knowledge import TIMEOUT, Knowledge
from autogpt_db.database.pool.pulse import Pulse
from autogpt_db.database.pool.room_watch import watch_room
from autogpt_db.database.url import database_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from autogpt_db.database.pool.connections import PoolFigures
    from autogpt_db.database.pool.durations import Durations
    from autogpt_db.database.pool.faults import Faults
    from autogpt_db.database.pool.idempotency import Slot
    from autogpt_db.database.pool.lanes import Lane
    from autogpt_db.database.pool.lending import Counts
    from autogpt_db.database.pool.merging import Merger
    from autogpt_db.database.pool.pulse import Verdict
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.helpers import Helpers
    from autogpt_db.settings import Settings


class Pool:
    """A process's connections to PostgreSQL, and what it knows of the database.

    Attributes:
        knowledge: What it knows of AutoGPT's schema.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str = "autogpt-db",
        size: int | None = None,
        url: DatabaseUrl | None = None,
        helpers: Helpers | None = None,
        longest_lease: float = math.inf,
    ) -> None:
        """Prepare; `open` opens it.

        Args:
            settings: Where the database is, and every bound.
            name: The sessions' `application_name`.
            size: Connections; None stands for the settings' pool size.
            url: Another target than the settings' own.
            helpers: Compute what takes long; without them it is computed where it is asked for.
            longest_lease: Seconds after which a task that has a connection is cancelled: more than
                any of its bounds allows.
        """
        self.knowledge = Knowledge(self._look_call, live_events=settings.events.enabled)
        self._connections = Connections(
            url or database_url(settings),
            settings,
            self.knowledge,
            name=name,
            size=size or settings.api_pool_size,
            helpers=helpers,
            longest_lease=longest_lease,
        )
        self._pulse = Pulse(self._connections, self._pulse_call)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        name: str = "autogpt-db",
        size: int | None = None,
        url: DatabaseUrl | None = None,
        helpers: Helpers | None = None,
        longest_lease: float = math.inf,
    ) -> AsyncGenerator[Pool]:
        """Open a pool, as described at its constructor; it is closed at the end.

        Opening never waits and never fails because PostgreSQL is away.
        """
        pool = cls(
            settings, name=name, size=size, url=url, helpers=helpers, longest_lease=longest_lease
        )
        connections = pool._connections
        await connections.open()
        tasks = [asyncio.create_task(pool._pulse.watch_forever(), name="pulse-watching")]
        if not connections.url.pgbouncer:
            watching = watch_room(pool._look_call, settings, connections.faults)
            tasks.append(asyncio.create_task(watching, name="room"))
        try:
            yield pool
        finally:
            for task in tasks:
                task.cancel()
            await pool._pulse.close()
            await connections.close()

    def call(
        self,
        name: str,
        *,
        reads: bool,
        deadline: float | None = None,
        heavy: bool = False,
        urgent: bool = False,
    ) -> Call:
        """Return what one call of the operation `name` goes through.

        Args:
            name: The operation, for figures and logs.
            reads: Whether its statements only read: those are repeated once when a connection
                dies, and may be cancelled.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            heavy: Whether it reads much: such calls share half of the connections.
            urgent: Whether it goes before all that wait: for the few that look how the database is.
        """
        return Call(
            self._connections, name, reads=reads, deadline=deadline, heavy=heavy, urgent=urgent
        )

    def keyed_call(self, slot: Slot, *, deadline: float, most_bytes: int) -> KeyedCall:
        """Return what a call with an idempotency key goes through, if one statement does it.

        Args:
            slot: The key's place.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            most_bytes: Of its reply.
        """
        return KeyedCall(self._connections, slot, deadline=deadline, most_bytes=most_bytes)

    def _look_call(self) -> Call:
        return self.call("catalogue", reads=True, deadline=time.monotonic() + TIMEOUT)

    def _pulse_call(self, deadline: float) -> Call:
        return self.call("pulse", reads=True, deadline=deadline, urgent=True)

    @property
    def url(self) -> DatabaseUrl:
        """Return where the database is."""
        return self._connections.url

    @property
    def settings(self) -> Settings:
        """Return the configuration in effect."""
        return self._connections.settings

    async def keep_up(self) -> NoReturn:
        """Read what AutoGPT's schema has whenever that changes, until cancelled."""
        await self.knowledge.keep_up()

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until the pool is full and the schema read; tell whether it is."""
        if not await self._connections.wait(seconds):
            return False
        await self.knowledge.look()
        return True

    @property
    def able(self) -> bool:
        """Tell whether this process has a connection, and knows what it needs to use it."""
        return self.figures().size > 0 and self.knowledge.capabilities is not None

    async def look(self, patience: float) -> Verdict:
        """Return how the database is to this process; at most one look is under way for all.

        Args:
            patience: Most seconds to wait for it.
        """
        return await self._pulse.look(patience)

    @property
    def faults(self) -> Faults:
        """Return what this process has heard of the database's troubles."""
        return self._connections.faults

    def figures(self) -> PoolFigures:
        """Return the pool's figures."""
        return self._connections.figures()

    def totals(self) -> Counts:
        """Return what the pool has done since its process started."""
        return self._connections.lending.counts

    def met_standby(self, seconds: float) -> bool:
        """Tell whether a connection of the last `seconds` led to a standby, and wasn't used."""
        return time.monotonic() - self._connections.lending.standby_met < seconds

    @property
    def durations(self) -> Durations:
        """Return how long statements took."""
        return self._connections.durations

    def on_written(self, tell: Callable[[], None]) -> None:
        """Let something be called whenever a statement or transaction that may write is through.

        Args:
            tell: It; anything it takes, each write pays.
        """
        self._connections.on_written = tell

    @property
    def heavy_lane(self) -> Lane:
        """Return the lane of the calls that read much."""
        return self._connections.heavy_lane

    def mergers(self) -> list[Merger]:
        """Return what merges calls, one for each kind that has come in."""
        return list(self._connections.mergers.values())
