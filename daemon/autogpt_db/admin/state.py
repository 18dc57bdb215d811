"""What every route of the admin listener is given."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autogpt_db.admin.brake import Brake
from autogpt_db.admin.history import History
from autogpt_db.admin.sessions import Sessions
from autogpt_db.admin.tickets import Tickets

if TYPE_CHECKING:
    import asyncio

    from autogpt_db.admin.tokens import Tokens
    from autogpt_db.database.pool import Call, Pool
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
        tokens: What programs, and the command that makes links, prove themselves by.
        stopping: Set once the process was asked to stop: whatever streams ends then.
        sessions: The browsers that are let in.
        tickets: The links that were printed and not yet used.
        brake: Slows those who try tokens.
        history: Calls, durations and errors of the last hour.
    """

    settings: Settings
    pool: Pool
    store: Store
    tokens: Tokens
    stopping: asyncio.Event
    sessions: Sessions = field(default_factory=Sessions)
    tickets: Tickets = field(default_factory=Tickets)
    brake: Brake = field(default_factory=Brake)
    history: History = field(default_factory=History)

    def call(self, name: str, *, reads: bool = True, patience: float = PATIENCE) -> Call:
        """Return what one look at the database goes through.

        Args:
            name: Of the look, for figures and logs.
            reads: Whether its statements only read.
            patience: Seconds after which nobody waits for it.
        """
        return self.pool.call(name, reads=reads, deadline=time.monotonic() + patience)
