"""Bringing the schema up to this program: numbered SQL files, checksums, one runner at a time.

`0001_*` are AutoGPT's own tables, applied to an empty database only; every other file is ours and
lives in schema `autogpt_db`. All of it happens in one transaction that holds an advisory lock:
of two daemons that start at once exactly one migrates, also behind a transaction pooler.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from autogpt_db import __version__
from autogpt_db.database.schema import verify
from autogpt_db.errors import SchemaError

if TYPE_CHECKING:
    import psycopg
    from structlog.typing import FilteringBoundLogger

LOCK = 0x61757467_70746462
"""Key of the advisory lock: `autgptdb` in ASCII."""

_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.sql")
_PLATFORM = re.compile(r"\bplatform\b")
_VECTOR = "0001_vector"

_BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS autogpt_db;
CREATE TABLE IF NOT EXISTS autogpt_db.migration (
    number integer NOT NULL,
    name text NOT NULL PRIMARY KEY,
    checksum text NOT NULL,
    program_version text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


class Migration(NamedTuple):
    """One file of SQL.

    Attributes:
        number: Its place; files of one number go by name.
        name: File name without ending.
        text: The SQL, with `platform` standing for AutoGPT's schema.
    """

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def theirs(self) -> bool:
        """Tell whether it makes AutoGPT's own tables."""
        return self.number == 1

    def statements(self, schema_name: str) -> str:
        """Return the SQL with AutoGPT's schema under its name in this database."""
        if schema_name == "platform":
            return self.text
        return _PLATFORM.sub(lambda _: quoted(schema_name), self.text)


@dataclass(frozen=True, slots=True)
class MigrationOutcome:
    """What a run did.

    Attributes:
        applied: Names of the files applied.
        created_platform: True when AutoGPT's tables were made by us, now or earlier.
    """

    applied: tuple[str, ...]
    created_platform: bool


def quoted(identifier: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every file of migrations/, in order."""
    found = []
    for entry in files("autogpt_db.database").joinpath("migrations").iterdir():
        match = _FILE_NAME.fullmatch(entry.name)
        if match:
            name = entry.name.removesuffix(".sql")
            found.append(Migration(int(match["number"]), name, entry.read_text("utf-8")))
    # The tables before what hangs on pgvector.
    return tuple(sorted(found, key=lambda one: (one.number, one.name == _VECTOR, one.name)))


def migrate(
    connection: psycopg.Connection[Any],
    *,
    schema_name: str,
    log: FilteringBoundLogger | None = None,
) -> MigrationOutcome:
    """Apply what is missing, then verify that everything the methods need is there.

    Args:
        connection: In autocommit mode, as a role that may create schemas in the database.
        schema_name: The schema of AutoGPT's tables.
        log: Where warnings go.

    Raises:
        SchemaError: An applied file has changed, the database is newer than this program, or
            objects of AutoGPT's are missing or in another schema. Nothing has been changed then.
    """
    log = log or structlog.get_logger("autogpt_db.database")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        recorded = _recorded(connection)
        _refuse_newer(connection, recorded)
        _refuse_changed(recorded)
        exists = _has_tables(connection, schema_name)
        if not exists:
            _refuse_elsewhere(connection, schema_name)
        ours = "0001_platform" in recorded or not exists
        if not ours:
            verify(connection, schema_name, log)
        waiting = _waiting(connection, schema_name, recorded, ours=ours)
        if waiting:
            connection.execute(_BOOKKEEPING)
        for migration in waiting:
            connection.execute(
                "SELECT set_config('search_path', %s, true)",
                (f"{quoted(schema_name)}, public, extensions",),
            )
            # No parameters: the file goes as one simple query of many statements.
            connection.execute(migration.statements(schema_name).encode())
            connection.execute(
                "INSERT INTO autogpt_db.migration (number, name, checksum, program_version)"
                " VALUES (%s, %s, %s, %s)",
                (migration.number, migration.name, migration.checksum, __version__),
            )
        if ours:
            verify(connection, schema_name, log)
    return MigrationOutcome(tuple(migration.name for migration in waiting), ours)


def pending(connection: psycopg.Connection[Any], *, schema_name: str) -> list[str]:
    """Return the names of the files that `migrate` would apply; change nothing.

    Raises:
        SchemaError: As `migrate` would.
    """
    log = structlog.get_logger("autogpt_db.database")
    recorded = _recorded(connection)
    _refuse_newer(connection, recorded)
    _refuse_changed(recorded)
    exists = _has_tables(connection, schema_name)
    if exists:
        verify(connection, schema_name, log)
    else:
        _refuse_elsewhere(connection, schema_name)
    ours = "0001_platform" in recorded or not exists
    return [one.name for one in _waiting(connection, schema_name, recorded, ours=ours)]


def _recorded(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    if _scalar(connection, "SELECT to_regclass('autogpt_db.migration') IS NULL"):
        return {}
    rows = connection.execute("SELECT name, number, checksum FROM autogpt_db.migration")
    return {name: (number, checksum) for name, number, checksum in rows}


def _waiting(
    connection: psycopg.Connection[Any],
    schema_name: str,
    recorded: dict[str, tuple[int, str]],
    *,
    ours: bool,
) -> list[Migration]:
    found = []
    for migration in migrations():
        if migration.name in recorded or (migration.theirs and not ours):
            continue
        if migration.name == _VECTOR and not _vector_usable(connection, schema_name):
            continue
        found.append(migration)
    return found


def _refuse_newer(
    connection: psycopg.Connection[Any], recorded: dict[str, tuple[int, str]]
) -> None:
    newest = max(migration.number for migration in migrations())
    beyond = {name: number for name, (number, _) in recorded.items() if number > newest}
    if beyond:
        last = max(beyond, key=lambda name: beyond[name])
        version = _scalar(
            connection,
            "SELECT program_version FROM autogpt_db.migration WHERE name = %s",
            last,
        )
        raise SchemaError(
            f"The database was migrated by autogpt-db {version} (to {last}); this is "
            f"{__version__}, which knows migrations up to {newest:04}. Install {version} or newer."
        )


def _refuse_changed(recorded: dict[str, tuple[int, str]]) -> None:
    for migration in migrations():
        known = recorded.get(migration.name)
        if known is not None and known[1] != migration.checksum:
            raise SchemaError(
                f"Migration {migration.name} was applied with another content than this program's "
                "(its checksum differs). The installation is damaged, or a file was edited after "
                "it was applied: reinstall autogpt-db."
            )


def _refuse_elsewhere(connection: psycopg.Connection[Any], schema_name: str) -> None:
    # A URL that lacks ?schema= must not get a second, empty set of tables beside the real one.
    elsewhere = _scalar(
        connection,
        "SELECT min(schemaname) FROM pg_catalog.pg_tables"
        " WHERE tablename = 'AgentGraphExecution' AND schemaname <> %s",
        schema_name,
    )
    if elsewhere is not None:
        raise SchemaError(
            f"AutoGPT's tables are in the schema {elsewhere!r} of this database, but the URL names "
            f"{schema_name!r} (Prisma's default is 'public'). Add ?schema={elsewhere} to "
            "DATABASE_URL, or name an empty database. Nothing has been changed."
        )


def _has_tables(connection: psycopg.Connection[Any], schema_name: str) -> bool:
    return bool(
        _scalar(
            connection,
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = %s"
            " AND tablename IN ('User', 'AgentGraph', 'AgentGraphExecution',"
            " '_prisma_migrations'))",
            schema_name,
        )
    )


def _vector_usable(connection: psycopg.Connection[Any], schema_name: str) -> bool:
    # Present where our search_path finds it, or to be had.
    return bool(
        _scalar(
            connection,
            "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'vector')"
            " THEN EXISTS (SELECT FROM pg_catalog.pg_extension AS extension"
            "   JOIN pg_catalog.pg_namespace AS place ON place.oid = extension.extnamespace"
            "   WHERE extname = 'vector' AND place.nspname IN (%s, 'public', 'extensions'))"
            " ELSE EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'vector')"
            " END",
            schema_name,
        )
    )


def _scalar(connection: psycopg.Connection[Any], sql: str, *parameters: object) -> Any:
    row = connection.execute(sql.encode(), parameters or None).fetchone()
    return row[0] if row else None
