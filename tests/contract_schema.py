"""tests/contract/schema.md as data, and a database's catalogs in the same words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import psycopg

PAGE = Path(__file__).parent / "contract" / "schema.md"
_ROW = re.compile(r'^\| "(\w+)" \| (.+?) \| (yes|no) \| (?:`(.+)`)? *\|$')
_FACT = re.compile(r"^- ((?:PK|UNIQUE|FK|CHECK|index|trigger) `\w+`: .+)$")


class Table(NamedTuple):
    """A table in the page's words.

    Attributes:
        columns: Name, type, nullability (`yes` or `no`) and default of each, in order.
        facts: Constraints, indexes and triggers, as the page's lines.
    """

    columns: list[tuple[str, str, str, str]]
    facts: set[str]


def contract_tables() -> dict[str, Table]:
    """Return the tables of schema.md §5."""
    found: dict[str, Table] = {}
    for section in re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        lines = section.splitlines()
        rows = [(m[1], m[2], m[3], m[4] or "") for line in lines if (m := _ROW.match(line))]
        facts = {m[1] for line in lines if (m := _FACT.match(line))}
        found[lines[0].strip('"')] = Table(rows, facts)
    return found


def contract_enums() -> dict[str, list[str]]:
    """Return the enums of schema.md §3, labels in order."""
    lines = re.findall(r'^\* `"(\w+)"`: (.+)$', PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: labels.split(", ") for name, labels in lines}


def contract_store_agent() -> list[str]:
    """Return the columns of the view "StoreAgent" with their types, in order (schema.md §4)."""
    text = PAGE.read_text("utf-8")
    part = text[text.index('**View "StoreAgent"**') : text.index("**Function `update_unified")]
    columns = []
    rows = re.findall(r'^\| ("?[a-z][^|]+) \| ([^|]+) \| .+ \|$', part, re.MULTILINE)
    for names, words in rows[1:]:
        kind = words.removesuffix(" null").replace("(3)", "(3) without time zone")
        columns += [f"{name.strip()} {kind}".replace('"', "") for name in names.split(",")]
    return columns


_COLUMNS = """
SELECT
    class.relname,
    attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod),
    CASE WHEN attribute.attnotnull THEN 'no' ELSE 'yes' END,
    coalesce(pg_get_expr(value.adbin, value.adrelid), '')
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
LEFT JOIN pg_catalog.pg_attrdef AS value
    ON value.adrelid = class.oid AND value.adnum = attribute.attnum
WHERE class.relnamespace = 'platform'::regnamespace
    AND class.relkind = 'r'
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
ORDER BY class.relname, attribute.attnum
"""

_FACTS = """
SELECT
    class.relname,
    format(
        '%%s `%%s`: %%s',
        CASE con.contype
            WHEN 'p' THEN 'PK' WHEN 'u' THEN 'UNIQUE' WHEN 'f' THEN 'FK' WHEN 'c' THEN 'CHECK'
            ELSE con.contype::text
        END,
        con.conname,
        pg_get_constraintdef(con.oid)
    )
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_class AS class ON class.oid = con.conrelid
WHERE con.connamespace = 'platform'::regnamespace
    AND con.contype <> 'n'  -- PostgreSQL 18 counts NOT NULL in; the columns say it
UNION ALL
SELECT
    class.relname,
    format(
        'index `%%s`: %%s%%s',
        one.relname,
        CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END,
        regexp_replace(pg_get_indexdef(one.oid), '^.* USING ', '')
    )
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS one ON one.oid = index.indexrelid
JOIN pg_catalog.pg_class AS class ON class.oid = index.indrelid
WHERE one.relnamespace = 'platform'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = one.oid
        AND contype IN ('p', 'u'))
UNION ALL
SELECT
    class.relname,
    format(
        'trigger `%%s`: %%s → %%s',
        tgname,
        regexp_replace(pg_get_triggerdef(trigger.oid), '^.* (BEFORE .+) ON .*$', '\\1'),
        format('%%s.%%s()', pronamespace::regnamespace, proname)
    )
FROM pg_catalog.pg_trigger AS trigger
JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
WHERE class.relnamespace = 'platform'::regnamespace AND NOT trigger.tgisinternal
"""

_ENUMS = """
SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder)
FROM pg_catalog.pg_enum
JOIN pg_catalog.pg_type AS type ON type.oid = enumtypid
WHERE typnamespace = 'platform'::regnamespace
GROUP BY typname
"""


def tables_of(connection: psycopg.Connection[Any]) -> dict[str, Table]:
    """Return the tables of schema `platform` (with the facts of its materialized views)."""
    # With the schema on the path names come unqualified, as on the page.
    connection.execute("SELECT set_config('search_path', 'platform', false)")
    found: dict[str, Table] = {}
    for table, *column in connection.execute(_COLUMNS.encode()):
        name, kind, null, default = column
        found.setdefault(table, Table([], set())).columns.append((name, kind, null, default))
    for table, fact in connection.execute(_FACTS.replace("%%", "%").encode()):
        found.setdefault(table, Table([], set())).facts.add(fact)
    return found


def enums_of(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Return the enums of schema `platform`, labels in order."""
    return dict(connection.execute(_ENUMS.encode()).fetchall())


def columns_of(connection: psycopg.Connection[Any], relation: str) -> list[str]:
    """Return the columns of a view with their types, in order."""
    rows = connection.execute(
        """SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""",
        (relation,),
    )
    return [row[0] for row in rows]
