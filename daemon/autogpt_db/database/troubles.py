"""What can be the matter with a database, declared once: how it shows, why, and what mends it.

Refusals at the start, the findings of `doctor` and docs/howto/troubleshoot.md all say it in these
words. A remedy is what somebody can run: statements end with `;`, commands stand between backticks.
`{…}` in them stands for a name, which is quoted where it has to be.

One table, and so one module however long it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from autogpt_db.database.quoting import literal, quoted


class Trouble(NamedTuple):
    """Something that can be the matter.

    Attributes:
        check: The check of `doctor` that finds it.
        symptom: How it shows to somebody who doesn't know of it.
        cause: What is the matter, in a sentence without a full stop.
        remedy: What mends it.
        whose: Who may do that, where the service's own role may not.
    """

    check: str
    symptom: str
    cause: str
    remedy: str
    whose: str = ""

    def caused(self, **names: object) -> str:
        """Return what is the matter, with its names."""
        return self.cause.format(**names)

    def remedied(self, **names: object) -> str:
        """Return what mends it, with its names."""
        return self.remedy.format(**names)

    def told(self, **names: object) -> str:
        """Return both, and who may do it."""
        whose = f"As {self.whose}: " if self.whose else ""
        return f"{self.caused(**names)}. {whose}{self.remedied(**names)}"


_ENDS: Final = "The start ends with 78."

# 1: encodings ------------------------------------------------------------------------------------

ENCODING: Final = Trouble(
    "encoding",
    _ENDS,
    "the database {database} is encoded in {encoding}; autogpt-db, as AutoGPT, needs UTF8, and an "
    "encoding cannot be changed",
    "CREATE DATABASE {copy} ENCODING 'UTF8' TEMPLATE template0; then "
    "`pg_dump --encoding=UTF8 --dbname={database} | psql --dbname={copy}`, and name {copy} in "
    "DATABASE_URL.",
    "an administrator",
)

# 2: no writes ------------------------------------------------------------------------------------

READ_ONLY: Final = Trouble(
    "writes",
    "Reads are answered and writes get 503; `/ready` says 503, `STATUS` that the database takes no "
    "writes. A start waits.",
    "the database takes no writes: it has been set to read-only, by {place}",
    "Find out why (managed services switch it on when a disk fills), then: {statement} Nothing "
    "has to be restarted here; but where transactions are pooled, restart the pooler, whose "
    "sessions remember it.",
    "an administrator",
)
STANDBY: Final = Trouble(
    "database",
    "A start waits, and says that the server is a standby.",
    "{address} is a standby",
    "Name the primary in DATABASE_URL, or promote it: SELECT pg_promote();",
    "an administrator",
)

COMMITS_NOT_AWAITED: Final = Trouble(
    "durability",
    "None until PostgreSQL or its machine crashes: then calls of the last moments that were "
    "answered with success are undone. The log says it once (`commits_not_awaited`).",
    "a commit is answered before it is on the disk: {name} is off, by {place}",
    "Unless that is meant: {statement} Where transactions are pooled, restart the pooler as well, "
    "whose sessions remember it.",
    "an administrator",
)

# 3: rights and row security ----------------------------------------------------------------------

NO_USAGE: Final = Trouble(
    "rights",
    f"{_ENDS} While it runs: every method is unknown (404).",
    "the role {role} may not look into AutoGPT's schema {schema}",
    "GRANT USAGE ON SCHEMA {schema} TO {role};",
    "its owner",
)
NO_CREATE: Final = Trouble(
    "rights",
    f"{_ENDS} Only where there is no schema autogpt_db yet.",
    "the role {role} may not make a schema in the database {database}; what is ours lives in the "
    "schema autogpt_db",
    "GRANT CREATE ON DATABASE {database} TO {role};",
    "the database's owner",
)
OURS_BELONG_TO_ANOTHER: Final = Trouble(
    "rights",
    _ENDS,
    "the schema autogpt_db belongs to the role {owner}, and the service runs as {role}, which "
    "cannot keep what is in it",
    "GRANT {owner} TO {role};",
    "an administrator, or let DATABASE_URL name that role",
)
OUR_TABLES_BELONG_TO_ANOTHER: Final = Trouble(
    "rights",
    _ENDS,
    "tables in the schema autogpt_db belong to {owners}, and the service runs as {role}, which "
    "cannot keep them",
    "{statements}",
    "an administrator",
)
NO_RIGHT: Final = Trouble(
    "rights",
    "Methods are unknown (404, or passed on to `api.fallback_url`) and named in the log's "
    "`methods_not_served`; where every run needs it, the start ends with 78.",
    "the role {role} lacks {right} on {name}",
    "GRANT {right} ON {schema}.{name} TO {role};",
    "the owner of AutoGPT's tables",
)
NO_EXECUTE: Final = Trouble(
    "rights",
    "As with any right that is missing; a job rests (`job_rests`).",
    "the role {role} lacks EXECUTE on {name}()",
    "GRANT EXECUTE ON FUNCTION {schema}.{name} TO {role};",
    "the owner of AutoGPT's tables",
)
NO_MAINTAIN: Final = Trouble(
    "rights",
    "The job `refresh_store_views` rests (`job_rests`): the marketplace's figures grow old.",
    "the role {role} lacks MAINTAIN on {name}, and does not own it",
    "GRANT MAINTAIN ON {schema}.{name} TO {role}; or, before PostgreSQL 17: "
    "ALTER MATERIALIZED VIEW {schema}.{name} OWNER TO {role};",
    "its owner",
)
ROW_SECURITY: Final = Trouble(
    "rights",
    "As with any right that is missing; without that, rows that are there would not be found.",
    "row security hides rows of {name}",
    "ALTER ROLE {role} BYPASSRLS; or, as the table's owner: "
    "ALTER TABLE {schema}.{name} DISABLE ROW LEVEL SECURITY;",
    "an administrator",
)

# Before a session begins --------------------------------------------------------------------------

PASSWORD: Final = Trouble(
    "database",
    f"{_ENDS} While it runs: what is connected goes on; what ends is not replaced.",
    "it refuses the password",
    "Correct DATABASE_URL, or set the role's to what that says: ALTER ROLE {role} PASSWORD '…'; "
    "where it has run out: ALTER ROLE {role} VALID UNTIL 'infinity'; where that says there is no "
    "such role, DATABASE_URL names a wrong one (PostgreSQL tells nobody).",
    "an administrator",
)
HOST_BASED_ACCESS: Final = Trouble(
    "database",
    _ENDS,
    "its pg_hba.conf refuses us",
    "Add a line for the role, the database and this address to the file that SHOW hba_file; names, "
    "then: SELECT pg_reload_conf();",
    "an administrator",
)
NO_ROLE: Final = Trouble(
    "database",
    _ENDS,
    "the role does not exist there",
    "Correct DATABASE_URL, or where it has been renamed: ALTER ROLE … RENAME TO {role};",
    "an administrator",
)
NO_LOGIN: Final = Trouble(
    "database",
    f"{_ENDS} While it runs: as with a password that is refused.",
    "the role may not log in there",
    "ALTER ROLE {role} LOGIN;",
    "an administrator",
)
NO_CONNECT: Final = Trouble(
    "database",
    f"{_ENDS} While it runs: as with a password that is refused.",
    "the role lacks CONNECT there",
    "GRANT CONNECT ON DATABASE {database} TO {role};",
    "the database's owner",
)
NO_DATABASE: Final = Trouble(
    "database",
    f"{_ENDS} While it runs: calls get 503.",
    "the database does not exist there",
    "Correct DATABASE_URL, or where it has been renamed: ALTER DATABASE … RENAME TO {database};",
    "an administrator",
)
CLOSED: Final = Trouble(
    "database",
    f"{_ENDS} While it runs: calls get 503.",
    "the database takes no connections",
    "ALTER DATABASE {database} ALLOW_CONNECTIONS true;",
    "an administrator",
)

# 4: what is ours ---------------------------------------------------------------------------------

OURS_DIFFER: Final = Trouble(
    "own schema",
    "A start makes anew what can be made without loss, and warns of the rest (`ours_differs`), or "
    "ends with 78. While it runs: methods that need it are unknown, and named.",
    "something in the schema autogpt_db is missing, or is not as the migrations made it",
    "`autogpt-db migrate` makes anew what can be; with what it leaves stands the statement.",
)

OURS_CLOSED: Final = Trouble(
    "rights",
    "A start, or `autogpt-db migrate`, opens it again (`ours_mended`). While it runs: methods that "
    "need it are unknown, and named; jobs rest.",
    "the role {role} has lost {right} on {name}, which is the service's own",
    "GRANT {right} ON {name} TO {role};",
    "the service's role itself",
)

# 5: room for connections -------------------------------------------------------------------------

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

# 6: hosts ----------------------------------------------------------------------------------------

HOST_SILENT: Final = Trouble(
    "hosts",
    "The others are used meanwhile; with none left the start waits, and calls get 503.",
    "{host} does not answer: {reason}",
    "Start it, or take it out of DATABASE_URL: `autogpt-db dsn` shows it.",
)

# 7: poolers --------------------------------------------------------------------------------------

POOLER_UNNAMED: Final = Trouble(
    "pooler",
    f"{_ENDS} PostgreSQL itself is there.",
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

# 8: settings -------------------------------------------------------------------------------------

SETTINGS_UNBEARABLE: Final = Trouble(
    "session settings",
    f"{_ENDS} Behind a transaction pooler only (`transaction_timeout` anywhere): other sessions "
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
