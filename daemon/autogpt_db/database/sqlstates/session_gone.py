"""Why a session of PostgreSQL's has ended, or none begins."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.sqlstates.declaration import Cause
from autogpt_db.errors import (
    DatabaseUnavailableError,
)

SESSION_GONE: Final = (
    Cause(
        "connection_lost",
        ("08",),
        "The database connection was lost",
        DatabaseUnavailableError,
        retry_after=1.0,
        ends_session=True,
    ),
    Cause(
        "terminated",
        ("57", "57P01"),
        "The database ended the connection, for a restart or at an administrator's command",
        DatabaseUnavailableError,
        retry_after=1.0,
        ends_session=True,
    ),
    Cause(
        "crashed",
        ("57P02",),
        "The database server has crashed and is recovering",
        DatabaseUnavailableError,
        retry_after=2.0,
        remedy="Look at PostgreSQL's log for what made it crash.",
        ends_session=True,
    ),
    Cause(
        "starting",
        ("57P03",),
        "The database server is starting up or shutting down",
        DatabaseUnavailableError,
        retry_after=2.0,
        ends_session=True,
    ),
    Cause(
        "database_dropped",
        ("57P04",),
        "The database has been dropped",
        DatabaseUnavailableError,
        retry_after=10.0,
        remedy="Restore the database, or correct DATABASE_URL.",
        ends_session=True,
    ),
    Cause(
        "session_timeout",
        ("57P05", "25P03", "25P04"),
        "A time limit of the database for idle sessions or long transactions ended the connection",
        DatabaseUnavailableError,
        retry_after=1.0,
        remedy="Look for idle_session_timeout, idle_in_transaction_session_timeout or "
        "transaction_timeout, set on the server, the database or the role.",
        ends_session=True,
    ),
    Cause(
        "login_refused",
        ("28",),
        "The database refuses the service's role or password",
        DatabaseUnavailableError,
        retry_after=10.0,
        remedy="Correct DATABASE_URL, the role, its password or pg_hba.conf.",
        ends_session=True,
    ),
    Cause(
        "database_missing",
        ("3D",),
        "The database does not exist",
        DatabaseUnavailableError,
        retry_after=10.0,
        remedy="Create the database, or correct DATABASE_URL.",
        ends_session=True,
    ),
)
