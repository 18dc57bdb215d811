"""Slows those who try tokens: each failed try waits, longer the more there were of late.

What is right is never slowed, so that nobody can lock an operator out by failing.
"""

from __future__ import annotations

import asyncio
import time

from autogpt_db.admin.problems import ProblemError

FIRST = 0.1
"""Seconds that a single failed try waits."""
LONGEST = 2.0
"""Seconds that one waits at most."""
FORGOTTEN = 60.0
"""Seconds after which failed tries count no more, if no other follows."""
MOST_WAITING = 16
"""Failed tries that may wait at once; one more gets 429 at once."""


class Brake:
    """Counts failed tries of late."""

    def __init__(self) -> None:
        self._failures = 0
        self._last = 0.0
        self._waiting = 0

    @property
    def pause(self) -> float:
        """Return the seconds that the next failed try will wait."""
        recent = self._failures if time.monotonic() - self._last < FORGOTTEN else 0
        return min(LONGEST, FIRST * (1 << min(recent, 16)))

    async def failed(self) -> None:
        """Wait, after a failed try.

        Raises:
            ProblemError: 429, where too many wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise ProblemError(
                429,
                "Too many tries",
                "Too many have sent a wrong token of late. What is right is never refused.",
                headers={"Retry-After": str(int(LONGEST))},
            )
        pause = self.pause
        if time.monotonic() - self._last >= FORGOTTEN:
            self._failures = 0
        self._failures += 1
        self._last = time.monotonic()
        self._waiting += 1
        try:
            await asyncio.sleep(pause)
        finally:
            self._waiting -= 1
