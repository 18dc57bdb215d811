"""How long the event loop was held: while one request computes, all others wait.

Something ticks on the loop. A tick that is late by so many milliseconds says that for so long
nothing else was served; as far as this process computed meanwhile, in whatever thread, that is its
own fault and not that of a busy machine.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NoReturn

from autogpt_db.metrics import families

if TYPE_CHECKING:
    from autogpt_db.metrics import Store

TICK = 0.02
"""Seconds between two ticks: what holds the loop for less than that isn't always seen."""
WINDOW = 60.0
"""Seconds that the longest hold is shown for, at least; two scrapes' time."""


class LoopWatch:
    """Measures the holds of this process's loop.

    Attributes:
        longest: Seconds of the longest one within the last `WINDOW` or two.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before = self._current = 0.0
        self._since = time.monotonic()
        store.set(families.LOOP_LONGEST, 0.0)

    @property
    def longest(self) -> float:
        """Return the longest hold of the last minute or two, in seconds."""
        return max(self._before, self._current)

    async def watch_forever(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            computed = time.process_time()
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self._note(now, max(0.0, min(now - due, time.process_time() - computed)))

    def _note(self, now: float, hold: float) -> None:
        self._store.observe(families.LOOP_HOLDS, hold)
        if now - self._since > WINDOW:
            self._since, self._before, self._current = now, self._current, 0.0
        self._current = max(self._current, hold)
        self._store.set(families.LOOP_LONGEST, self.longest)
