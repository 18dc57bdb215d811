"""AutoGPT's tables: whether they are there, who made them, and whether they are changing now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.quoting import quoted
from autogpt_db.errors import SchemaAwaitedError, SchemaError

if TYPE_CHECKING:
    import psycopg

SETTLED_AFTER = 30
"""Seconds without a migration of AutoGPT's after which no other is expected to follow."""


class PlatformTables(NamedTuple):
    """What a database has of AutoGPT's.

    Attributes:
        exist: Whether there is anything of AutoGPT's in the schema.
        by_autogpt: Whether its own migrations made it: they keep their record there.
        unfinished: The migration of AutoGPT's that has begun and not ended, or None.
        settled: False when AutoGPT's migrations have run within the last `SETTLED_AFTER` seconds:
            another may be about to begin.
    """

    exist: bool
    by_autogpt: bool
    unfinished: str | None
    settled: bool


_EXIST = """
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_tables
        WHERE schemaname = %(schema)s
            AND tablename IN ('User', 'AgentGraph', 'AgentGraphExecution', '_prisma_migrations')
    ),
    EXISTS (
        SELECT FROM pg_catalog.pg_tables
        WHERE schemaname = %(schema)s
            AND tablename = '_prisma_migrations'
    ),
    CASE
        WHEN to_regclass(format('%%I._prisma_migrations', %(schema)s::text)) IS NULL THEN false
        ELSE has_table_privilege(format('%%I._prisma_migrations', %(schema)s::text), 'SELECT')
    END
"""

_UNDER_WAY = """
SELECT
    (
        SELECT migration_name
        FROM platform._prisma_migrations
        WHERE finished_at IS NULL
            AND rolled_back_at IS NULL
        ORDER BY started_at DESC
        LIMIT 1
    ),
    coalesce(
        max(coalesce(finished_at, started_at)) < now() - %(seconds)s * INTERVAL '1 second',
        false
    )
FROM platform._prisma_migrations
"""

_ELSEWHERE = """
SELECT min(schemaname)
FROM pg_catalog.pg_tables
WHERE tablename = 'AgentGraphExecution'
    AND schemaname <> %(schema)s
"""


def platform_tables(connection: psycopg.Connection[Any], schema_name: str) -> PlatformTables:
    """Look what there is of AutoGPT's in the schema `schema_name`."""
    row = connection.execute(_EXIST, {"schema": schema_name}).fetchone()
    assert row is not None
    exist, by_autogpt, readable = row
    if not readable:
        return PlatformTables(exist, by_autogpt, None, settled=True)
    place = quoted(schema_name).replace("%", "%%") + "."
    sql = _UNDER_WAY.replace("platform.", place)
    row = connection.execute(sql.encode(), {"seconds": SETTLED_AFTER}).fetchone()
    assert row is not None
    return PlatformTables(exist, by_autogpt, row[0], row[1])


def refuse_unready(
    connection: psycopg.Connection[Any], schema_name: str, tables: PlatformTables, *, create: bool
) -> None:
    """Refuse a schema that AutoGPT's migrations have yet to make or are changing now.

    Args:
        connection: To the database.
        schema_name: Where AutoGPT's tables should be.
        tables: What `platform_tables` found there.
        create: Whether missing tables would be made.

    Raises:
        SchemaAwaitedError: AutoGPT's migrations are awaited.
        SchemaError: The tables are in another schema.
    """
    if tables.unfinished is not None:
        raise SchemaAwaitedError(
            f"AutoGPT's migration {tables.unfinished} has begun and not ended. If none runs, it "
            "has failed: AutoGPT's log says why, and `prisma migrate resolve` goes on from there."
        )
    if tables.exist:
        return
    # A URL that lacks ?schema= must not get a second, empty set of tables beside the real one.
    row = connection.execute(_ELSEWHERE, {"schema": schema_name}).fetchone()
    elsewhere = row[0] if row else None
    if elsewhere is not None:
        raise SchemaError(
            f"AutoGPT's tables are in the schema {elsewhere!r} of this database, but the URL names "
            f"{schema_name!r} (Prisma's default is 'public'). Add ?schema={elsewhere} to "
            "DATABASE_URL, or name an empty database. Nothing has been changed."
        )
    if not create:
        raise SchemaAwaitedError(
            f"The schema {schema_name!r} has no tables of AutoGPT's. Its own migrations make them; "
            "without AutoGPT, `autogpt-db migrate --create` does, in a database that AutoGPT's "
            "migrations will not take over."
        )
