"""What methods need of AutoGPT's schema is what PostgreSQL refuses their statements without."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ages import OLD
from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.catalogue_statement import READ
from autogpt_db.database.schema import read_catalogue
from autogpt_db.operations import load_operations
from autogpt_db.operations.needed import needed
from autogpt_db.statements.methods import needed_by_methods
from autogpt_db.statements.sql import read
from releases.building import LATEST
from service import FIRST, LATER
from statements_of import refusal, statements_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from autogpt_db.operations import Operation

OPERATIONS = load_operations()
Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Yield a connection with our search path to a database that we made."""
    with connected(database_url) as connection:
        yield connection


@pytest.fixture
def latest(release_database: Callable[..., str]) -> Iterator[Connection]:
    """Yield one to a database of the latest release's."""
    with connected(release_database(LATEST, ours=True)) as connection:
        yield connection


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO platform, public, extensions")
        yield connection


def catalogue_of(connection: Connection) -> Catalogue:
    """Return what the database has."""
    row = connection.execute(READ, {"schema": "platform"}).fetchone()
    assert row is not None
    return Catalogue.decode(json.dumps(row[0]).encode())


def test_every_column_that_a_statement_needs_is_known_and_no_other(connection: Connection) -> None:
    check_columns(connection, FIRST.values(), least=60)


def test_every_column_that_a_later_statement_needs_is_known(latest: Connection) -> None:
    check_columns(latest, [OPERATIONS[name] for name in LATER], least=30)


def check_columns(connection: Connection, operations: Iterable[Operation], *, least: int) -> None:
    """Assert that each statement needs the columns without which it is refused, and no others."""
    catalogue = catalogue_of(connection)
    statements = statements_of(operations, Capabilities.of(catalogue))
    needs = {statement: read(statement) for statement in statements}
    assert len(statements) > least
    for statement, methods in statements.items():
        # One that the database lacks something for is refused, and one that it doesn't isn't.
        lacks = needs[statement].lacks(catalogue)
        assert (refusal(connection, statement) is not None) is bool(lacks), (methods, lacks)
    mistakes = []
    for table in sorted({table for each in needs.values() for table in each.tables}):
        for column in catalogue.columns.get(table, ()):
            with connection.transaction(force_rollback=True):
                rename(connection, table, column)
                for statement, methods in statements.items():
                    if table not in needs[statement].tables:
                        continue
                    why = refusal(connection, statement)
                    needed = any(
                        (of, name) == (table, column) for _, of, name in needs[statement].columns
                    )
                    # A column of the same name further out is taken instead: another meaning.
                    replaced = needed and why is None and statement.count(column) > 1
                    if needed is (why is None) and not replaced:
                        mistakes.append((table, column, sorted(methods), why))
    assert mistakes == []


def rename(connection: Connection, table: str, column: str) -> None:
    """Rename a column, so that nothing has it any more, and what stands on it still works."""
    row = connection.execute(
        "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", (f'platform."{table}"',)
    ).fetchone()
    assert row is not None
    kind = {"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW"}[row[0]]
    connection.execute(f'ALTER {kind} platform."{table}" RENAME COLUMN "{column}" TO gone'.encode())


def test_every_label_that_a_statement_needs_is_known(connection: Connection) -> None:
    catalogue = catalogue_of(connection)
    statements = statements_of(FIRST.values(), Capabilities.of(catalogue))
    usable = [each for each in statements if refusal(connection, each) is None]
    missed, found = [], 0
    for enum, labels in catalogue.labels.items():
        for label in labels:
            with connection.transaction(force_rollback=True):
                connection.execute(
                    f"ALTER TYPE platform.\"{enum}\" RENAME VALUE '{label}' TO 'gone'".encode()
                )
                for statement in usable:
                    if f"'{label}'" in statement and refusal(connection, statement) is not None:
                        found += 1
                        if (enum, label) not in read(statement).labels:
                            missed.append((enum, label, sorted(statements[statement])))
    assert missed == []
    assert found > 20


def test_every_table_type_and_index_that_a_method_needs_is_known(connection: Connection) -> None:
    catalogue = catalogue_of(connection)
    capabilities = Capabilities.of(catalogue)
    for name, operation in FIRST.items():
        needs = operation.needs(capabilities)
        assert needs.lacks(catalogue) == (), name
        spared = {table.name for table in operation.tables} - needs.tables
        if OLD:  # later ones do without some tables that v0.6.48's need
            assert spared <= {"UnifiedContentEmbedding"}, name
    kept = OPERATIONS["set_execution_kv_data"].needs(capabilities)
    table = "AgentNodeExecutionKeyValueData"
    connection.execute(f'ALTER TABLE platform."{table}" DROP CONSTRAINT "{table}_pkey"'.encode())
    lacks = kept.lacks(catalogue_of(connection))
    assert [lack.what for lack in lacks] == [f'unique index on "{table}" ("key", "userId")']
    connection.execute(f'ALTER TABLE platform."{table}" ADD COLUMN "new" integer NOT NULL'.encode())
    assert f'a default for "{table}"."new"' in [
        lack.what for lack in kept.lacks(catalogue_of(connection))
    ]
    connection.execute(f'ALTER TABLE platform."{table}" RENAME TO "Other"'.encode())
    lacks = kept.lacks(catalogue_of(connection))
    assert f'table "{table}"' in [lack.what for lack in lacks]


def test_rights_are_needs_and_each_lack_names_what_mends_it(connection: Connection) -> None:
    connection.execute("""
        CREATE ROLE narrow LOGIN;
        GRANT USAGE ON SCHEMA platform, autogpt_db TO narrow;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA platform TO narrow;
        REVOKE UPDATE, SELECT ON platform."User" FROM narrow;
        GRANT SELECT (id, email), UPDATE (email) ON platform."User" TO narrow;
        REVOKE INSERT ON platform."AgentNodeExecutionInputOutput" FROM narrow;
        ALTER TABLE platform."AgentGraph" ENABLE ROW LEVEL SECURITY;
        ALTER TABLE platform."AgentNode" ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_rows ON platform."AgentNode" FOR ALL TO narrow USING (true);
    """)
    try:
        connection.execute("SET ROLE narrow")
        catalogue = catalogue_of(connection)
        lacks = {
            name: found
            for name, operation in FIRST.items()
            if (found := operation.needs(Capabilities.of(catalogue)).lacks(catalogue))
        }
        assert "get_user_email_by_id" not in lacks
        assert [lack.what for lack in lacks["get_user_by_id"]] == ['SELECT on "User"']
        (lack,) = lacks["upsert_execution_output"]
        assert lack.what == 'INSERT on "AgentNodeExecutionInputOutput"'
        assert "get_node" not in lacks
        (hidden,) = lacks["get_graph_metadata"]
        assert hidden.what == 'row security hides rows of "AgentGraph"'
        remedies = {found.remedy for each in lacks.values() for found in each}
        connection.execute("RESET ROLE")
        for remedy in remedies:
            connection.execute(remedy.partition("; or")[0].encode())
        connection.execute("SET ROLE narrow")
        mended = catalogue_of(connection)
        for name, operation in FIRST.items():
            assert operation.needs(Capabilities.of(mended)).lacks(mended) == (), name
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP OWNED BY narrow")
        connection.execute("DROP ROLE narrow")


def test_main_loads_no_method_for_tables_that_we_made(connection: Connection) -> None:
    capabilities = Capabilities.of(read_catalogue(connection, "platform"))
    found = needed_by_methods(lambda: pytest.fail("tools/reference/needs.py: these are unknown"))
    assert found.of(capabilities) == needed().of(capabilities)
