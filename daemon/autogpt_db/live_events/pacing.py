"""When to look at the log: soon after somebody has written, and seldom while nobody does.

No NOTIFY: PostgreSQL lets transactions that notify commit one after another. Who writes on this
host says so in memory that is shared (`Writes`), after the commit. Of other hosts' events a slow
look knows, and quick ones do once there were some.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.live_events.reading import Page

PACE = 0.25
"""Seconds between two looks at least: what came meanwhile goes out together."""
SLOWEST = 1.0
"""The same at most, with many readers: each send costs, however small."""
MANY = 100
"""Readers for whom the pause is twice as long."""
TICK = 0.1
"""Seconds between two glances at whether anybody has written: each costs, however little."""
SLOW_PACE = 1.0
"""Seconds between two looks at most, while nobody on this host writes: another host may have."""
ELSEWHERE = 30.0
"""Seconds for which looks are quick, once an event has come that nobody here has told of."""


class Writes(Protocol):
    """What those who write on this host say of it."""

    def total(self) -> float:
        """Return how often they have written."""

    def look(self) -> None:
        """Find those that are new."""


class Pacing:
    """The pauses between looks.

    Args:
        writes: Tells whether anybody on this host has written; None: nobody knows, and looks are
            quick.
    """

    def __init__(self, writes: Writes | None) -> None:
        self._writes = writes
        self._began = 0.0
        self._told = self._told_before = 0.0
        self._under_way = self._was_under_way = False
        self._quick_until = 0.0
        self._in_vain = False

    def begin(self) -> None:
        """Take note that a look begins."""
        self._began = time.monotonic()
        self._told_before, self._told = self._told, self._total()

    def note(self, page: Page) -> None:
        """Take note of what it has found."""
        self._was_under_way, self._under_way = self._under_way, page.waits
        self._in_vain = self._in_vain and not page.events
        untold = self._total() == self._told_before and not self._was_under_way
        if page.events and untold:
            self._quick_until = time.monotonic() + ELSEWHERE

    async def pause(self, readers: int, waiting: Callable[[], bool]) -> None:
        """Wait until there may be something to see.

        Args:
            readers: How many follow.
            waiting: Whether the one that looks has to wait: not for one who has only just come.
        """
        if not self._in_vain:  # after a slow look that found nothing, the next one may be soon
            pace = min(SLOWEST, PACE * (1 + readers / MANY))
            await asyncio.sleep(max(0.0, self._began + pace - time.monotonic()))
        self._in_vain = False
        if self._writes is None:
            return
        while waiting() and not self._under_way and self._writes.total() == self._told:
            now = time.monotonic()
            if now < self._quick_until:
                return
            if now >= self._began + SLOW_PACE:
                self._writes.look()
                self._in_vain = True  # unless it finds something
                return
            await asyncio.sleep(TICK)

    def _total(self) -> float:
        return self._writes.total() if self._writes is not None else 0.0
