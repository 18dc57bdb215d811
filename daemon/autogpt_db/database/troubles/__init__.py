"""What can be the matter with a database, declared once: how it shows, why, and what mends it.

Refusals at the start, the findings of `doctor` and docs/howto/troubleshoot.md all say it in these
words. A remedy is what somebody can run: statements end with `;`, commands stand between backticks.
`{…}` in them stands for a name, which is quoted where it has to be.
"""

from __future__ import annotations

from typing import Final

from autogpt_db.database.quoting import literal, quoted
from autogpt_db.database.troubles.connections import (
    DATABASE_LIMIT,
    HOST_SILENT,
    POOLER_LIMIT,
    POOLER_LOGIN,
    POOLER_UNNAMED,
    ROLE_LIMIT,
    SERVER_LIMIT,
    SETTINGS_UNBEARABLE,
)
from autogpt_db.database.troubles.databases import (
    COMMITS_NOT_AWAITED,
    ENCODING,
    READ_ONLY,
    STANDBY,
)
from autogpt_db.database.troubles.declaration import Trouble
from autogpt_db.database.troubles.logins import (
    CLOSED,
    HOST_BASED_ACCESS,
    NO_CONNECT,
    NO_DATABASE,
    NO_LOGIN,
    NO_ROLE,
    PASSWORD,
)
from autogpt_db.database.troubles.rights import (
    NO_CREATE,
    NO_EXECUTE,
    NO_MAINTAIN,
    NO_RIGHT,
    NO_USAGE,
    OUR_TABLES_BELONG_TO_ANOTHER,
    OURS_BELONG_TO_ANOTHER,
    OURS_CLOSED,
    OURS_DIFFER,
    ROW_SECURITY,
)

__all__ = [
    "CLOSED",
    "COMMITS_NOT_AWAITED",
    "DATABASE_LIMIT",
    "ENCODING",
    "HOST_BASED_ACCESS",
    "HOST_SILENT",
    "NO_CONNECT",
    "NO_CREATE",
    "NO_DATABASE",
    "NO_EXECUTE",
    "NO_LOGIN",
    "NO_MAINTAIN",
    "NO_RIGHT",
    "NO_ROLE",
    "NO_USAGE",
    "OURS_BELONG_TO_ANOTHER",
    "OURS_CLOSED",
    "OURS_DIFFER",
    "OUR_TABLES_BELONG_TO_ANOTHER",
    "PASSWORD",
    "POOLER_LIMIT",
    "POOLER_LOGIN",
    "POOLER_UNNAMED",
    "READ_ONLY",
    "ROLE_LIMIT",
    "ROW_SECURITY",
    "SERVER_LIMIT",
    "SETTINGS_UNBEARABLE",
    "STANDBY",
    "TROUBLES",
    "Trouble",
    "setting_statement",
]

TROUBLES: Final = (
    ENCODING,
    READ_ONLY,
    COMMITS_NOT_AWAITED,
    STANDBY,
    NO_USAGE,
    NO_CREATE,
    OURS_BELONG_TO_ANOTHER,
    OUR_TABLES_BELONG_TO_ANOTHER,
    NO_RIGHT,
    NO_EXECUTE,
    NO_MAINTAIN,
    ROW_SECURITY,
    PASSWORD,
    HOST_BASED_ACCESS,
    NO_ROLE,
    NO_LOGIN,
    NO_CONNECT,
    NO_DATABASE,
    CLOSED,
    OURS_CLOSED,
    OURS_DIFFER,
    ROLE_LIMIT,
    DATABASE_LIMIT,
    SERVER_LIMIT,
    POOLER_LIMIT,
    HOST_SILENT,
    POOLER_UNNAMED,
    POOLER_LOGIN,
    SETTINGS_UNBEARABLE,
)
"""All of them, in the order that an operator would look in."""


def setting_statement(role: str, database: str, name: str, value: str) -> str:
    """Return what sets a setting for a role's sessions on one database, and for nobody else's."""
    return (
        f"ALTER ROLE {quoted(role)} IN DATABASE {quoted(database)} SET {name} = {literal(value)};"
    )
