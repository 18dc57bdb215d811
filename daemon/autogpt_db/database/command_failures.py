"""What became of a command whose statement failed, in words for the person who has started it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.failures import connection_lost
from autogpt_db.database.sqlstates import cause_of
from autogpt_db.errors import DatabaseUnreachableError, SchemaError

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.errors import AutogptDbError

# Undefined schema, table, function, type, column.
_MISSING = frozenset({"3F000", "42P01", "42883", "42704", "42703"})
_NO_RIGHT = "42501"


def command_failure(error: psycopg.Error) -> AutogptDbError | None:
    """Return the failure that a driver's error stands for; None where it is a bug of ours.

    Args:
        error: What a command's statement raised.
    """
    if connection_lost(error):
        return DatabaseUnreachableError(
            "The connection to PostgreSQL was lost while the command ran; what was under way may "
            "or may not have been done. Start the command again once PostgreSQL answers "
            "(`autogpt-db doctor` says whether it does)."
        )
    said = error.diag.message_primary or "it says nothing more"
    if error.sqlstate == _NO_RIGHT:
        return SchemaError(
            f"PostgreSQL refuses our role what the command needs: {said}. `autogpt-db doctor` "
            "names the GRANT that mends it."
        )
    if error.sqlstate in _MISSING:
        return SchemaError(
            f"The database lacks what the command needs: {said}. `autogpt-db migrate` makes what "
            "is ours, AutoGPT's own migrations the rest; `autogpt-db doctor` says what is missing."
        )
    cause = cause_of(error.sqlstate or "")
    if cause.failure is None:
        return None
    return DatabaseUnreachableError(
        f"PostgreSQL did not do what the command needs: {said}. {cause.matter}. "
        f"{cause.remedy or 'Start the command again.'}"
    )
