"""What a session must be like, whatever the role, the database or the server has set for it.

Settings of a role or a database hold for everybody who connects, AutoGPT's processes included: we
set what we depend on for our own sessions, and never change theirs. Behind a transaction pooler
sessions are not ours to set; there what we cannot bear is refused by name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import psycopg

from autogpt_db.database import troubles
from autogpt_db.database.quoting import quoted
from autogpt_db.database.troubles import setting_statement
from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, LiteralString

SETTINGS: Final = {
    # A statement that meets another one's row waits for it, and is not refused.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # Rows are hidden from us by rights that are looked at, not by an error at each statement.
    "row_security": "on",
    # Main's work takes as long as it takes; the processes' pools set bounds of their own.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # Compiling a plan takes longer than any of our statements.
    "jit": "off",
    # Of a commit that is not on the standby, and of values left out, PostgreSQL tells by a notice.
    "client_min_messages": "notice",
    # How values are written and read.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
}
"""Settings of each session of ours, sent as it begins."""

OLDEST_SERVER = 150000
"""PostgreSQL 15, as `server_version_num` counts."""

SHORTEST: Final = 1000
"""Milliseconds: a statement timeout below it ends calls that nothing is wrong with."""

TIMEOUTS: LiteralString = """
SELECT name, setting || ' ms'
  FROM pg_catalog.pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
                'transaction_timeout')
   AND setting::bigint BETWEEN 1 AND %(shortest)s
"""
"""The timeouts that are too short, and their values."""

UNBEARABLE: LiteralString = f"""{TIMEOUTS}
UNION ALL
SELECT name, setting
  FROM pg_catalog.pg_settings
  JOIN json_each_text(%(wanted)s::json) AS wanted ON wanted.key = pg_settings.name
 WHERE lower(setting) <> lower(wanted.value)
UNION ALL
SELECT name, setting
  FROM pg_catalog.pg_settings
 WHERE name = 'extra_float_digits' AND setting::integer < 1
UNION ALL
SELECT name, setting
  FROM pg_catalog.pg_settings
 WHERE name = 'client_min_messages' AND setting IN ('warning', 'error')
UNION ALL
SELECT 'DateStyle', current_setting('DateStyle')
 WHERE current_setting('DateStyle') NOT LIKE 'ISO,%%'
UNION ALL
SELECT 'TimeZone', current_setting('TimeZone')
 WHERE now()::timestamp <> now() AT TIME ZONE 'UTC'
"""
WANTED: Final = {
    "wanted": json.dumps(
        {
            name: SETTINGS[name]
            for name in (
                "default_transaction_isolation",
                "standard_conforming_strings",
                "bytea_output",
                "row_security",
                "transform_null_equals",
                "quote_all_identifiers",
            )
        }
    ),
    "shortest": SHORTEST - 1,
}
"""Parameters of `UNBEARABLE`, and of `TIMEOUTS`."""
UNREADABLE: Final = "so short that not even its value can be asked for"
_TIMEOUT_OF: Final = {
    "57014": "statement_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
    "57P05": "idle_session_timeout",
}

_READ_ONLY: Final = "default_transaction_read_only"
_SOURCE: LiteralString = """
SELECT source, session_user, current_database()
  FROM pg_catalog.pg_settings
 WHERE name = %(name)s
"""


def check_version(version: int, address: str) -> None:
    """Refuse a server that is older than our statements.

    Args:
        version: As `server_version_num` counts.
        address: The server's, for the message.

    Raises:
        ConfigurationError: It is.
    """
    if version < OLDEST_SERVER:
        raise ConfigurationError(
            f"database.url: {address} runs PostgreSQL {version // 10000}; autogpt-db needs 15 or "
            "newer."
        )


def read_only_by(connection: psycopg.Connection[Any]) -> tuple[str, str] | None:
    """Return where a session is set to write nothing, and the statements that end that; or None.

    Args:
        connection: A session on the database.
    """
    row = connection.execute("SELECT current_setting('transaction_read_only')").fetchone()
    if row != ("on",):
        return None
    place, mending = set_by(connection, _READ_ONLY, "off")
    if mending.startswith(("ALTER DATABASE", "ALTER ROLE")):
        # A write, which a session of who mends it takes as little as ours.
        mending = f"BEGIN READ WRITE; {mending} COMMIT;"
    return place, mending


def set_by(connection: psycopg.Connection[Any], name: str, usual: str) -> tuple[str, str]:
    """Return where a setting has its value from, and what makes it the usual one.

    Args:
        connection: A session that has it.
        name: The setting.
        usual: Its usual value.
    """
    row = connection.execute(_SOURCE, {"name": name}).fetchone()
    assert row is not None, "the setting exists"
    source, role, database = row
    on_role, on_database = f"ROLE {quoted(role)}", f"DATABASE {quoted(database)}"
    places = {
        "database": ("the database's settings", f"ALTER {on_database} RESET {name};"),
        "user": ("the role's settings", f"ALTER {on_role} RESET {name};"),
        "database user": (
            "the role's settings for the database",
            f"ALTER {on_role} IN {on_database} RESET {name};",
        ),
        "global": ("the settings of all roles", f"ALTER ROLE ALL RESET {name};"),
        "client": ("the connection string", "Take it out of DATABASE_URL."),
        # Which nothing that is set later overrules.
        "command line": ("the server's command line", "Start the server without that."),
    }
    of_server = f"ALTER SYSTEM SET {name} = {usual}; SELECT pg_reload_conf();"
    return places.get(source, ("the server's configuration", of_server))


def check_encoding(connection: psycopg.Connection[Any], setting: str) -> None:
    """Refuse a database whose text is not UTF-8: JSON is, and not all of it could be stored.

    Args:
        connection: A session on it.
        setting: What error messages call the database: `database.url`.

    Raises:
        ConfigurationError: Names the encoding, and what to do.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding == "UTF8":
        return
    name = connection.info.dbname
    told = troubles.ENCODING.told(
        database=quoted(name), copy=quoted(f"{name}_utf8"), encoding=encoding
    )
    raise ConfigurationError(f"{setting}: {told}")


def check_settings(connection: psycopg.Connection[Any], setting: str, *, pooled: bool) -> None:
    """Refuse settings that we can neither bear nor replace.

    Args:
        connection: A session like the processes'.
        setting: What error messages call the database: `database.url`.
        pooled: Whether a transaction pooler keeps us from setting our own.

    Raises:
        ConfigurationError: Names each, and what to do.
    """
    info = connection.info
    role, database = info.user, info.dbname
    try:
        found = list(connection.execute(UNBEARABLE if pooled else TIMEOUTS, WANTED))
        if pooled:
            row = connection.execute("SELECT session_user, current_database()").fetchone()
            role, database = row or (role, database)
    except psycopg.Error as error:
        if (name := too_short(error)) is None:
            raise
        found = [(name, UNREADABLE)]
    if found:
        raise ConfigurationError(f"{setting}: {told(found, role, database)}")


def told(found: Sequence[tuple[str, str]], role: str, database: str) -> str:
    """Say which settings cannot be worked with, and what mends it.

    Args:
        found: Their names and values.
        role: Who logs in there.
        database: Where.
    """
    statements = (
        setting_statement(role, database, name, SETTINGS.get(name, "0")) for name, _ in found
    )
    return troubles.SETTINGS_UNBEARABLE.told(settings=named(found), statements=" ".join(statements))


def named(found: Sequence[tuple[str, str]]) -> str:
    """List settings with their values."""
    return "; ".join(f"{name} is {value!r}" for name, value in found)


def too_short(error: psycopg.Error) -> str | None:
    """Return the timeout of a session that ended a statement; None where another thing did."""
    if error.sqlstate == "57014" and "statement timeout" not in str(error):
        return None  # somebody has cancelled it
    return _TIMEOUT_OF.get(error.sqlstate or "")
