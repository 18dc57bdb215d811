"""Bringing the schema up to this program: numbered SQL files, checksums, one runner at a time.

`0001_*` and `platform_*` are AutoGPT's own tables: the first for an empty database, the second for
what the first made. Neither is ever applied where AutoGPT's migrations have run. Every other file
is ours and lives in schema `autogpt_db`. All of it happens in one transaction that holds an
advisory lock: of two daemons that start at once exactly one migrates, also behind a transaction
pooler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autogpt_db.database.provisioning.mending import Left, Mending, look, mend, unrecorded
from autogpt_db.database.provisioning.migration_files import EXTENSIONS, migrations
from autogpt_db.database.provisioning.migration_record import (
    BOOKKEEPING,
    adopted,
    record,
    recorded_in,
    refuse_changed,
    refuse_newer,
    scalar,
)
from autogpt_db.database.provisioning.ours import expected, used_by
from autogpt_db.database.provisioning.platform_tables import platform_tables, refuse_unready
from autogpt_db.database.provisioning.rights import open_to_us, refuse_closed, refuse_without_rights
from autogpt_db.database.provisioning.verification import verify
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg

    from autogpt_db.database.provisioning.migration_files import Migration
    from autogpt_db.database.provisioning.platform_tables import PlatformTables
    from autogpt_db.database.schema import Needed

LOCK = 0x61757467_70746462
"""Key of the advisory lock: `autgptdb` in ASCII."""


@dataclass(frozen=True, slots=True)
class MigrationOutcome:
    """What a run did.

    Attributes:
        applied: Names of the files applied.
        kept_aside: For each table and reason, how many rows were moved to
            `autogpt_db.row_kept_aside`, because the tables of the later release forbid them.
        mended: What of ours was missing or different, and was made anew, in words.
        left: What of ours is wrong, and waits for somebody to decide.
    """

    applied: tuple[str, ...]
    kept_aside: Mapping[tuple[str, str], int] = field(default_factory=dict)
    mended: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


def migrate(
    connection: psycopg.Connection[Any],
    *,
    schema_name: str,
    create: bool = False,
    upgrade: bool = False,
    needed: Needed | None = None,
) -> MigrationOutcome:
    """Apply what is missing, then verify that everything the methods need is there.

    Args:
        connection: In autocommit mode, as a role that may create schemas in the database.
        schema_name: The schema of AutoGPT's tables.
        create: Make AutoGPT's tables where there are none.
        upgrade: Bring AutoGPT's tables, where we made them, to those of a later release.
        needed: What must be there; None: only what is ours is looked at.

    Raises:
        SchemaAwaitedError: AutoGPT's migrations have yet to make its tables, or run now.
        SchemaError: An applied file has changed, the database is newer than this program, or
            objects of AutoGPT's are missing or in another schema. Nothing has been changed then.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        refuse_without_rights(connection, schema_name)
        opened = open_to_us(connection)
        recorded = recorded_in(connection)
        refuse_newer(connection, recorded)
        refuse_changed(recorded)
        tables = platform_tables(connection, schema_name)
        refuse_unready(connection, schema_name, tables, create=create)
        ours = _ours(recorded, tables)
        if not ours and needed is not None:
            verify(connection, schema_name, needed)
        waiting = _waiting(connection, recorded, tables, upgrade=upgrade)
        if waiting:
            connection.execute(BOOKKEEPING)
            waiting = adopted(connection, waiting, recorded)
        names = {*recorded} - {migration.name for migration in waiting}
        _set_search_path(connection, schema_name)
        mending = mend(connection, names, schema_name)
        _refuse_useless(mending, names, schema_name, needed)
        for migration in waiting:
            _set_search_path(connection, schema_name)
            # No parameters: the file goes as one simple query of many statements.
            connection.execute(migration.statements(schema_name).encode())
            record(connection, migration)
        if ours and needed is not None:
            verify(connection, schema_name, needed)
        applied = tuple(migration.name for migration in waiting)
        upgraded = any(migration.upgrade for migration in waiting)
        kept_aside = _kept_aside(connection) if upgraded else {}
        mended = (*opened, *mending.mended)
        return MigrationOutcome(applied, kept_aside, mended, mending.left)


def pending(
    connection: psycopg.Connection[Any],
    *,
    schema_name: str,
    create: bool = False,
    upgrade: bool = False,
    needed: Needed | None = None,
) -> list[str]:
    """Return the names of the files that `migrate` would apply; change nothing.

    Raises:
        SchemaError: As `migrate` would.
    """
    refuse_without_rights(connection, schema_name)
    refuse_closed(connection)
    recorded = recorded_in(connection)
    refuse_newer(connection, recorded)
    refuse_changed(recorded)
    tables = platform_tables(connection, schema_name)
    refuse_unready(connection, schema_name, tables, create=create)
    if tables.exist and needed is not None:
        verify(connection, schema_name, needed)
    return [one.name for one in _waiting(connection, recorded, tables, upgrade=upgrade)]


def unsound(connection: psycopg.Connection[Any], *, schema_name: str) -> Mending:
    """Return what of ours is missing or different: what `migrate` mends, and what it leaves.

    Args:
        connection: To the database; nothing is changed.
        schema_name: The schema of AutoGPT's tables.
    """
    recorded = recorded_in(connection)
    return look(connection, {*recorded} | unrecorded(connection, recorded), schema_name)


def pending_upgrade(connection: psycopg.Connection[Any], *, schema_name: str) -> list[str]:
    """Return the names of the files that would bring tables of our making to a later release."""
    tables = platform_tables(connection, schema_name)
    if not tables.exist:
        return []
    waiting = _waiting(connection, recorded_in(connection), tables, upgrade=True)
    return [one.name for one in waiting if one.upgrade]


def _refuse_useless(
    mending: Mending, names: Collection[str], schema_name: str, needed: Needed | None
) -> None:
    """Refuse what is wrong with ours where every run of an agent meets it."""
    if not mending.left or needed is None:
        return
    wanted = expected(names, schema_name)
    used = used_by(needed.ours(), wanted)
    met = [left for left in mending.left if left.subject in used]
    if met:
        raise SchemaError(told_of_ours(met))


def told_of_ours(left: Iterable[Left]) -> str:
    """Return in words what of ours is wrong, and what to do about each."""
    each = " ".join(f"{one.what}: {one.remedy}" for one in left)
    return f"What is ours, in the schema autogpt_db, is not as the migrations made it. {each}"


def _ours(recorded: dict[str, tuple[int, str]], tables: PlatformTables) -> bool:
    # Whatever the record says: where AutoGPT's migrations have run, the tables are theirs.
    return not tables.by_autogpt and ("0001_platform" in recorded or not tables.exist)


def _waiting(
    connection: psycopg.Connection[Any],
    recorded: dict[str, tuple[int, str]],
    tables: PlatformTables,
    *,
    upgrade: bool,
) -> list[Migration]:
    ours = _ours(recorded, tables)
    found = []
    for migration in migrations():
        if migration.name in recorded or (migration.theirs and not ours):
            continue
        if migration.upgrade and tables.exist and not upgrade:
            continue
        extension = EXTENSIONS.get(migration.name)
        if extension is not None and not _to_be_had(connection, extension):
            continue
        found.append(migration)
    return found


def _kept_aside(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], int]:
    rows = connection.execute(
        'SELECT "table", reason, count(*) FROM autogpt_db.row_kept_aside'
        ' GROUP BY "table", reason ORDER BY "table", reason'
    )
    return {(table, reason): count for table, reason, count in rows}


def _set_search_path(connection: psycopg.Connection[Any], schema_name: str) -> None:
    """Put AutoGPT's schema on the path, and whatever schemas its extensions live in."""
    connection.execute(
        """
        SELECT set_config('search_path', concat_ws(', ', %s::text, 'public', 'extensions', (
            SELECT string_agg(quote_ident(place.nspname), ', ')
            FROM pg_catalog.pg_extension AS extension
            JOIN pg_catalog.pg_namespace AS place ON place.oid = extension.extnamespace
            WHERE extension.extname IN ('vector', 'pg_trgm')
        )), true)
        """,
        (quoted(schema_name),),
    )


def _to_be_had(connection: psycopg.Connection[Any], extension: str) -> bool:
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = %s)"
            " OR EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = %s)",
            extension,
            extension,
        )
    )
