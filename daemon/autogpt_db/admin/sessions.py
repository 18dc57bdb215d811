"""The browsers that are let in: in memory, so that a restart of the listener ends them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import NamedTuple

MOST = 64
"""Sessions that there are at once; one more ends the oldest."""
LIFETIME = 12 * 3600.0
"""Seconds after which a browser needs another link."""
COOKIE = "autogpt_db_admin"


class Session(NamedTuple):
    """A browser that was let in.

    Attributes:
        csrf: What its pages send along with every action, and no other site's page knows.
        ends: `time.monotonic()` moment.
        key: By which it is found: the cookie's digest.
    """

    csrf: str
    ends: float
    key: bytes

    def proves(self, given: str | None) -> bool:
        """Tell whether an action comes from one of the session's own pages."""
        return given is not None and hmac.compare_digest(given.encode(), self.csrf.encode())


class Sessions:
    """The sessions; only digests of their cookies are kept."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}  # the oldest first

    def open(self) -> str:
        """Begin a session, and return its cookie's value."""
        now = time.monotonic()
        ended = [key for key, session in self._sessions.items() if session.ends <= now]
        for key in ended:
            del self._sessions[key]
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        value = secrets.token_urlsafe(32)
        key = _digest(value)
        self._sessions[key] = Session(secrets.token_urlsafe(32), now + LIFETIME, key)
        return value

    def find(self, value: str) -> Session | None:
        """Return the session of a cookie's value, unless it has ended."""
        session = self._sessions.get(_digest(value))
        return session if session is not None and session.ends > time.monotonic() else None

    def close(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)

    def close_all(self) -> None:
        """End every session."""
        self._sessions.clear()

    def __len__(self) -> int:
        return len(self._sessions)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
