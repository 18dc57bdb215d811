"""The border where psycopg's exceptions become ours, once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from autogpt_db.errors import (
    CallError,
    DatabaseUnavailableError,
    DeadlineExceededError,
    ForeignKeyViolationError,
    GraphNotAccessibleError,
    GraphNotInLibraryError,
    InvalidValueError,
    LockedError,
    OutcomeUnknownError,
    RecordNotFoundError,
    SchemaObjectMissingError,
    StatementCollidedError,
    UniqueViolationError,
    ValidationFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# SQLSTATEs that our own SQL functions raise (migrations/*.sql).
_OURS: dict[str, Callable[[str], CallError]] = {
    "AG400": ValidationFailedError,
    "AG404": RecordNotFoundError,
    "AG403": GraphNotAccessibleError,
    "AG409": GraphNotInLibraryError,
}

# SQLSTATEs after which nothing was written and the same statement may simply be sent again:
# serialization failure, deadlock, a plan whose result type changed, a demoted primary.
REPEATABLE = frozenset({"40001", "40P01", "0A000", "25006"})

# Undefined table, undefined object (pgvector's type), a materialized view without data: some
# methods' tables are optional (schema.OPTIONAL).
_MISSING = frozenset({"42P01", "42704", "55000"})

# Classes and codes that say "not now": operator intervention, insufficient resources, connection.
_PASSING = ("08", "53", "57P")

_KEY_FIELDS = re.compile(r"^Key \((?P<fields>[^)]*)\)")


def connection_lost(error: BaseException) -> bool:
    """Tell whether `error` means that the connection is gone, not that the statement failed."""
    if isinstance(error, psycopg.InternalError) and error.sqlstate is None:
        # The driver's own: an answer too many or too few. PgBouncer says the server's farewell and
        # then its own, so that a single command gets both.
        return True
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def translate(error: BaseException, *, reads: bool) -> CallError | None:
    """Return the call's failure that a driver error stands for, or None when it is a bug of ours.

    Args:
        error: What psycopg raised.
        reads: True when the statement only reads, so that a lost connection leaves nothing
            unknown.
    """
    if not isinstance(error, psycopg.Error):
        return None
    failure: CallError | None
    state = error.sqlstate or ""
    if isinstance(error, psycopg.DataError) and not state:
        # The driver itself refused an argument: U+0000, a number out of range.
        failure = InvalidValueError(f"A value of this call cannot be stored: {error}.")
    elif connection_lost(error):
        failure = _lost(error, reads=reads)
    elif state in _OURS:
        failure = _OURS[state](error.diag.message_primary or "")
    else:
        failure = _by_state(error, state)
    return failure


def _lost(error: psycopg.Error, *, reads: bool) -> CallError:
    # Refused by the server in words before it did anything (starting up, too many connections):
    # known not to have been written. Without words, or with a termination, nobody knows.
    refused = (error.sqlstate or "").startswith(("53", "57P03"))
    if reads or refused:
        return DatabaseUnavailableError(
            "The database connection was lost; try again shortly.", retry_after=1.0
        )
    return OutcomeUnknownError(
        "The database connection was lost while a write was under way: it may or may not have "
        "been applied."
    )


def _by_state(error: psycopg.Error, state: str) -> CallError | None:
    failure: CallError | None = None
    match state:
        case "23503":
            failure = ForeignKeyViolationError(error.diag.constraint_name or "unknown")
        case "23505":
            found = _KEY_FIELDS.match(error.diag.message_detail or "")
            names = found["fields"].replace('"', "").split(", ") if found else ["unknown"]
            failure = UniqueViolationError(",".join(f"`{name}`" for name in names))
        case "57014":
            failure = DeadlineExceededError(
                "PostgreSQL's statement timeout passed; nothing was written."
            )
        case "55P03":
            failure = LockedError(
                "Another transaction holds a row or table that this call needs, for longer than "
                "database.lock_timeout; nothing was written. Try again shortly."
            )
        case _ if state in _MISSING:
            failure = SchemaObjectMissingError(
                f"The database lacks what this method needs: {error.diag.message_primary}. Run "
                "AutoGPT's own migrations (pgvector must be installed)."
            )
        case _ if state in REPEATABLE:
            failure = StatementCollidedError("The statement collided with another one; try again.")
        case _ if state[:2] in {"22", "23", "54"}:
            failure = InvalidValueError(
                f"PostgreSQL refused a value of this call: {error.diag.message_primary}."
            )
    return failure
