"""What can be the matter on the way to a database: its room, hosts, poolers, sessions."""

from __future__ import annotations

from typing import Final

from autogpt_db.database.troubles.declaration import ENDS, Trouble

ROLE_LIMIT: Final = Trouble(
    "connections",
    "The pools are smaller than was asked for (`connections_short`); without room for a connection "
    "of each process the start waits, or ends with 78 and the numbers.",
    "the role {role} may have fewer connections than the pools want",
    "ALTER ROLE {role} CONNECTION LIMIT -1;",
    "an administrator",
)
DATABASE_LIMIT: Final = Trouble(
    "connections",
    "As with a role's limit.",
    "the database {database} takes fewer connections than the pools want",
    "ALTER DATABASE {database} CONNECTION LIMIT -1;",
    "an administrator",
)
SERVER_LIMIT: Final = Trouble(
    "connections",
    "As with a role's limit. A start that finds no place at all waits.",
    "the server takes fewer connections than the pools want beside what others have",
    "End sessions that nobody needs (SELECT pid, usename, application_name, state FROM "
    "pg_stat_activity;), or allow more: ALTER SYSTEM SET max_connections = …; and restart the "
    "server.",
    "an administrator",
)
POOLER_LIMIT: Final = Trouble(
    "connections",
    "As with a role's limit. A start that finds no place at all waits.",
    "the pooler takes fewer clients than the pools want beside what others have",
    "Raise `max_client_conn` in its configuration and reload it, or lower "
    "`database.connection_limit`.",
    "an administrator",
)
HOST_SILENT: Final = Trouble(
    "hosts",
    "The others are used meanwhile; with none left the start waits, and calls get 503.",
    "{host} does not answer: {reason}",
    "Start it, or take it out of DATABASE_URL: `autogpt-db dsn` shows it.",
)
POOLER_UNNAMED: Final = Trouble(
    "pooler",
    f"{ENDS} PostgreSQL itself is there.",
    "a pooler answers at {address} and takes no settings of a session",
    "Add pgbouncer=true to DATABASE_URL, for instance by "
    '`export DATABASE_URL="$DATABASE_URL&pgbouncer=true"`, and name the server itself in '
    "DIRECT_URL (database.direct_url) where it can be reached.",
)
POOLER_LOGIN: Final = Trouble(
    "pooler",
    "A start waits; while it runs calls get 503.",
    "the pooler at {address} cannot log in to its server, and does not tell us why",
    "Its log says why. Or restart the pooler, which then tells the next who comes: "
    "`autogpt-db doctor` names what mends it.",
    "an administrator",
)
SETTINGS_UNBEARABLE: Final = Trouble(
    "session settings",
    f"{ENDS} Behind a transaction pooler only (`transaction_timeout` anywhere): other sessions "
    "get settings of their own. While it runs: `/ready` says 503, `STATUS` and the log "
    "(`settings_unbearable`) say so.",
    "sessions there have settings that autogpt-db cannot work with: {settings}. They come from the "
    "role, the database or the server, and are AutoGPT's, too",
    "Set them for this service's role, best one of its own, and restart the pooler, which "
    "remembers them: {statements} A timeout that ends an administrator's session as well does not "
    "reach one in another database, where it is set for this one, nor one that begins with "
    "PGOPTIONS='-c transaction_timeout=0', or whichever timeout it is.",
    "an administrator",
)
