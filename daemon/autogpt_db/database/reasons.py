"""Why a connection failed, in words that can be shown to anybody.

libpq's messages may quote what it was given, so never more than one line of them is shown, and not
that line either where it holds a part of the password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.database.url import DatabaseUrl

SHORTEST_PART = 4
"""Characters of a password in a row that may not be shown."""

# In the order of their use: the first that fits a withheld line stands for it.
_KNOWN = tuple(
    re.compile(pattern)
    for pattern in (
        "password authentication failed",
        "no pg_hba.conf entry",
        "Connection refused",
        "could not translate host name",
        "certificate verify failed",
        "server does not support SSL",
        "timeout expired",
    )
)


def reason_of(error: psycopg.Error, target: DatabaseUrl) -> str:
    """Return why a connection failed, in PostgreSQL's words.

    Args:
        error: What the driver raised.
        target: What was to be connected to; nothing of its secrets is in the answer.
    """
    lines = str(error).strip().splitlines() or ["no reason given"]
    text = lines[-1] if lines[-1].startswith("FATAL") else lines[0]
    reason = re.sub(r"^.*(FATAL:\s+|failed: )", "", text).strip().rstrip(".")
    if not holds_part_of(reason, target.secrets):
        return reason
    for known in _KNOWN:
        if known.search(reason):
            return known.pattern
    return "libpq gives a reason that cannot be shown, since it holds a part of the password"


def holds_part_of(text: str, secrets: tuple[str, ...]) -> bool:
    """Tell whether `text` holds a part of one of `secrets` that is long enough to matter."""
    return any(
        secret[start : start + SHORTEST_PART] in text
        for secret in secrets
        for start in range(max(1, len(secret) - SHORTEST_PART + 1))
        if secret
    )
