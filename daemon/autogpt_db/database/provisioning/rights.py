"""What our role may do where our own schema is, or would be made: asked before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from autogpt_db.database import troubles
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import RightsError

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.database.troubles import Trouble

_RIGHTS = """
SELECT
    current_user,
    current_database(),
    has_database_privilege(current_database(), 'CREATE'),
    (
        SELECT has_schema_privilege(oid, 'USAGE')
        FROM pg_catalog.pg_namespace
        WHERE nspname = %(schema)s
    ),
    ours.oid IS NOT NULL,
    pg_get_userbyid(ours.nspowner),
    pg_has_role(ours.nspowner, 'USAGE'),
    (
        SELECT array_agg(DISTINCT pg_get_userbyid(class.relowner)::text)
        FROM pg_catalog.pg_class AS class
        WHERE class.relnamespace = ours.oid
            AND class.relkind IN ('r', 'p', 'S', 'v')
            AND NOT pg_has_role(class.relowner, 'USAGE')
    )
FROM (VALUES (1)) AS always
LEFT JOIN pg_catalog.pg_namespace AS ours ON ours.nspname = 'autogpt_db'
"""

# An owner may do everything but what has been revoked, and may always grant it again.
_CLOSED: LiteralString = """
SELECT closed.name, string_agg(closed.verb, ', ' ORDER BY closed.place)
FROM (
    SELECT 'SCHEMA autogpt_db' AS name, verb.name AS verb, verb.place
    FROM pg_catalog.pg_namespace AS ours
    CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) WITH ORDINALITY AS verb (name, place)
    WHERE ours.nspname = 'autogpt_db'
        AND NOT has_schema_privilege(ours.oid, verb.name)
    UNION ALL
    SELECT format('TABLE autogpt_db.%I', class.relname), verb.name, verb.place
    FROM pg_catalog.pg_class AS class
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES'])
        WITH ORDINALITY AS verb (name, place)
    WHERE class.relnamespace = to_regnamespace('autogpt_db')
        AND class.relkind IN ('r', 'p')
        AND NOT has_table_privilege(class.oid, verb.name)
    UNION ALL
    SELECT format('SEQUENCE autogpt_db.%I', class.relname), verb.name, verb.place
    FROM pg_catalog.pg_class AS class
    CROSS JOIN unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) WITH ORDINALITY AS verb (name, place)
    WHERE class.relnamespace = to_regnamespace('autogpt_db')
        AND class.relkind = 'S'
        AND NOT has_sequence_privilege(class.oid, verb.name)
) AS closed
GROUP BY closed.name
ORDER BY closed.name
"""


class Closed(NamedTuple):
    """Something of ours that our role has lost its rights to.

    Attributes:
        what: The rights and what they are to, in a clause.
        remedy: The statement that gives them back.
    """

    what: str
    remedy: str


def closed_to_us(connection: psycopg.Connection[Any]) -> tuple[Closed, ...]:
    """Return what of ours is there, and our role may not use; functions are looked at elsewhere.

    Args:
        connection: To the database, as our role.
    """
    rows = connection.execute(_CLOSED).fetchall()
    if not rows:
        return ()
    row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    trouble, role = troubles.OURS_CLOSED, quoted(row[0])
    return tuple(
        Closed(
            trouble.caused(role=role, right=right, name=name),
            trouble.remedied(role=role, right=right, name=name),
        )
        for name, right in rows
    )


def open_to_us(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Give our role back what it has lost of its rights to what is ours; return that in words.

    Whoever owns something may grant it, whatever has been revoked.

    Args:
        connection: To the database, as our role.
    """
    closed = closed_to_us(connection)
    for each in closed:
        connection.execute(each.remedy.encode())
    return tuple(each.what for each in closed)


def refuse_closed(connection: psycopg.Connection[Any]) -> None:
    """Refuse to look at what is ours where our role may not.

    Args:
        connection: To the database, as our role.

    Raises:
        RightsError: It names the first of what is closed, and the statement that opens it.
    """
    for what, remedy in closed_to_us(connection):
        raise RightsError(_capital(what), remedy, whose=troubles.OURS_CLOSED.whose)


def refuse_without_rights(connection: psycopg.Connection[Any], schema_name: str) -> None:
    """Refuse a database in which our role cannot do what starting needs.

    Args:
        connection: To the database, as our role.
        schema_name: The schema of AutoGPT's tables.

    Raises:
        RightsError: It names what is missing, and the statement that mends it.
    """
    row = connection.execute(_RIGHTS, {"schema": schema_name}).fetchone()
    assert row is not None
    role, database, may_create, may_use, exists, owner, is_owner, others = row
    names = {"role": quoted(role), "database": quoted(database), "schema": quoted(schema_name)}
    if may_use is False:
        raise _refused(troubles.NO_USAGE, **names)
    if not exists and not may_create:
        raise _refused(troubles.NO_CREATE, **names)
    if exists and not is_owner:
        raise _refused(troubles.OURS_BELONG_TO_ANOTHER, **names, owner=quoted(owner))
    if others:
        raise _refused(
            troubles.OUR_TABLES_BELONG_TO_ANOTHER,
            **names,
            owners=", ".join(map(quoted, others)),
            statements=" ".join(f"GRANT {quoted(one)} TO {quoted(role)};" for one in others),
        )


def _refused(trouble: Trouble, **names: str) -> RightsError:
    caused = trouble.caused(**names)
    return RightsError(_capital(caused), trouble.remedied(**names), whose=trouble.whose)


def _capital(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}"
