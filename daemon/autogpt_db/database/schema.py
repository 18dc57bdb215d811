"""Verifying that a database has everything the methods need, and naming all that is missing.

What is expected is read from our own 0001_platform.sql, so that there is one source for it.
Whatever else a later AutoGPT release has added is none of our business.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import SchemaError

if TYPE_CHECKING:
    import psycopg
    from structlog.typing import FilteringBoundLogger

_ENUM = re.compile(r'CREATE TYPE platform\."(\w+)" AS ENUM \((.*?)\);', re.DOTALL)
_TABLE = re.compile(r'CREATE TABLE platform\."(\w+)" \((.*?)\n\);', re.DOTALL)
_COLUMN = re.compile(r'^ {4}"(\w+)" (.+?)(?: NOT NULL)?(?: DEFAULT .+)?,?$', re.MULTILINE)
_UNIQUE = re.compile(r'CREATE UNIQUE INDEX "(\w+)"|CONSTRAINT "(\w+)"\s+(?:PRIMARY KEY|UNIQUE)')

# AutoGPT v0.6.51 dropped it, and no statement of ours uses it.
_DROPPED_LATER = ("StoreListing", "agentGraphVersion")

# Needed by store methods alone: their absence is a warning, and those methods do without.
OPTIONAL = ("StoreAgent", "mv_agent_run_counts", "mv_review_stats", "UnifiedContentEmbedding")


class Expected(NamedTuple):
    """What a database must have.

    Attributes:
        columns: Table, column and type of each.
        labels: Enum and label of each.
        unique: Names of primary keys and unique indexes.
    """

    columns: tuple[tuple[str, str, str], ...]
    labels: tuple[tuple[str, str], ...]
    unique: tuple[str, ...]


@cache
def expected() -> Expected:
    """Return what 0001_platform.sql makes."""
    path = files("autogpt_db.database").joinpath("migrations", "0001_platform.sql")
    text = path.read_text("utf-8")
    columns = [
        (table, column, kind)
        for table, body in _TABLE.findall(text)
        for column, kind in _COLUMN.findall(body)
        if (table, column) != _DROPPED_LATER
    ]
    labels = [
        (enum, label)
        for enum, body in _ENUM.findall(text)
        for label in re.findall(r"'(\w+)'", body)
    ]
    unique = [one or other for one, other in _UNIQUE.findall(text)]
    return Expected(tuple(columns), tuple(labels), tuple(unique))


_MISSING_COLUMNS = """
SELECT
    wanted."table",
    wanted."column",
    wanted.kind,
    to_regclass(format('%%I.%%I', %(schema)s::text, wanted."table")) IS NULL AS no_table,
    format_type(present.atttypid, present.atttypmod) AS found
FROM jsonb_to_recordset(%(columns)s::jsonb) AS wanted ("table" text, "column" text, kind text)
LEFT JOIN pg_catalog.pg_attribute AS present
    ON present.attrelid = to_regclass(format('%%I.%%I', %(schema)s::text, wanted."table"))
    AND present.attname = wanted."column"
    AND NOT present.attisdropped
WHERE present.attname IS NULL
    OR present.atttypid IS DISTINCT FROM to_regtype(regexp_replace(wanted.kind, '\\(\\d+\\)', ''))
"""

_MISSING_LABELS = """
SELECT wanted.enum, wanted.label
FROM jsonb_to_recordset(%(labels)s::jsonb) AS wanted (enum text, label text)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_enum AS present
    WHERE present.enumtypid = to_regtype(format('%%I.%%I', %(schema)s::text, wanted.enum))
        AND present.enumlabel = wanted.label
)
"""

_MISSING_UNIQUE = """
SELECT wanted.name
FROM jsonb_array_elements_text(%(unique)s::jsonb) AS wanted (name)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_class AS present
    JOIN pg_catalog.pg_index AS index ON index.indexrelid = present.oid AND index.indisunique
    JOIN pg_catalog.pg_namespace AS place ON place.oid = present.relnamespace
    WHERE place.nspname = %(schema)s AND present.relname = wanted.name
)
"""

_MISSING_OPTIONAL = """
SELECT wanted.name
FROM jsonb_array_elements_text(%(optional)s::jsonb) AS wanted (name)
WHERE to_regclass(format('%%I.%%I', %(schema)s::text, wanted.name)) IS NULL
"""


def verify(
    connection: psycopg.Connection[Any], schema_name: str, log: FilteringBoundLogger
) -> None:
    """Check tables, columns and their types, enum labels, and unique indexes.

    Raises:
        SchemaError: Names everything that is missing, in one message.
    """
    missing = _missing(connection, schema_name)
    if missing:
        level = _autogpt_level(connection, schema_name)
        raise SchemaError(
            f"The schema {schema_name!r} lacks what autogpt-db needs: {'; '.join(missing)}. "
            f"{level}Run AutoGPT's own migrations, or name the right schema in DATABASE_URL "
            "(?schema=platform). Nothing has been changed."
        )
    parameters = {"schema": schema_name, "optional": json.dumps(OPTIONAL)}
    absent = [row[0] for row in connection.execute(_MISSING_OPTIONAL, parameters)]
    if absent:
        log.warning(
            "schema_partly_there",
            missing=absent,
            remedy="install pgvector and restart, or run AutoGPT's migrations; "
            "store search does without until then",
        )


def _missing(connection: psycopg.Connection[Any], schema_name: str) -> list[str]:
    wanted = expected()
    place = '"' + schema_name.replace('"', '""') + '"'
    columns = [
        {"table": table, "column": column, "kind": kind.replace("platform.", f"{place}.")}
        for table, column, kind in wanted.columns
    ]
    parameters = {
        "schema": schema_name,
        "columns": json.dumps(columns),
        "labels": json.dumps([{"enum": enum, "label": label} for enum, label in wanted.labels]),
        "unique": json.dumps(wanted.unique),
    }
    found: list[str] = []
    tables: set[str] = set()
    for table, column, kind, no_table, present in connection.execute(_MISSING_COLUMNS, parameters):
        if no_table:
            if table not in tables:
                tables.add(table)
                found.append(f'table "{table}"')
        elif present is None:
            found.append(f'column "{table}"."{column}"')
        else:
            found.append(f'column "{table}"."{column}" as {kind} (it is {present})')
    labels: dict[str, list[str]] = {}
    for enum, label in connection.execute(_MISSING_LABELS, parameters):
        labels.setdefault(enum, []).append(label)
    for enum, absent in labels.items():
        whole = len(absent) == sum(name == enum for name, _ in wanted.labels)
        found.append(f'type "{enum}"' if whole else f'labels {", ".join(absent)} of type "{enum}"')
    for (name,) in connection.execute(_MISSING_UNIQUE, parameters):
        if not any(name.startswith(f"{table}_") for table in tables):
            found.append(f'unique index "{name}"')
    return found


def _autogpt_level(connection: psycopg.Connection[Any], schema_name: str) -> str:
    place = '"' + schema_name.replace('"', '""') + '"'
    row = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL", (f"{place}._prisma_migrations",)
    ).fetchone()
    if not row or not row[0]:
        return ""
    last = connection.execute(
        f"SELECT migration_name FROM {place}._prisma_migrations"
        " WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL"
        " ORDER BY migration_name DESC LIMIT 1"
    ).fetchone()
    return f"Its latest AutoGPT migration is {last[0]}. " if last else ""
