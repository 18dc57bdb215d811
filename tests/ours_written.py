"""Writes ours.json anew: what each migration makes of our schema, as PostgreSQL tells it.

`PYTHONPATH=tests .venv/bin/python -m ours_written` writes the file; a test compares it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import psycopg

import autogpt_db.database
from autogpt_db.database.provisioning import migration as migration_module
from autogpt_db.database.provisioning import migration_record
from autogpt_db.database.provisioning.migration_files import EXTENSIONS, migrations
from autogpt_db.database.provisioning.ours import History, Item, Step, read_ours
from postgres_server import PostgresServer

FILE = Path(autogpt_db.database.__path__[0]) / "ours.json"


def made(connection: psycopg.Connection[Any]) -> list[History]:
    """Apply every migration to an empty database, and return what each has made."""
    steps: dict[Item, list[Step]] = {}
    before: dict[Item, str] = {}
    with connection.transaction():
        connection.execute(migration_record.BOOKKEEPING.encode())
    for migration in migrations():
        extension = EXTENSIONS.get(migration.name)
        if extension and not migration_module._to_be_had(connection, extension):
            continue
        with connection.transaction():
            migration_module._set_search_path(connection, "platform")
            connection.execute(migration.text.encode())
        after = read_ours(connection)
        for item in [*after, *(before.keys() - after.keys())]:
            if after.get(item) != before.get(item):
                steps.setdefault(item, []).append(Step(migration.name, after.get(item)))
        before = after
    return [History(*item, tuple(found)) for item, found in steps.items()]


def main() -> None:
    """Write the file."""
    with (
        PostgresServer() as server,
        psycopg.connect(server.url("postgres"), autocommit=True) as connection,
    ):
        content = msgspec.json.format(msgspec.json.encode(made(connection)), indent=1)
    FILE.write_bytes(content + b"\n")


if __name__ == "__main__":
    main()
