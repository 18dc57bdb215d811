"""The border where psycopg's exceptions become ours, once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from autogpt_db.database.sqlstates import OURS_MISSING, cause_of, cause_of_failed
from autogpt_db.errors import (
    CallError,
    DatabaseUnavailableError,
    ForeignKeyViolationError,
    GraphNotAccessibleError,
    GraphNotInLibraryError,
    InvalidValueError,
    OutcomeUnknownError,
    RecordNotFoundError,
    SchemaObjectMissingError,
    ServiceUnavailableError,
    StatementCollidedError,
    UniqueViolationError,
    ValidationFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.sqlstates import Cause

# SQLSTATEs that our own SQL functions raise (migrations/*.sql).
_OURS: dict[str, Callable[[str], CallError]] = {
    "AG400": ValidationFailedError,
    "AG404": RecordNotFoundError,
    "AG403": GraphNotAccessibleError,
    "AG409": GraphNotInLibraryError,
}

# SQLSTATEs after which nothing was written and the same statement may simply be sent again:
# serialization failure, deadlock, a plan whose result type changed.
REPEATABLE = frozenset({"40001", "40P01", "0A000"})

# Undefined table, undefined object (pgvector's type), a materialized view without data: some
# methods do without some tables (`spares=` of an operation).
_MISSING = frozenset({"42P01", "42704", "55000"})
# What of it comes with the extension.
_OF_VECTOR = re.compile("vector|UnifiedContentEmbedding")

# What the server says before it has done anything: no slot left, starting up, who are you, no such
# database. So nothing can have been written.
_BEFORE_ANYTHING = ("53300", "57P03", "28", "3D")

_ENDING = frozenset({"FATAL", "PANIC"})
# The same in every language that a server may speak: Key (id)=(x) already exists.
_KEY_FIELDS = re.compile(r"\((?P<fields>.*?)\)=\(")


def connection_lost(error: BaseException) -> bool:
    """Tell whether `error` means that the connection is gone, not that the statement failed."""
    if isinstance(error, psycopg.InternalError) and error.sqlstate is None:
        # The driver's own: an answer too many or too few. PgBouncer says the server's farewell and
        # then its own, so that a single command gets both.
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return cause_of(error.sqlstate).ends_session or error.diag.severity_nonlocalized in _ENDING


class StandbyMetError(psycopg.errors.ReadOnlySqlTransaction):
    """A server that refused a write because it is a standby: its connection is of no use."""


def translate(error: BaseException, *, reads: bool, statement: str = "") -> CallError | None:
    """Return the call's failure that a driver error stands for, or None when it is a bug of ours.

    Args:
        error: What psycopg raised.
        reads: True when the statement only reads, so that a lost connection leaves nothing
            unknown.
        statement: What failed, with `platform` for AutoGPT's schema.
    """
    if not isinstance(error, psycopg.Error):
        return None
    failure: CallError | None
    state = error.sqlstate or ""
    if isinstance(error, psycopg.DataError) and not state:
        # The driver itself refused an argument: U+0000, a number out of range.
        failure = InvalidValueError(f"A value of this call cannot be stored: {error}.")
    elif isinstance(error, StandbyMetError):
        failure = StatementCollidedError(
            "The database server has become a standby; nothing was written. Try again shortly."
        )
    elif connection_lost(error):
        failure = _lost(error, reads=reads)
    elif state in _OURS:
        failure = _OURS[state](error.diag.message_primary or "")
    else:
        failure = _by_state(error, state, cause_of_failed(state, statement))
    return failure


def _lost(error: psycopg.Error, *, reads: bool) -> CallError:
    state = error.sqlstate or "08000"
    cause = cause_of(state)
    # An error of another class may end the session, too, as a lack of memory does.
    after = cause.retry_after or 1.0
    if reads or state.startswith(_BEFORE_ANYTHING):
        return DatabaseUnavailableError(f"{cause.matter}; try again shortly.", retry_after=after)
    return OutcomeUnknownError(
        f"{cause.matter} while a write was under way: it may or may not have been applied.",
        retry_after=after,
    )


def _by_state(error: psycopg.Error, state: str, cause: Cause) -> CallError | None:
    failure: CallError | None = None
    match state:
        case "23503":
            failure = ForeignKeyViolationError(error.diag.constraint_name or "unknown")
        case "23505":
            found = _KEY_FIELDS.search(error.diag.message_detail or "")
            names = found["fields"].replace('"', "").split(", ") if found else ["unknown"]
            failure = UniqueViolationError(",".join(f"`{name}`" for name in names))
        case _ if state in _MISSING and cause is not OURS_MISSING:
            said = error.diag.message_primary or ""
            extension = " (pgvector must be installed)" if _OF_VECTOR.search(said) else ""
            failure = SchemaObjectMissingError(
                f"The database lacks what this method needs: {said}. Run AutoGPT's own "
                f"migrations{extension}."
            )
        case _:
            failure = _by_cause(error, cause)
    return failure


def _by_cause(error: psycopg.Error, cause: Cause) -> CallError | None:
    """Return a failure in the words of the table."""
    kind, said = cause.failure, error.diag.message_primary
    if kind is None:
        return None
    if issubclass(kind, ServiceUnavailableError):
        return kind(cause.told(), retry_after=cause.retry_after or 1.0)
    if kind is InvalidValueError:
        return kind(f"{cause.matter}: {said}.")
    return kind(cause.told().replace(";", f" ({said});", 1))
