"""What can be the matter before a session begins."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.troubles.declaration import ENDS, Trouble

PASSWORD: Final = Trouble(
    "database",
    f"{ENDS} While it runs: what is connected goes on; what ends is not replaced.",
    "it refuses the password",
    "Correct DATABASE_URL, or set the role's to what that says: ALTER ROLE {role} PASSWORD '…'; "
    "where it has run out: ALTER ROLE {role} VALID UNTIL 'infinity'; where that says there is no "
    "such role, DATABASE_URL names a wrong one (PostgreSQL tells nobody).",
    "an administrator",
)
HOST_BASED_ACCESS: Final = Trouble(
    "database",
    ENDS,
    "its pg_hba.conf refuses us",
    "Add a line for the role, the database and this address to the file that SHOW hba_file; names, "
    "then: SELECT pg_reload_conf();",
    "an administrator",
)
NO_ROLE: Final = Trouble(
    "database",
    ENDS,
    "the role does not exist there",
    "Correct DATABASE_URL, or where it has been renamed: ALTER ROLE … RENAME TO {role};",
    "an administrator",
)
NO_LOGIN: Final = Trouble(
    "database",
    f"{ENDS} While it runs: as with a password that is refused.",
    "the role may not log in there",
    "ALTER ROLE {role} LOGIN;",
    "an administrator",
)
NO_CONNECT: Final = Trouble(
    "database",
    f"{ENDS} While it runs: as with a password that is refused.",
    "the role lacks CONNECT there",
    "GRANT CONNECT ON DATABASE {database} TO {role};",
    "the database's owner",
)
NO_DATABASE: Final = Trouble(
    "database",
    f"{ENDS} While it runs: calls get 503.",
    "the database does not exist there",
    "Correct DATABASE_URL, or where it has been renamed: ALTER DATABASE … RENAME TO {database};",
    "an administrator",
)
CLOSED: Final = Trouble(
    "database",
    f"{ENDS} While it runs: calls get 503.",
    "the database takes no connections",
    "ALTER DATABASE {database} ALLOW_CONNECTIONS true;",
    "an administrator",
)
