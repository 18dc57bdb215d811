"""A service that fails is left alone for a while, so that nobody waits for it again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.backoff import Backoff


class CircuitBreaker:
    """What is known of a service's failures.

    Args:
        pauses: Seconds in which nobody asks it, by failures in a row.
    """

    def __init__(self, pauses: Backoff) -> None:
        self._pauses = pauses
        self._failures = 0
        self._open_until = 0.0

    @property
    def open(self) -> bool:
        """Tell whether it failed just now: then it is not asked."""
        return time.monotonic() < self._open_until

    def failed(self) -> float | None:
        """Take note of a failure.

        Returns:
            Seconds for which it is left alone now; None where that was known already, as to those
            who asked together.
        """
        if self.open:
            return None
        self._failures += 1
        pause = self._pauses.pause(self._failures)
        self._open_until = time.monotonic() + pause
        return pause

    def answered(self) -> None:
        """Take note that it has answered."""
        self._failures = 0
