"""Why PostgreSQL refuses what no repeat mends, and what is a bug of ours."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.sqlstates.declaration import Cause
from autogpt_db.errors import (
    DatabaseRefusedError,
    InvalidValueError,
    RightMissingError,
)

NO_REPEAT: Final = (
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
    # What a server cannot say to a right statement.
    Cause("bug", ("",), "The service has sent PostgreSQL what makes no sense", None),
)
