"""What PostgreSQL's refusals stand for, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from autogpt_db.database import troubles
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError

if TYPE_CHECKING:
    from autogpt_db.database.troubles import Trouble
    from autogpt_db.database.url import DatabaseUrl


class Refusal(NamedTuple):
    """Why a connection is refused.

    Attributes:
        pattern: What libpq's message has in it.
        words: What that means; the subject is the database.
        trouble: What it is that no waiting mends; None where it may pass, or has no name.
        lasts: Whether no waiting mends it.
    """

    pattern: str
    words: str
    trouble: Trouble | None = None
    lasts: bool = False


def _lasting(pattern: str, trouble: Trouble) -> Refusal:
    return Refusal(pattern, trouble.cause, trouble, lasts=True)


ANOTHER: Final = "- "
"""What the line of each further host begins with, where none of several lets us in."""
NO_SLOT: Final = "it has no connection slot left"

_NOBODY_LISTENS: Final = Refusal(
    # The last: at ::1 where a machine has no IPv6, and its file of hosts says otherwise.
    r"[Cc]onnection refused|No such file or directory|Cannot assign requested address",
    "nobody listens there",
)
_PLACE: Final = re.compile(r'server at "[^"]*"(?: \([^)]*\))?, port \d+')
_LOOPBACK: Final = re.compile(r"""[("](::1|127\.[\d.]+)[)"]""")

# libpq gives no SQLSTATE for a connection that was refused, only words, and those may name what a
# malformed URL holds in the wrong place: they are recognised, and never quoted.
REFUSALS: Final = (
    Refusal(r"too many connections for role", NO_SLOT, troubles.ROLE_LIMIT),
    Refusal(r"too many connections for database", NO_SLOT, troubles.DATABASE_LIMIT),
    Refusal(
        r"no more connections allowed|[Mm]ax ?clients|max_client_conn",
        NO_SLOT,
        troubles.POOLER_LIMIT,
    ),
    Refusal(
        r"too many clients|remaining connection slots|too many connections",
        NO_SLOT,
        troubles.SERVER_LIMIT,
    ),
    Refusal(
        r"is starting up|recovery mode|not yet accepting|consistent recovery", "it is starting up"
    ),
    Refusal(r"is shutting down|administrator command", "it is shutting down"),
    Refusal(
        "unsupported startup parameter", "a pooler stands before it", troubles.POOLER_UNNAMED, True
    ),
    _lasting(r"authentication failed|no password supplied", troubles.PASSWORD),
    _lasting(r"no pg_hba.conf entry|pg_hba.conf rejects", troubles.HOST_BASED_ACCESS),
    _lasting(r"role .* does not exist", troubles.NO_ROLE),
    _lasting(r"role .* is not permitted to log in", troubles.NO_LOGIN),
    _lasting(r"permission denied for database", troubles.NO_CONNECT),
    _lasting(r"database .* does not exist", troubles.NO_DATABASE),
    _lasting(r"database .* is not currently accepting", troubles.CLOSED),
    # Where the pooler has a reason of its server's beside it, that was one of those above.
    Refusal(
        r"server login has been failing|cannot connect to server",
        "the pooler cannot log in to its server",
        troubles.POOLER_LOGIN,
    ),
    Refusal(
        r"session is read-only|server is in hot standby|not read-only",
        "none of its hosts takes writes",
    ),
    _NOBODY_LISTENS,
    Refusal(r"timeout expired|[Tt]imed out", "it does not answer in time"),
    Refusal(
        r"could not translate host|[Nn]ame or service not known|resolution",
        "its host name is not known",
    ),
    Refusal(
        r"certificate verify failed|does not match host name|server does not support SSL"
        r"|could not (read|load|access|parse) .*(certificate|private key)",
        "TLS could not be agreed on",
        lasts=True,
    ),
    Refusal(r"invalid .*option", "libpq cannot take what the URL says", lasts=True),
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
    refusal = refusal_of(str(error))
    return _OTHERWISE if refusal is None else refusal.words


def refusal_of(text: str) -> Refusal | None:
    """Return what libpq's words stand for; None when they are none of those known."""
    return next((refusal for refusal in REFUSALS if re.search(refusal.pattern, text)), None)


def refuses(text: str) -> bool:
    """Tell whether libpq's words stand for a server that answers, and refuses us for good."""
    refusal = refusal_of(text)
    return refusal is not None and refusal.lasts


def lasts(error: BaseException) -> bool:
    """Tell whether no waiting helps: each of the hosts, where there are several, refuses for good.

    A name's addresses count as hosts, but for this machine's own: where nobody listens at one of
    those, and somebody at the other under the same port, they are the same server.

    Args:
        error: What `hosts.connect` raised.
    """
    attempts: dict[str, list[str]] = {"": []}
    told = attempts[""]
    for line in str(error).strip().splitlines():
        place = _PLACE.search(line)
        if line.startswith(ANOTHER) or place is not None:
            told = attempts.setdefault(line if place is None else place[0], [])
        told.append(line)
    refusals = {place: refusal_of("\n".join(lines)) for place, lines in attempts.items() if lines}
    ports = {
        _port_of(place) for place, refusal in refusals.items() if refusal is not _NOBODY_LISTENS
    }
    elsewhere = [
        refusal
        for place, refusal in refusals.items()
        if refusal is not _NOBODY_LISTENS
        or not _LOOPBACK.search(place)
        or _port_of(place) not in ports
    ]
    return bool(elsewhere) and all(refusal is not None and refusal.lasts for refusal in elsewhere)


def _port_of(place: str) -> str:
    return place.rpartition(" ")[2]


def remedy_of(refusal: Refusal | None, target: DatabaseUrl) -> str:
    """Return what mends it that a connection is refused; "" where that isn't known.

    Args:
        refusal: Why it is.
        target: What was to be connected to.
    """
    if refusal is None or refusal.trouble is None:
        return ""
    user, database = target.parameters.get("user", ""), target.parameters.get("dbname", "")
    return refusal.trouble.remedied(role=quoted(user), database=quoted(database or user))


def lasting_failure(
    refusal: Refusal | None, reason: str, target: DatabaseUrl, name: str
) -> ConfigurationError | None:
    """Return the failure that a refused connection is for good; None when it may pass.

    Args:
        refusal: Why it is.
        reason: libpq's words, as they may be shown.
        target: What was to be connected to.
        name: What error messages call the database: `database.url`.
    """
    if refusal is None or not refusal.lasts:
        return None
    if refusal.trouble is troubles.POOLER_UNNAMED:
        said = f"{refusal.trouble.caused(address=target.address)} ({reason})"
    else:
        said = f"PostgreSQL at {target.address} refused the connection: {reason}"
    return ConfigurationError(f"{name}: {said}. {remedy_of(refusal, target)}".rstrip())


def unreachable(
    refusal: Refusal | None, reason: str, target: DatabaseUrl, advice: str
) -> DatabaseUnreachableError:
    """Return the failure that a refused connection is which may pass.

    Args:
        refusal: Why it is.
        reason: libpq's words, as they may be shown.
        target: What was to be connected to.
        advice: What to do where the reason says nothing of it.
    """
    if remedy := remedy_of(refusal, target):
        return DatabaseUnreachableError(
            f"PostgreSQL at {target.address} does not let us in: {reason}. {remedy}"
        )
    return DatabaseUnreachableError(
        f"PostgreSQL at {target.address} does not answer ({reason}); {advice}"
    )
