"""What our role may do where our own schema is, or would be made: asked before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.errors import RightsError

if TYPE_CHECKING:
    import psycopg

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
        SELECT string_agg(DISTINCT pg_get_userbyid(class.relowner), ', ')
        FROM pg_catalog.pg_class AS class
        WHERE class.relnamespace = ours.oid
            AND class.relkind IN ('r', 'p', 'S', 'v')
            AND NOT pg_has_role(class.relowner, 'USAGE')
    )
FROM (VALUES (1)) AS always
LEFT JOIN pg_catalog.pg_namespace AS ours ON ours.nspname = 'autogpt_db'
"""


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
    who = quoted(role)
    if may_use is False:
        place = quoted(schema_name)
        raise RightsError(
            f"The role {role!r} may not look into AutoGPT's schema {schema_name!r}.",
            f"GRANT USAGE ON SCHEMA {place} TO {who};",
            whose="its owner",
        )
    if not exists and not may_create:
        raise RightsError(
            f"The role {role!r} may not make a schema in the database {database!r}; what is ours "
            "lives in the schema autogpt_db.",
            f"GRANT CREATE ON DATABASE {quoted(database)} TO {who};",
            whose="the database's owner",
        )
    if exists and not is_owner:
        raise RightsError(
            f"The schema autogpt_db belongs to the role {owner!r}, and the service runs as "
            f"{role!r}, which cannot keep what is in it.",
            f"GRANT {quoted(owner)} TO {who};",
            whose="an administrator, or let DATABASE_URL name that role",
        )
    if others:
        raise RightsError(
            f"Tables in the schema autogpt_db belong to {others}, and the service runs as "
            f"{role!r}, which cannot keep them.",
            f"GRANT {quoted(others.partition(', ')[0])} TO {who};",
            whose="an administrator",
        )


def quoted(identifier: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'
