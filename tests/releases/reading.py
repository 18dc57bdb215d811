"""A live database's catalogue in the form that catalogs/ has, and what differs between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

_EXTENSIONS = """
SELECT extension.extname, place.nspname
FROM pg_catalog.pg_extension AS extension
JOIN pg_catalog.pg_namespace AS place ON place.oid = extension.extnamespace
WHERE extension.extname IN ('vector', 'pg_trgm')
"""

_ENUMS = """
SELECT kind.typname, array_agg(label.enumlabel::text ORDER BY label.enumsortorder)
FROM pg_catalog.pg_enum AS label
JOIN pg_catalog.pg_type AS kind ON kind.oid = label.enumtypid
WHERE kind.typnamespace = 'platform'::regnamespace
GROUP BY kind.typname
"""

_RELATIONS = """
SELECT
    relation.oid,
    relation.relname,
    relation.relkind::text,
    array_agg(
        jsonb_build_array(
            attribute.attname,
            format_type(attribute.atttypid, attribute.atttypmod),
            CASE WHEN attribute.attnotnull THEN '' ELSE '?' END
        ) || CASE WHEN value.adbin IS NULL THEN '[]'
            ELSE jsonb_build_array(pg_get_expr(value.adbin, value.adrelid)) END
        ORDER BY attribute.attnum
    ) FILTER (WHERE attribute.attnum IS NOT NULL)
FROM pg_catalog.pg_class AS relation
LEFT JOIN pg_catalog.pg_attribute AS attribute
    ON attribute.attrelid = relation.oid
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS value
    ON value.adrelid = relation.oid
    AND value.adnum = attribute.attnum
WHERE relation.relnamespace = 'platform'::regnamespace
    AND relation.relkind IN ('r', 'v', 'm', 'S')
    AND relation.relname <> '_prisma_migrations'
GROUP BY relation.oid
"""

_CONSTRAINTS = """
SELECT
    one.conrelid,
    one.contype::text,
    one.conname,
    (
        SELECT array_agg(attribute.attname::text ORDER BY place.number)
        FROM unnest(one.conkey) WITH ORDINALITY AS place (attnum, number)
        JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = one.conrelid
            AND attribute.attnum = place.attnum
    ),
    target.relname,
    (
        SELECT array_agg(attribute.attname::text ORDER BY place.number)
        FROM unnest(one.confkey) WITH ORDINALITY AS place (attnum, number)
        JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = one.confrelid
            AND attribute.attnum = place.attnum
    ),
    one.confdeltype::text,
    one.confupdtype::text,
    pg_get_expr(one.conbin, one.conrelid)
FROM pg_catalog.pg_constraint AS one
LEFT JOIN pg_catalog.pg_class AS target ON target.oid = one.confrelid
WHERE one.connamespace = 'platform'::regnamespace
    AND one.contype IN ('p', 'u', 'f', 'c')
    AND one.convalidated
ORDER BY one.conname
"""

_INDEXES = """
SELECT
    one.indrelid,
    relation.relname,
    one.indisunique,
    method.amname,
    (
        SELECT array_agg(
            CASE
                WHEN one.indkey[key - 1] = 0 THEN '=' || pg_get_indexdef(one.indexrelid, key, false)
                ELSE (
                    SELECT attname::text FROM pg_catalog.pg_attribute
                    WHERE attrelid = one.indrelid AND attnum = one.indkey[key - 1]
                )
            END
            || CASE WHEN class.opcdefault THEN '' ELSE ' ' || class.opcname END
            || CASE WHEN one.indoption[key - 1] & 1 = 1 THEN ' DESC' ELSE '' END
            ORDER BY key
        )
        FROM generate_series(1, one.indnkeyatts) AS key
        JOIN pg_catalog.pg_opclass AS class ON class.oid = one.indclass[key - 1]
    ),
    one.indnullsnotdistinct,
    pg_get_expr(one.indpred, one.indrelid)
FROM pg_catalog.pg_index AS one
JOIN pg_catalog.pg_class AS relation ON relation.oid = one.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = relation.relam
WHERE relation.relnamespace = 'platform'::regnamespace
    AND one.indisvalid
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint
        WHERE conindid = one.indexrelid AND contype IN ('p', 'u')
    )
ORDER BY relation.relname
"""

_READS = """
SELECT rule.ev_class, array_agg(DISTINCT relation.relname::text ORDER BY relation.relname::text)
FROM pg_catalog.pg_rewrite AS rule
JOIN pg_catalog.pg_depend AS dependency
    ON dependency.classid = 'pg_rewrite'::regclass
    AND dependency.objid = rule.oid
    AND dependency.refclassid = 'pg_class'::regclass
    AND dependency.refobjid <> rule.ev_class
JOIN pg_catalog.pg_class AS relation ON relation.oid = dependency.refobjid
GROUP BY rule.ev_class
"""

_FUNCTIONS = """
SELECT
    function.proname AS name,
    pg_get_function_identity_arguments(function.oid) AS args,
    function.prorettype::regtype::text AS returns,
    language.lanname AS language,
    function.prosecdef AS security_definer,
    function.provolatile::text AS volatility,
    function.proconfig AS settings
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_language AS language ON language.oid = function.prolang
WHERE function.pronamespace = 'platform'::regnamespace
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend
        WHERE objid = function.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
    )
ORDER BY function.proname
"""

_TRIGGERS = """
SELECT
    relation.relname,
    one.tgname,
    function.proname,
    regexp_replace(pg_get_triggerdef(one.oid), '^.* (BEFORE|AFTER) (.+) ON .* FOR', '\\1 \\2 FOR')
FROM pg_catalog.pg_trigger AS one
JOIN pg_catalog.pg_proc AS function ON function.oid = one.tgfoid
JOIN pg_catalog.pg_class AS relation ON relation.oid = one.tgrelid
WHERE relation.relnamespace = 'platform'::regnamespace
    AND NOT one.tgisinternal
"""

_LISTS = {"p": "primary_key", "u": "unique", "f": "foreign_keys", "c": "checks"}


def read(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Return the catalogue of schema `platform`."""
    # Names come out bare where their schema is on the path, as they are in the files.
    path = "SELECT set_config('search_path', 'platform, public, extensions', false)"
    connection.execute(path)
    made: dict[str, Any] = {
        "extensions": dict(connection.execute(_EXTENSIONS).fetchall()),
        "enums": dict(connection.execute(_ENUMS).fetchall()),
        "tables": {},
        "views": {},
        "sequences": [],
        "functions": _functions(connection),
        "triggers": _triggers(connection),
    }
    by_number: dict[int, dict[str, Any]] = {}
    for number, name, kind, columns in connection.execute(_RELATIONS).fetchall():
        if kind == "S":
            made["sequences"].append(name)
        elif kind == "r":
            by_number[number] = made["tables"][name] = {"columns": columns}
        else:
            by_number[number] = made["views"][name] = {
                "materialized": kind == "m",
                "columns": [column[:2] for column in columns],
            }
    _add_constraints(connection, by_number)
    _add_indexes(connection, by_number)
    for number, reads in connection.execute(_READS).fetchall():
        if number in by_number:
            by_number[number]["reads"] = reads
    return made


def differences(wanted: Any, found: Any, where: str = "", *, ordered: bool = True) -> list[str]:
    """Return what differs, each with its place; columns' order counts where `ordered`.

    Only what `read` returns is compared: names of files, words and counts are not.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        lines = []
        for name in sorted(wanted.keys() | found.keys()):
            if name not in found:
                lines.append(f"{where}{name}: missing")
            elif name not in wanted:
                lines.append(f"{where}{name}: unexpected")
            else:
                place = f"{where}{name}."
                lines += differences(wanted[name], found[name], place, ordered=ordered)
        return lines
    if not ordered and where.endswith(".columns."):
        wanted, found = sorted(wanted), sorted(found)
    return [] if wanted == found else [f"{where.rstrip('.')}: {wanted} became {found}"]


def comparable(catalogue: dict[str, Any]) -> dict[str, Any]:
    """Return a file's catalogue as `read` would return it of its database."""
    members = ("extensions", "enums", "tables", "views", "sequences", "functions", "triggers")
    kept = {name: catalogue[name] for name in members}
    kept["functions"] = {
        one["name"]: {name: value for name, value in one.items() if name not in {"name", "does"}}
        for one in catalogue["functions"]
    }
    kept["triggers"] = {one["name"]: one for one in catalogue["triggers"]}
    return kept


def _functions(connection: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    cursor = connection.execute(_FUNCTIONS)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row.pop("name"): row for row in rows}


def _triggers(connection: psycopg.Connection[Any]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "table": table,
            "name": name,
            "function": function,
            "when": when.partition(" EXECUTE ")[0],
        }
        for table, name, function, when in connection.execute(_TRIGGERS).fetchall()
    }


def _add_constraints(
    connection: psycopg.Connection[Any], by_number: dict[int, dict[str, Any]]
) -> None:
    for number, kind, name, columns, target, keys, delete, update, condition in connection.execute(
        _CONSTRAINTS
    ).fetchall():
        if number not in by_number:
            continue
        facts: list[Any] = [name, columns]
        if kind == "f":
            facts += [target, keys, ACTIONS[delete], ACTIONS[update]]
        elif kind == "c":
            facts = [name, condition]
        if kind == "p":
            by_number[number][_LISTS[kind]] = facts
        else:
            by_number[number].setdefault(_LISTS[kind], []).append(facts)


def _add_indexes(connection: psycopg.Connection[Any], by_number: dict[int, dict[str, Any]]) -> None:
    for number, name, unique, method, keys, not_distinct, where in connection.execute(
        _INDEXES
    ).fetchall():
        if number not in by_number:
            continue
        extra = {}
        if where is not None:
            extra["where"] = where
        if not_distinct:
            extra["nulls_not_distinct"] = True
        words = f"unique {method}" if unique else method
        by_number[number].setdefault("indexes", []).append(
            [name, words, keys, *([extra] if extra else [])]
        )
