"""The record of what was migrated, in the database: `autogpt_db.migration`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db import __version__
from autogpt_db.database.provisioning.mending import unrecorded
from autogpt_db.database.provisioning.migration_files import migrations
from autogpt_db.errors import SchemaError

if TYPE_CHECKING:
    from autogpt_db.database.provisioning.migration_files import Migration

BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS autogpt_db;
CREATE TABLE IF NOT EXISTS autogpt_db.migration (
    number integer NOT NULL,
    name text NOT NULL PRIMARY KEY,
    checksum text NOT NULL,
    program_version text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


def recorded_in(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """Return the files that were applied, by name: number and checksum of each."""
    if scalar(connection, "SELECT to_regclass('autogpt_db.migration') IS NULL"):
        return {}
    try:
        rows = connection.execute("SELECT name, number, checksum FROM autogpt_db.migration")
    except psycopg.errors.UndefinedColumn as error:
        raise SchemaError(
            "The record of our migrations, autogpt_db.migration, has been changed: "
            f"{error.diag.message_primary}. DROP TABLE autogpt_db.migration; then `autogpt-db "
            "migrate` finds by what is there which of them were applied. Nothing has been changed."
        ) from error
    return {name: (number, checksum) for name, number, checksum in rows}


def record(connection: psycopg.Connection[Any], migration: Migration) -> None:
    """Record a file as applied."""
    connection.execute(
        "INSERT INTO autogpt_db.migration (number, name, checksum, program_version)"
        " VALUES (%s, %s, %s, %s)",
        (migration.number, migration.name, migration.checksum, __version__),
    )


def adopted(
    connection: psycopg.Connection[Any],
    waiting: list[Migration],
    recorded: dict[str, tuple[int, str]],
) -> list[Migration]:
    """Record what was applied and is on no record, and return what is still to be applied."""
    applied = unrecorded(connection, recorded)
    left = []
    for migration in waiting:
        if migration.name in applied and not migration.theirs:
            record(connection, migration)
            recorded[migration.name] = (migration.number, migration.checksum)
        else:
            left.append(migration)
    return left


def refuse_newer(connection: psycopg.Connection[Any], recorded: dict[str, tuple[int, str]]) -> None:
    """Refuse a database that a newer program has migrated.

    Raises:
        SchemaError: It has.
    """
    newest = max(migration.number for migration in migrations())
    beyond = {name: number for name, (number, _) in recorded.items() if number > newest}
    if beyond:
        last = max(beyond, key=lambda name: beyond[name])
        version = scalar(
            connection,
            "SELECT program_version FROM autogpt_db.migration WHERE name = %s",
            last,
        )
        raise SchemaError(
            f"The database was migrated by autogpt-db {version} (to {last}); this is "
            f"{__version__}, which knows migrations up to {newest:04}. Install {version} or newer."
        )


def refuse_changed(recorded: dict[str, tuple[int, str]]) -> None:
    """Refuse a program whose files are not those that were applied.

    Raises:
        SchemaError: One has another content.
    """
    for migration in migrations():
        known = recorded.get(migration.name)
        if known is not None and known[1] != migration.checksum:
            raise SchemaError(
                f"Migration {migration.name} was applied with another content than this program's "
                "(its checksum differs). The installation is damaged, or a file was edited after "
                "it was applied: reinstall autogpt-db."
            )


def scalar(connection: psycopg.Connection[Any], sql: str, *parameters: object) -> Any:
    """Return the only value of a statement's only row."""
    row = connection.execute(sql.encode(), parameters or None).fetchone()
    return row[0] if row else None
