"""What PostgreSQL's refusals stand for, in words."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """Why a connection is refused.

    Attributes:
        pattern: What libpq's message has in it.
        words: What that means; the subject is the database.
    """

    pattern: str
    words: str


# libpq gives no SQLSTATE for a connection that was refused, only words, and those may name what a
# malformed URL holds in the wrong place: they are recognised, and never quoted.
REFUSALS: Final = (
    Refusal(
        r"too many clients|remaining connection slots|too many connections",
        "it has no connection slot left",
    ),
    Refusal(
        r"is starting up|recovery mode|not yet accepting|consistent recovery", "it is starting up"
    ),
    Refusal(r"is shutting down|administrator command", "it is shutting down"),
    Refusal(r"authentication failed|no password supplied", "it refuses the password"),
    Refusal(r"no pg_hba.conf entry|pg_hba.conf rejects", "its pg_hba.conf refuses us"),
    Refusal(r"role .* does not exist", "the role does not exist there"),
    Refusal(r"role .* is not permitted to log in", "the role may not log in there"),
    Refusal(r"permission denied for database", "the role lacks CONNECT there"),
    Refusal(
        r"database .* (does not exist|is not currently accepting)",
        "the database does not exist there, or takes no connections",
    ),
    Refusal(
        r"session is read-only|server is in hot standby|not read-only",
        "none of its hosts takes writes",
    ),
    Refusal(r"[Cc]onnection refused|No such file or directory", "nobody listens there"),
    Refusal(r"timeout expired|[Tt]imed out", "it does not answer in time"),
    Refusal(
        r"could not translate host|[Nn]ame or service not known|resolution",
        "its host name is not known",
    ),
    Refusal(r"SSL|certificate", "TLS could not be agreed on"),
    Refusal(r"closed the connection|[Cc]onnection reset", "it closed the connection"),
    Refusal(r"[Nn]etwork is unreachable|[Nn]o route to host", "no network leads there"),
)
_OTHERWISE: Final = "the attempt failed"


def why_refused(error: BaseException) -> str:
    """Say in our words why a connection could not be opened.

    Args:
        error: What psycopg's `connect` raised.
    """
    text = str(error)
    return next(
        (refusal.words for refusal in REFUSALS if re.search(refusal.pattern, text)), _OTHERWISE
    )
