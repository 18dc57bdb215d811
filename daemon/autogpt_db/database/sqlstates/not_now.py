"""Why PostgreSQL refuses for a while what it took before, and will take again."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.sqlstates.declaration import Cause
from autogpt_db.errors import (
    DatabaseUnavailableError,
    DeadlineExceededError,
    LockedError,
    StatementCollidedError,
    WritesRefusedError,
)

READ_ONLY: Final = "25006"

NOT_NOW: Final = (
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
)
