"""Links that work once: each holds a ticket, which a browser trades for a session."""

from __future__ import annotations

import hashlib
import secrets
import time

MOST = 32
"""Tickets that may be out at once; one more voids the oldest."""
LIFETIME = 300.0
"""Seconds for which a ticket is good."""


class Tickets:
    """The tickets that were issued and not yet taken; only their digests are kept."""

    def __init__(self) -> None:
        self._ends: dict[bytes, float] = {}  # the oldest first

    def issue(self) -> str:
        """Return a new ticket."""
        while len(self._ends) >= MOST:
            del self._ends[next(iter(self._ends))]
        ticket = secrets.token_urlsafe(24)
        self._ends[_digest(ticket)] = time.monotonic() + LIFETIME
        return ticket

    def void_all(self) -> None:
        """Let none that is out be good any more."""
        self._ends.clear()

    def take(self, ticket: str) -> bool:
        """Tell whether a ticket is good; it is good once."""
        ends = self._ends.pop(_digest(ticket), None)
        return ends is not None and ends > time.monotonic()


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).digest()
