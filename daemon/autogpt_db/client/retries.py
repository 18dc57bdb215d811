"""When a call is tried again, and after which pause."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from autogpt_db.client.errors import ClientUsageError

RETRYABLE = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of passing states. A 500 is none: the same call would meet the same fault."""
_MOST_DOUBLINGS = 62
"""More than any pause has use for, and few enough for the result to be a number."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How stubborn a client is.

    Attributes:
        attempts: Most tries of one call, the first included.
        first_pause: Upper bound of the first pause, in seconds; it doubles with each try.
        longest_pause: Upper bound of every pause, in seconds.
        total: Seconds after which nothing is tried again.

    Raises:
        ClientUsageError: There would be no attempt, or a pause or the total is no time.
    """

    attempts: int = 12
    first_pause: float = 0.1
    longest_pause: float = 10.0
    total: float = 120.0

    def __post_init__(self) -> None:
        """Look whether calls can be made so."""
        if not self.attempts >= 1:
            raise ClientUsageError(f"retries: attempts={self.attempts!r}: 1 is the first and least")
        for name in ("first_pause", "longest_pause", "total"):
            seconds = getattr(self, name)
            if not seconds >= 0:
                raise ClientUsageError(f"retries: {name}={seconds!r} is no number of seconds")


class Attempts:
    """The tries of one call.

    Args:
        retries: How many, and for how long.
    """

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._started = time.monotonic()
        self._made = 0

    def pause(self, retry_after: str | None = None) -> float | None:
        """Return the seconds to wait before the next try, or None when there is none.

        The pause is random between nothing and a bound that doubles (full jitter), so that clients
        that failed together don't come back together. What the service asks for comes before it.

        Args:
            retry_after: The reply's header.
        """
        retries = self._retries
        self._made += 1
        if self._made >= retries.attempts:
            return None
        doublings = min(self._made - 1, _MOST_DOUBLINGS)
        bound = min(retries.longest_pause, retries.first_pause * 2**doublings)
        pause = _seconds(retry_after) + random.uniform(0, bound)  # noqa: S311 - no secret
        if time.monotonic() - self._started + pause > retries.total:
            return None
        return pause


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header asks for: seconds, or until a date."""
    if not retry_after:
        return 0.0
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
