"""What our role may do where our own schema is, or would be made: asked before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database import troubles
from autogpt_db.database.troubles import quoted
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
    return RightsError(
        f"{caused[0].upper()}{caused[1:]}", trouble.remedied(**names), whose=trouble.whose
    )
