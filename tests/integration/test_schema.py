"""Migrations: what they make is the contract's, they run once, and theirs stays as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from autogpt_db import __version__
from autogpt_db.database.provisioning.migration import (
    LOCK,
    MigrationOutcome,
    migrate,
    pending,
)
from autogpt_db.database.provisioning.migration_files import migrations
from autogpt_db.errors import SchemaError
from autogpt_db.operations.needed import needed
from contract_schema import (
    columns_of,
    contract_enums,
    contract_store_agent,
    contract_tables,
    enums_of,
    tables_of,
)
from postgres_server import SYSTEM_15, PostgresServer, clone, has_server
from releases.building import build_as_0_1_0
from waiting import wait_for

CONTRACT = Path(__file__).parents[1] / "contract"
THEIRS = [one for one in migrations() if one.theirs and not one.upgrade]
OURS = tuple(migration.name for migration in migrations() if not migration.theirs)

Connection = psycopg.Connection[Any]


def connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True)


@pytest.fixture
def connection(empty_database: str) -> Iterator[Connection]:
    """Yield a connection to an empty database."""
    with connect(empty_database) as connection:
        yield connection


@pytest.fixture
def theirs(connection: Connection) -> Connection:
    """Return a connection to a database as AutoGPT's own migrations leave it."""
    make_theirs(connection)
    return connection


def make_theirs(connection: Connection, *edits: tuple[str, str]) -> None:
    """Make AutoGPT's schema without us, its text changed by `edits`."""
    connection.execute("SELECT set_config('search_path', 'platform, public', false)")
    vector = connection.execute(
        "SELECT FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    for migration in THEIRS:
        if migration.name == "0001_vector" and vector is None:
            continue
        text = migration.text
        for old, new in edits:
            text = text.replace(old, new)
        connection.execute(text.encode())
    connection.execute("""
        CREATE TABLE platform._prisma_migrations (
            migration_name varchar(255), started_at timestamptz, finished_at timestamptz,
            rolled_back_at timestamptz);
        INSERT INTO platform._prisma_migrations VALUES
            ('20260129011611_remove_workspace_file_source', now(), now(), NULL),
            ('20260301000000_undone', now(), NULL, now());
    """)


def catalogs(connection: Connection) -> tuple[Any, ...]:
    """Return what AutoGPT's schema consists of, and which schemas there are."""
    schemas = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
    ).fetchall()
    relations = connection.execute(
        "SELECT oid, relname, relkind FROM pg_class WHERE relnamespace = 'platform'::regnamespace"
        " ORDER BY oid"
    ).fetchall()
    functions = connection.execute(
        "SELECT oid, proname, prosrc FROM pg_proc WHERE pronamespace = 'platform'::regnamespace"
        " ORDER BY oid"
    ).fetchall()
    return (schemas, relations, functions, tables_of(connection), enums_of(connection))


def has_vector(connection: Connection) -> bool:
    return (
        connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        is not None
    )


# What is made ----------------------------------------------------------------------------------


def test_the_first_file_makes_the_contracts_schema(connection: Connection) -> None:
    build_as_0_1_0(connection)
    with connection:
        made, wanted = tables_of(connection), contract_tables()
        views = {name: made.pop(name).facts for name in ("mv_agent_run_counts", "mv_review_stats")}
        if not has_vector(connection):
            del wanted["UnifiedContentEmbedding"]
        assert len(wanted) >= 26
        assert sorted(made) == sorted(wanted)
        for name, table in wanted.items():
            assert made[name].columns == table.columns, name
            assert made[name].facts == table.facts, name
        assert enums_of(connection) == contract_enums()
        assert views == {
            "mv_agent_run_counts": {
                'index `idx_mv_agent_run_counts`: UNIQUE btree ("agentGraphId")'
            },
            "mv_review_stats": {
                'index `idx_mv_review_stats`: UNIQUE btree ("storeListingId")',
                "index `idx_mv_review_stats_rating`: btree (avg_rating DESC)",
                "index `idx_mv_review_stats_count`: btree (review_count DESC)",
            },
        }
        assert columns_of(connection, 'platform."StoreAgent"') == contract_store_agent()
        assert len(contract_store_agent()) == 21
        assert columns_of(connection, "platform.mv_agent_run_counts") == [
            "agentGraphId text",
            "run_count bigint",
        ]
        assert columns_of(connection, "platform.mv_review_stats") == [
            "storeListingId text",
            "review_count bigint",
            "avg_rating numeric",
        ]


def test_functions_and_trigger_are_the_contracts(connection: Connection) -> None:
    build_as_0_1_0(connection)
    with connection:
        connection.execute("SELECT set_config('search_path', 'platform', false)")
        connection.execute((CONTRACT / "seed.sql").read_bytes())
        rows = connection.execute("""
            SELECT proname, lanname, prosecdef, proconfig, prorettype::regtype::text
            FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
            WHERE pronamespace = 'platform'::regnamespace AND lanname <> 'c' ORDER BY 1
        """).fetchall()
        refresh = ("refresh_store_materialized_views", "plpgsql", False, None, "void")
        trigger = ("update_unified_tsvector_column", "plpgsql", True,
                   ["search_path=platform, pg_temp"], "trigger")  # fmt: skip
        assert [row for row in rows if row[1] == "plpgsql"] == (
            [refresh, trigger] if has_vector(connection) else [refresh]
        )

        # The views are populated, and refreshed where the caller's path leads to them.
        connection.execute("SELECT set_config('search_path', 'platform', false)")
        count = "SELECT sum(run_count)::int FROM mv_agent_run_counts"
        assert connection.execute('SELECT count(*) FROM "StoreAgent"').fetchone() is not None
        connection.execute("SELECT refresh_store_materialized_views()")
        executions = 'SELECT count(*)::int FROM "AgentGraphExecution"'
        assert (
            connection.execute(count).fetchone()
            == connection.execute(executions).fetchone()
            != (0,)
        )
        if has_vector(connection):
            connection.execute("SELECT set_config('search_path', 'pg_catalog', false)")
            updated = connection.execute("""
                UPDATE platform."UnifiedContentEmbedding"
                SET "searchableText" = 'running dogs', search = 'nonsense' RETURNING search::text
            """).fetchone()
            assert updated is None or updated == ("'dog':2 'run':1",)


def test_it_is_applied_once_and_recorded(connection: Connection) -> None:
    names = tuple(
        one.name
        for one in migrations()
        if not one.name.endswith("_vector") or has_vector(connection)
    )
    assert pending(connection, schema_name="platform", create=True) == list(names)
    outcome = migrate(connection, schema_name="platform", create=True)
    assert outcome == MigrationOutcome(names)
    assert pending(connection, schema_name="platform") == []
    assert migrate(connection, schema_name="platform") == MigrationOutcome(())
    recorded = connection.execute(
        "SELECT name, number, checksum, program_version FROM autogpt_db.migration"
    ).fetchall()
    assert sorted(recorded) == sorted(
        (one.name, one.number, one.checksum, __version__)
        for one in migrations()
        if one.name in names
    )


@pytest.mark.parametrize("name", ["public", 'Auto "GPT" $1 \\1 %s', "schéma", "o'brien"])
def test_any_schema_name_will_do(connection: Connection, name: str) -> None:
    assert migrate(connection, schema_name=name, create=True).applied
    assert migrate(connection, schema_name=name, create=True).applied == ()
    tables = connection.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = %s", (name,)
    ).fetchone()
    assert tables == (66 - (not has_vector(connection)),)
    assert connection.execute("SELECT to_regnamespace('platform')").fetchone() == (None,)


@pytest.mark.parametrize("place", ["public", "extensions", "somewhere"])
def test_pgvector_may_be_there_already(connection: Connection, place: str) -> None:
    if not has_vector(connection):
        pytest.skip("this server has no pgvector")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {place}".encode())
    connection.execute(f"CREATE EXTENSION vector SCHEMA {place}".encode())
    assert "0001_vector" in migrate(connection, schema_name="platform", create=True).applied
    with structlog.testing.capture_logs() as logged:
        migrate(connection, schema_name="platform")
    assert logged == []


def test_a_server_without_pgvector_does_without_what_needs_it() -> None:
    if not has_server(SYSTEM_15):
        pytest.skip("needs the distribution's PostgreSQL 15")
    server = PostgresServer()
    server.binaries = SYSTEM_15
    with server, connect(clone(server, None, "plain")) as connection:
        if has_vector(connection):
            pytest.skip("the distribution's PostgreSQL 15 has pgvector")
        without = tuple(one.name for one in migrations() if not one.name.endswith("_vector"))
        for applied in (without, ()):
            with structlog.testing.capture_logs() as logged:
                outcome = migrate(connection, schema_name="platform", create=True, needed=needed())
            assert outcome.applied == applied
            (told,) = [one for one in logged if one["event"] == "schema_partly_there"]
            assert told["missing"] == ["UnifiedContentEmbedding"]
        assert pending(connection, schema_name="platform") == []


# Two at once, and another version --------------------------------------------------------------


def test_of_two_that_start_at_once_exactly_one_migrates(empty_database: str) -> None:
    outcomes: list[MigrationOutcome] = []

    def start() -> None:
        with connect(empty_database) as connection:
            outcomes.append(migrate(connection, schema_name="platform", create=True))

    with connect(empty_database) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        starters = [threading.Thread(target=start) for _ in range(2)]
        for one in starters:
            one.start()
        waiting = """
            SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
        """
        wait_for(lambda: gate.execute(waiting).fetchone() == (2,), what="both at the lock")
        gate.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        for one in starters:
            one.join(60)
    assert sorted(bool(outcome.applied) for outcome in outcomes) == [False, True]


def test_a_migration_that_fails_leaves_nothing_behind(connection: Connection) -> None:
    # A name that one of the later files wants is taken.
    connection.execute("CREATE SCHEMA autogpt_db")
    connection.execute("CREATE TYPE autogpt_db.procrastinate_job_status AS ENUM ()")
    before = connection.execute("SELECT count(*) FROM pg_class").fetchone()
    with pytest.raises(psycopg.errors.DuplicateObject):
        migrate(connection, schema_name="platform", create=True)
    assert connection.execute("SELECT count(*) FROM pg_class").fetchone() == before
    assert connection.execute("SELECT to_regnamespace('platform')").fetchone() == (None,)


def test_an_edited_migration_is_refused(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "UPDATE autogpt_db.migration SET checksum = 'other' WHERE name = '0001_platform'"
        )
        for attempt in (migrate, pending):
            with pytest.raises(SchemaError, match=r"0001_platform.*checksum differs") as refused:
                attempt(connection, schema_name="platform")
            assert refused.value.exit_code == 78


def test_a_newer_autogpt_db_is_refused_with_both_versions(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO autogpt_db.migration VALUES (9001, '9001_future', 'x', '7.2.1')"
        )
        before = catalogs(connection)
        for attempt in (migrate, pending):
            with pytest.raises(SchemaError) as refused:
                attempt(connection, schema_name="platform")
            assert refused.value.exit_code == 78
            for words in ("7.2.1", __version__, "9001_future"):
                assert words in str(refused.value)
        assert catalogs(connection) == before


# A database that AutoGPT made ------------------------------------------------------------------


def test_autogpts_own_schema_is_verified_and_not_touched(theirs: Connection) -> None:
    before = catalogs(theirs)
    assert pending(theirs, schema_name="platform") == list(OURS)
    assert migrate(theirs, schema_name="platform") == MigrationOutcome(OURS)
    after = catalogs(theirs)
    assert after[1:] == before[1:]
    assert [row[0] for row in after[0]] == sorted([*(row[0] for row in before[0]), "autogpt_db"])
    assert migrate(theirs, schema_name="platform") == MigrationOutcome(())


def test_what_later_migrations_of_autogpt_add_is_accepted(theirs: Connection) -> None:
    migrate(theirs, schema_name="platform")
    theirs.execute("""
        ALTER TABLE platform."User" ADD COLUMN "favouriteColour" text NOT NULL DEFAULT 'blue';
        ALTER TABLE platform."AgentGraph" ADD COLUMN "shape" jsonb;
        CREATE TABLE platform."SomethingNew" (id text PRIMARY KEY);
        ALTER TYPE platform."NotificationType" ADD VALUE 'PIGEON_POST' BEFORE 'AGENT_RUN';
        CREATE INDEX "fast" ON platform."AgentGraph" (name);
        DROP INDEX platform."AgentNode_agentBlockId_idx";
    """)
    before = catalogs(theirs)
    assert migrate(theirs, schema_name="platform").applied == ()
    assert catalogs(theirs) == before


def test_everything_missing_is_named_at_once_and_nothing_is_changed(connection: Connection) -> None:
    make_theirs(connection, ("    'QUEUED',\n", "    'PONDERING',\n"))
    connection.execute("""
        DROP TABLE platform."UserOnboarding";
        ALTER TABLE platform."User" DROP COLUMN "timezone" CASCADE;
        ALTER TABLE platform."AgentNodeExecution" DROP COLUMN "stats";
        ALTER TABLE platform."UserBalance" ADD COLUMN "currency" text NOT NULL;
        ALTER TABLE platform."AgentNodeExecutionKeyValueData"
            DROP CONSTRAINT "AgentNodeExecutionKeyValueData_pkey";
        DROP INDEX platform."User_email_key";
        DROP VIEW platform."StoreAgent";
    """)
    before = catalogs(connection)
    for attempt in (migrate, pending):
        with pytest.raises(SchemaError) as refused:
            attempt(connection, schema_name="platform", needed=needed())
        text = str(refused.value)
        assert refused.value.exit_code == 78
        for words in (
            'table "UserOnboarding"',
            'column "User"."timezone"',
            'column "AgentNodeExecution"."stats"',
            'a default for "UserBalance"."currency"',
            'label QUEUED of type "AgentExecutionStatus"',
            'unique index on "AgentNodeExecutionKeyValueData" ("key", "userId")',
            "get_user_by_id",
            "It looks like that of AutoGPT v0.6.48",
            "Nothing has been changed",
        ):
            assert words in text
        # What no statement uses, and what AutoGPT runs without, is no reason.
        assert "email_key" not in text
        assert "StoreAgent" not in text
    assert catalogs(connection) == before
    assert connection.execute("SELECT to_regnamespace('autogpt_db')").fetchone() == (None,)


def test_tables_in_another_schema_are_not_made_again(theirs: Connection) -> None:
    # A URL without ?schema= means `public`; their tables are in `platform`.
    before = catalogs(theirs)
    for attempt in (migrate, pending):
        with pytest.raises(SchemaError, match=r"in the schema 'platform'.*Add \?schema=platform"):
            attempt(theirs, schema_name="public")
    assert catalogs(theirs) == before


def test_without_what_the_store_needs_it_warns(theirs: Connection) -> None:
    theirs.execute(
        'DROP VIEW platform."StoreAgent"; DROP MATERIALIZED VIEW platform.mv_review_stats'
    )
    with structlog.testing.capture_logs() as logged:
        migrate(theirs, schema_name="platform", needed=needed())
    warned = next(one for one in logged if one["event"] == "methods_not_served")
    assert warned["methods"] == ["get_store_agent_details", "get_store_agents"]
    assert warned["missing"] == ['table "StoreAgent"']
    assert "AutoGPT's own migrations" in warned["remedy"]
