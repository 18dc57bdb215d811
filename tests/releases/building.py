"""Databases as AutoGPT's releases leave them, built from their catalogues."""

from __future__ import annotations

import copy
import hashlib
import os
import re
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db import __version__
from autogpt_db.database.provisioning.migration_files import migrations
from postgres_server import PostgresServer, clone, unique_name
from releases.catalogues import DIRECTORY, STATES, catalogue
from releases.definition import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from autogpt_db.database.provisioning.migration_files import Migration

ENCRYPTION_KEY = "dvziYgz0KSK8FENhju0ZYi8-fRTfAdlz6YLhdB_jhNw="
"""What the credentials in the recorded rows are encrypted with: AutoGPT's key for development."""

TABLES = os.environ.get("AUTOGPT_DB_TEST_TABLES", "v0.6.48")
"""AutoGPT's tables in the databases that tests start from: as 0.1.0 made them, or `v0.6.68`."""

OLD_STORE = TABLES == "v0.6.48"
"""Whether the marketplace is that of v0.6.50 and before: a listing shows its highest version."""

LATEST = "v0.7.2"
"""The newest state, which has all tables."""

SEEDED = ("v0.6.68", LATEST)
"""States with calls to replay in order, and the rows that these start from."""

_SEEDS = {
    "v0.6.48": DIRECTORY.parent / "contract" / "seed.sql",
    **{state: DIRECTORY / state / "seed.sql" for state in SEEDED},
}

LAST_OF_0_1_0 = 7
"""The number of its last migration."""

PRISMA_MIGRATIONS = """
CREATE TABLE platform._prisma_migrations (
    id varchar(36) PRIMARY KEY,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
)
"""

_RECORD = """
INSERT INTO platform._prisma_migrations
    (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
SELECT
    gen_random_uuid(),
    encode(sha256(convert_to(one.name, 'UTF8')), 'hex'),
    one.name,
    to_timestamp(substr(one.name, 1, 8), 'YYYYMMDD') + one.place * INTERVAL '1 millisecond',
    to_timestamp(substr(one.name, 1, 8), 'YYYYMMDD') + one.place * INTERVAL '2 milliseconds',
    1
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS one (name, place)
"""


class ReleaseDatabases:
    """Templates of the states on one server, each made when it is first asked for."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._templates: dict[str, str] = {}

    def fresh(self, state: str, *, seeded: bool = False, ours: bool = False) -> str:
        """Return the URL of a new database in this state.

        Args:
            state: One of `STATES`.
            seeded: Whether it holds the rows that the state's recorded calls start from.
            ours: Whether it has what our own migrations make, as after a start.
        """
        template = self._seeded(state) if seeded else self._template(state)
        if ours:
            template = self._with_ours(template)
        return clone(self._server, template, unique_name("release"))

    def drop(self, url: str) -> None:
        """Remove a database that `fresh` made."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _template(self, state: str) -> str:
        if state not in self._templates:
            name = unique_name("state")
            with psycopg.connect(clone(self._server, None, name), autocommit=True) as connection:
                build(connection, state)
            self._templates[state] = name
        return self._templates[state]

    def _seeded(self, state: str) -> str:
        key = f"{state} seeded"
        if key not in self._templates:
            name = unique_name("seeded")
            url = clone(self._server, self._template(state), name)
            with psycopg.connect(url, autocommit=True) as connection:
                seed(connection, state)
            self._templates[key] = name
        return self._templates[key]

    def _with_ours(self, template: str) -> str:
        key = f"{template} ours"
        if key not in self._templates:
            name = unique_name("ours")
            url = clone(self._server, template, name)
            with psycopg.connect(url, autocommit=True) as connection:
                add_ours(connection)
            self._templates[key] = name
        return self._templates[key]


def build(connection: psycopg.Connection[Any], state: str, *, recorded: bool = True) -> None:
    """Make a state's schema in an empty database.

    Args:
        connection: In autocommit mode, as a superuser.
        state: One of `STATES`.
        recorded: Whether `_prisma_migrations` is there, as in what AutoGPT's Prisma made.
    """
    connection.execute("SELECT set_config('search_path', 'platform, public, extensions', false)")
    facts = catalogue(state)
    if not _has_vector(connection):
        facts = without_vectors(facts)
    connection.execute("\n".join(statements(facts)).encode())
    if recorded:
        connection.execute(PRISMA_MIGRATIONS)
        connection.execute(_RECORD, {"names": list(migration_names(state))})
    connection.execute("SELECT set_config('search_path', '', false)")


def without_vectors(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a catalogue for a server without pgvector: embeddings are text, and have no index."""
    made = copy.deepcopy(facts)
    made["extensions"].pop("vector", None)
    for table in made["tables"].values():
        for column in table["columns"]:
            if column[1].startswith("vector("):
                column[1] = "text"
        if "indexes" in table:
            table["indexes"] = [index for index in table["indexes"] if index[1] != "hnsw"]
    return made


def build_as_0_1_0(connection: psycopg.Connection[Any]) -> None:
    """Make in an empty database what autogpt-db 0.1.0 made: its own tables of v0.6.48."""
    vector = _has_vector(connection)
    applied = [
        one
        for one in migrations()
        if one.number <= LAST_OF_0_1_0 and not one.upgrade and (vector or one.name != "0001_vector")
    ]
    _apply(connection, applied, version="0.1.0")


def add_ours(connection: psycopg.Connection[Any]) -> None:
    """Apply our own files, as the daemon does before it starts its processes."""
    _apply(connection, [one for one in migrations() if not one.theirs], version=__version__)


def _apply(
    connection: psycopg.Connection[Any], files: Iterable[Migration], *, version: str
) -> None:
    connection.execute("""
        CREATE SCHEMA autogpt_db;
        CREATE TABLE autogpt_db.migration (
            number integer NOT NULL,
            name text NOT NULL PRIMARY KEY,
            checksum text NOT NULL,
            program_version text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    for one in files:
        connection.execute(
            "SELECT set_config('search_path', 'platform, public, extensions', false)"
        )
        connection.execute(one.statements("platform").encode())
        connection.execute(
            "INSERT INTO autogpt_db.migration (number, name, checksum, program_version)"
            " VALUES (%s, %s, %s, %s)",
            (one.number, one.name, one.checksum, version),
        )
    connection.execute("RESET search_path")


def _has_vector(connection: psycopg.Connection[Any]) -> bool:
    sql = "SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'vector'"
    return connection.execute(sql).fetchone() is not None


def seed(connection: psycopg.Connection[Any], state: str) -> None:
    """Insert the rows that a state's recorded calls start from."""
    connection.execute("SELECT set_config('search_path', 'platform, public, extensions', false)")
    connection.execute(_SEEDS[state].read_bytes())
    connection.execute("RESET session_replication_role")
    connection.execute("SELECT set_config('search_path', '', false)")


def migration_names(state: str) -> Iterator[str]:
    """Yield as many names of migrations as a state has, the last of every known state among them.

    The others' names are made up: only their number and order are known.
    """
    position = 0
    known = ((catalogue(one)["migrations"], catalogue(one)["last_migration"]) for one in STATES)
    before = "20240722203219_start"
    for number, name in known:
        for place in range(position + 1, number):
            day = before[:8] if place > 1 else "20240722"
            filler = hashlib.sha256(f"{before} {place}".encode()).hexdigest()[:6]
            yield f"{day}235959_step_{place:03}_{filler}"
        if number > position:
            yield name
        position, before = number, name
        if re.fullmatch(re.escape(catalogue(state)["last_migration"]), name):
            return
