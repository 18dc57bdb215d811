"""What every route of the admin listener is given."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autogpt_db.admin.brake import Brake
from autogpt_db.admin.history import History
from autogpt_db.admin.sessions import Sessions
from autogpt_db.admin.streams import OpenStreams
from autogpt_db.admin.tickets import Tickets
from autogpt_db.live_events.following import Following, read
from autogpt_db.live_events.readers import WAITING
from autogpt_db.logs.events import admin as log
from autogpt_db.metrics.families import (
    EVENTS_READ,
    LIVE_EVENT_WRITES,
    READERS,
    READERS_DROPPED,
)
from autogpt_db.metrics.watching import Watched

if TYPE_CHECKING:
    import asyncio

    from autogpt_db.admin.tokens import TokensInEffect
    from autogpt_db.database.pool import Call, Pool
    from autogpt_db.database.pool.scraping import Scraping
    from autogpt_db.live_events.reading import Page, Position, Selection
    from autogpt_db.metrics import Store
    from autogpt_db.settings import Settings

PATIENCE = 5.0
"""Seconds that a statement of the admin listener may take, waiting for its connection included."""


@dataclass(frozen=True, slots=True)
class AdminState:
    """What the process has, from its start to its stop.

    Attributes:
        settings: The effective settings.
        pool: Its own few connections to the database.
        store: Its own figures.
        scraping: The figures of all processes, and of PostgreSQL.
        tokens: What programs, and the command that makes links, prove themselves by.
        stopping: Set once the process was asked to stop: whatever streams ends then.
        sessions: The browsers that are let in.
        tickets: The links that were printed and not yet used.
        brake: Slows those who try tokens.
        history: Calls, durations and errors of the last hour.
        streams: Those that are open.
        following: Follows live events, for all who do.
    """

    settings: Settings
    pool: Pool
    store: Store
    scraping: Scraping
    tokens: TokensInEffect
    stopping: asyncio.Event
    sessions: Sessions = field(default_factory=Sessions)
    tickets: Tickets = field(default_factory=Tickets)
    brake: Brake = field(default_factory=Brake)
    history: History = field(default_factory=History)
    streams: OpenStreams = field(default_factory=OpenStreams)
    following: Following = field(init=False)

    def __post_init__(self) -> None:
        """Make what has to know the others."""
        object.__setattr__(self, "following", self._following())
        self.tokens.on_revoked = self._let_nobody_stay

    def _let_nobody_stay(self) -> None:
        """End what the revoked token has let in; the streams of those end with them."""
        self.sessions.close_all()
        self.tickets.void_all()

    def _following(self) -> Following:
        def counted(readers: int) -> None:
            self.store.set(READERS, readers)

        def let_go() -> None:
            self.store.add(READERS_DROPPED, 1)
            log.live_event_reader_dropped(waiting=WAITING)

        async def looked(selection: Selection, after: Position | None, limit: int) -> Page:
            page = await read(self.call("live_events"), selection, after, limit)
            self.store.add(EVENTS_READ, len(page.events))
            return page

        writes = None
        if self.settings.events.enabled:
            writes = Watched(self.settings.paths.runtime, LIVE_EVENT_WRITES)
        return Following(looked, counted=counted, let_go=let_go, writes=writes)

    def call(self, name: str, *, reads: bool = True, patience: float = PATIENCE) -> Call:
        """Return what one look at the database goes through.

        Args:
            name: Of the look, for figures and logs.
            reads: Whether its statements only read.
            patience: Seconds after which nobody waits for it.
        """
        return self.pool.call(name, reads=reads, deadline=time.monotonic() + patience)
