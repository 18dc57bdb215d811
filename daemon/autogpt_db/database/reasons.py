"""Why a connection failed, in words that can be shown to anybody.

libpq's messages may quote what it was given, so never more than one line of them is shown, and not
that line either where it holds a part of the password.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from autogpt_db.database.causes import ANOTHER, refusal_of, refuses

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.database.url import DatabaseUrl

SHORTEST_PART = 4
"""Characters of a password in a row that may not be shown."""


def raw_reason(error: BaseException) -> str:
    """Return why a connection failed, in a line of libpq's that nobody may be shown.

    Args:
        error: What the driver raised.
    """
    lines = str(error).strip().splitlines() or ["no reason given"]
    text = lines[-1] if lines[-1].startswith("FATAL") else _telling(lines)
    return re.sub(r"^.*(FATAL:\s+|failed: )", "", text).strip().rstrip(".")


def _telling(lines: list[str]) -> str:
    # A name like localhost has several addresses, each with a line: who answers there and refuses
    # us for good says more than that nobody listens at the first.
    own = takewhile(lambda line: not line.startswith(ANOTHER), lines)
    return next((line for line in own if refuses(line)), lines[0])


def reason_of(error: psycopg.Error, target: DatabaseUrl) -> str:
    """Return why a connection failed, in PostgreSQL's words.

    Args:
        error: What the driver raised.
        target: What was to be connected to; nothing of its secrets is in the answer.
    """
    reason = raw_reason(error)
    if not holds_part_of(reason, target.secrets):
        return reason
    if (refusal := refusal_of(reason)) is not None:
        return refusal.words
    return "libpq gives a reason that cannot be shown, since it holds a part of the password"


def holds_part_of(text: str, secrets: tuple[str, ...]) -> bool:
    """Tell whether `text` holds a part of one of `secrets` that is long enough to matter."""
    return any(
        secret[start : start + SHORTEST_PART] in text
        for secret in secrets
        for start in range(max(1, len(secret) - SHORTEST_PART + 1))
        if secret
    )
