"""What each SQLSTATE of PostgreSQL's stands for: what is the matter, and what is made of it.

The one table of it: replies, the log, metrics and the documentation all take their words from here.
A code's own entry comes before its class's. PostgreSQL's appendix A lists the codes.

One table, and so one module however long it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from autogpt_db.errors import (
    CallError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    DeadlineExceededError,
    InvalidValueError,
    LockedError,
    RightMissingError,
    StatementCollidedError,
    WritesRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_ONLY: Final = "25006"
_CLASS = 2


class Cause(NamedTuple):
    """Why PostgreSQL refused something.

    Attributes:
        name: For logs and metrics.
        states: The codes, and the classes (two characters) whose other codes it stands for.
        matter: What is the matter, in a clause that begins a sentence.
        failure: What the caller gets; None for a bug of ours, whose caller hears only that.
        retry_after: Seconds after which a repeat may be worth while; None where none helps.
        remedy: What an operator does about it; empty where nobody has to.
        stops_writes: Whether no write can succeed until it has passed.
        ends_session: Whether the connection is gone with it, so that the outcome of a write that
            was under way isn't known.
    """

    name: str
    states: tuple[str, ...]
    matter: str
    failure: type[CallError] | None
    retry_after: float | None = None
    remedy: str = ""
    stops_writes: bool = False
    ends_session: bool = False

    def told(self) -> str:
        """Return what a caller is told whose statement was refused."""
        advice = " Try again shortly." if self.retry_after is not None else ""
        if self.retry_after is None and self.remedy:
            advice = f" {self.remedy}"
        return f"{self.matter}; nothing was written.{advice}"


OURS_MISSING: Final = Cause(
    "ours_missing",
    (),
    "What is the service's own in the database (the schema autogpt_db) is incomplete",
    DatabaseUnavailableError,
    retry_after=5.0,
    remedy="`autogpt-db migrate` makes it anew.",
)
"""Of no code: the same ones, where a statement is about AutoGPT's tables, say something else."""

CAUSES: Final = (
    # Not now ---------------------------------------------------------------------------------
    Cause(
        "collision",
        ("40",),
        "The statement collided with another one",
        StatementCollidedError,
        retry_after=1.0,
    ),
    Cause(
        "plan_changed",
        ("0A000",),
        "A table's definition has changed under the statement",
        StatementCollidedError,
        retry_after=1.0,
    ),
    Cause(
        "lock_timeout",
        ("55P03",),
        "Another transaction holds a row or table that this call needs, for longer than "
        "database.lock_timeout",
        LockedError,
        retry_after=1.0,
    ),
    Cause(
        "object_in_use",
        ("55", "55006"),
        "A database object that this call needs is in use or not in the state for it",
        DatabaseUnavailableError,
        retry_after=2.0,
    ),
    Cause(
        "cancelled",
        ("57014",),
        "PostgreSQL cancelled the statement: its statement timeout passed, or an administrator "
        "cancelled it",
        DeadlineExceededError,
        retry_after=1.0,
    ),
    Cause(
        "read_only",
        (READ_ONLY,),
        "The database takes no writes: it has been set to read-only",
        WritesRefusedError,
        retry_after=5.0,
        remedy="Find out why default_transaction_read_only is on (managed services switch it on "
        "when a disk fills), and switch it off: `autogpt-db doctor` names the statement. Nothing "
        "has to be restarted here.",
        stops_writes=True,
    ),
    Cause(
        "disk_full",
        ("53100",),
        "The database takes no writes: its server's disk is full",
        WritesRefusedError,
        retry_after=5.0,
        remedy="Make room on the database server's disk; nothing has to be restarted here.",
        stops_writes=True,
    ),
    Cause(
        "out_of_memory",
        ("53200",),
        "The database server is out of memory",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Give the database server more memory, or lower work_mem or its connections.",
    ),
    Cause(
        "too_many_connections",
        ("53300",),
        "The database has no connection slot left",
        DatabaseUnavailableError,
        retry_after=2.0,
        remedy="Raise max_connections (or the role's or database's CONNECTION LIMIT), or lower "
        "database.connection_limit.",
    ),
    Cause(
        "limit_reached",
        ("53400",),
        "A limit that is configured in the database has been reached",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log for the limit (temp_file_limit and the like), and raise "
        "it.",
    ),
    Cause(
        "resources",
        ("53",),
        "The database server lacks resources",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log for what it lacks.",
    ),
    Cause(
        "system_error",
        ("58",),
        "The database server's operating system or disk failed it",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log and the server's disks.",
    ),
    Cause(
        "server_configuration",
        ("F0",),
        "The database server's configuration is at fault",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log for the file that it cannot use.",
    ),
    Cause(
        "server_fault",
        ("XX",),
        "PostgreSQL reports an internal error",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log; if it comes again, look for a bug of its version or an "
        "extension.",
    ),
    Cause(
        "foreign_data",
        ("HV",),
        "A foreign table of the database cannot be reached",
        DatabaseUnavailableError,
        retry_after=5.0,
        remedy="Look at PostgreSQL's log for the foreign server that failed.",
    ),
    Cause(
        "prepared_statement_missing",
        ("26000", "42P05"),
        "A pooler between us and PostgreSQL gives each transaction another session",
        DatabaseUnavailableError,
        retry_after=1.0,
        remedy="Add pgbouncer=true to DATABASE_URL: a transaction pooler keeps no prepared "
        "statements.",
    ),
    # The session is gone -----------------------------------------------------------------------
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
    OURS_MISSING,
    # No repeat helps ---------------------------------------------------------------------------
    Cause(
        "privilege_missing",
        ("42501",),
        "The service's role in PostgreSQL may not do this",
        RightMissingError,
        remedy="`autogpt-db doctor` names the GRANT that mends it.",
    ),
    Cause(
        "data_damaged",
        ("XX001", "XX002"),
        "PostgreSQL found damaged data or a damaged index",
        DatabaseRefusedError,
        remedy="An administrator has to look at PostgreSQL's log, and REINDEX or restore a backup.",
    ),
    Cause(
        "trigger_refused",
        ("P0", "09", "27", "38", "39"),
        "A trigger or function in the database refused the statement",
        DatabaseRefusedError,
        remedy="An administrator has to look at PostgreSQL's log for which one.",
    ),
    Cause(
        "value_refused",
        ("22", "23", "44", "54"),
        "PostgreSQL refused a value of this call",
        InvalidValueError,
    ),
    # What a server cannot say to a right statement ----------------------------------------------
    Cause("bug", ("",), "The service has sent PostgreSQL what makes no sense", None),
)


# Not there, or of another kind: schema; table, column, function, type, unique index.
_MISSING: Final = ("3F000", "42")


def cause_of_failed(state: str, statement: str) -> Cause:
    """Return what it stands for that a statement failed with a SQLSTATE.

    Args:
        state: Its five characters.
        statement: The statement, with `platform` for AutoGPT's schema; "" where it isn't known.
    """
    cause = cause_of(state)
    ours_alone = "autogpt_db." in statement and "platform." not in statement
    if cause.failure is None and ours_alone and state.startswith(_MISSING):
        return OURS_MISSING
    return cause


def _by_state() -> Iterator[tuple[str, Cause]]:
    for cause in CAUSES:
        for state in cause.states:
            yield state, cause


_TABLE: Final = dict(_by_state())


@lru_cache(maxsize=512)
def cause_of(state: str) -> Cause:
    """Return what a SQLSTATE stands for.

    Args:
        state: Its five characters.
    """
    return _TABLE.get(state) or _TABLE.get(state[:_CLASS]) or _TABLE[""]
