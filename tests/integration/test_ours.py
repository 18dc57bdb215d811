"""What is ours in a database: whatever is missing or different is named, and mended or left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from autogpt_db.database.handle import Database
from autogpt_db.database.migration import migrate, migrations, pending, unsound
from autogpt_db.database.ours import histories
from autogpt_db.errors import SchemaError
from autogpt_db.operations.needed import needed
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from ours_written import FILE, made
from postgres_server import with_schema
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_what_is_expected_is_what_the_migrations_make(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        written = {(each.kind, each.name): each for each in made(connection)}
    known = {(each.kind, each.name): each for each in histories()}
    assert known.keys() == written.keys(), "PYTHONPATH=tests .venv/bin/python -m ours_written"
    assert known == written, "PYTHONPATH=tests .venv/bin/python -m ours_written"
    assert msgspec.json.decode(FILE.read_bytes()), "it is part of the package"


def test_a_migrated_database_is_sound(connection: Connection) -> None:
    assert unsound(connection, schema_name="platform") == ((), ())
    assert migrate(connection, schema_name="platform", needed=needed()).mended == ()


# A change, and what is said of it.
MENDED = {
    "DROP FUNCTION autogpt_db.ordered_id_v1": "function autogpt_db.ordered_id_v1(place integer)",
    "DROP FUNCTION autogpt_db.now_v1 CASCADE": "function autogpt_db.now_v1()",
    "CREATE OR REPLACE FUNCTION autogpt_db.written_v1(id text) RETURNS text LANGUAGE sql "
    "IMMUTABLE PARALLEL SAFE RETURN id": "function autogpt_db.written_v1(id text)",
    "ALTER FUNCTION autogpt_db.ordered_id_v1 IMMUTABLE": "ordered_id_v1(place integer) is not as",
    "DROP INDEX autogpt_db.job_run_job_id_idx": "index autogpt_db.job_run_job_id_idx is missing",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
    "'autogpt_db.job_run_ended_at_idx'::regclass": "index autogpt_db.job_run_ended_at_idx is not",
    "ALTER TABLE autogpt_db.idempotency_key DROP CONSTRAINT idempotency_key_pkey":
    "constraint autogpt_db.idempotency_key.idempotency_key_pkey",
    "ALTER TABLE autogpt_db.job_run DROP CONSTRAINT job_run_outcome_check":
    "constraint autogpt_db.job_run.job_run_outcome_check",
    "ALTER TABLE autogpt_db.procrastinate_jobs DISABLE TRIGGER USER": "trigger autogpt_db.",
    "DROP TABLE autogpt_db.idempotency_key": "table autogpt_db.idempotency_key is missing",
    "DROP TABLE autogpt_db.procrastinate_jobs CASCADE; TRUNCATE autogpt_db.procrastinate_events":
    "table autogpt_db.procrastinate_jobs",
    "DROP TABLE autogpt_db.procrastinate_events, autogpt_db.job_run": "table autogpt_db.job_run",
    "ALTER TABLE autogpt_db.job_run DROP COLUMN reason": "column autogpt_db.job_run.reason",
    "ALTER TABLE autogpt_db.job_run ALTER COLUMN started_at DROP DEFAULT":
    "column autogpt_db.job_run.started_at is not as it was made",
    "ALTER TABLE autogpt_db.job_run ALTER COLUMN job DROP NOT NULL": "autogpt_db.job_run.job is",
    "ALTER TABLE autogpt_db.job_run ALTER COLUMN key SET NOT NULL": "autogpt_db.job_run.key is",
    "DROP SEQUENCE autogpt_db.procrastinate_jobs_id_seq CASCADE": "procrastinate_jobs_id_seq",
}  # fmt: skip


@pytest.mark.parametrize("change", MENDED)
def test_what_can_be_made_anew_is_named_and_mended(connection: Connection, change: str) -> None:
    connection.execute(
        "INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name) VALUES ('q', 't')"
    )
    before = connection.execute("SELECT id FROM autogpt_db.procrastinate_jobs").fetchall()
    connection.execute(change.encode())
    told = unsound(connection, schema_name="platform")
    assert any(MENDED[change] in what for what in told.mended), told
    assert not told.left
    assert pending(connection, schema_name="platform", needed=needed()) == []
    outcome = migrate(connection, schema_name="platform", needed=needed())
    assert any(MENDED[change] in what for what in outcome.mended)
    assert outcome.left == ()
    assert unsound(connection, schema_name="platform") == ((), ())
    assert migrate(connection, schema_name="platform", needed=needed()).mended == ()
    if "TABLE autogpt_db.procrastinate_jobs CASCADE" not in change:
        found = connection.execute("SELECT id FROM autogpt_db.procrastinate_jobs").fetchall()
        assert found == before, "nothing is lost"
    row = connection.execute(
        "INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name) VALUES ('q', 't')"
        " RETURNING id"
    ).fetchone()
    assert row is not None
    assert row not in before or "TABLE autogpt_db.procrastinate_jobs CASCADE" in change


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE autogpt_db.migration",
        "DELETE FROM autogpt_db.migration WHERE name = '0003_procrastinate'",
        "DELETE FROM autogpt_db.migration WHERE number > 4",
        "DROP TABLE autogpt_db.migration; DROP FUNCTION autogpt_db.now_v1 CASCADE",
    ],
)
def test_a_record_that_is_gone_is_found_again_by_what_is_there(
    connection: Connection, change: str
) -> None:
    connection.execute(change.encode())
    unsound(connection, schema_name="platform")
    outcome = migrate(connection, schema_name="platform", needed=needed())
    assert not [name for name in outcome.applied if not name.startswith(("0001", "platform"))]
    assert unsound(connection, schema_name="platform") == ((), ())
    recorded = {name for (name,) in connection.execute("SELECT name FROM autogpt_db.migration")}
    assert {each.name for each in migrations() if not each.theirs} <= recorded


def test_a_record_that_was_changed_is_told_with_a_remedy_that_mends_it(
    connection: Connection,
) -> None:
    connection.execute("ALTER TABLE autogpt_db.migration DROP COLUMN checksum")
    with pytest.raises(SchemaError, match=r"DROP TABLE autogpt_db\.migration; then") as refused:
        migrate(connection, schema_name="platform", needed=needed())
    assert refused.value.exit_code == 78
    connection.execute("DROP TABLE autogpt_db.migration")
    migrate(connection, schema_name="platform", needed=needed())
    assert unsound(connection, schema_name="platform") == ((), ())


# What takes a decision, and whether every run of an agent needs it.
LEFT = {
    "DROP FUNCTION autogpt_db.now_v1 CASCADE; CREATE FUNCTION autogpt_db.now_v1() RETURNS integer "
    "LANGUAGE sql RETURN 1": True,
    "ALTER TABLE autogpt_db.job_run ALTER COLUMN process TYPE varchar(3)": False,
    "ALTER TABLE autogpt_db.job_figure ADD COLUMN theirs text NOT NULL": False,
    "ALTER TABLE autogpt_db.idempotency_key ADD CHECK (status < 300)": False,
    "ALTER TABLE autogpt_db.job_pause DROP CONSTRAINT job_pause_pkey; "
    "INSERT INTO autogpt_db.job_pause (job) VALUES ('twice'), ('twice')": False,
}


@pytest.mark.parametrize("change", LEFT)
def test_what_takes_a_decision_is_left_with_the_statement_that_makes_it(
    connection: Connection, change: str
) -> None:
    connection.execute(change.encode())
    if LEFT[change]:
        with pytest.raises(SchemaError) as refused:
            migrate(connection, schema_name="platform", needed=needed())
        assert refused.value.exit_code == 78
        remedy = str(refused.value).partition("made anew: ")[2].partition(": ")[2]
    else:
        (left,) = migrate(connection, schema_name="platform", needed=needed()).left
        remedy = left.remedy
    if remedy.startswith("Correct the rows"):
        connection.execute("DELETE FROM autogpt_db.job_pause")
    else:
        connection.execute(remedy.partition(";")[0].encode())
    migrate(connection, schema_name="platform", needed=needed())
    assert unsound(connection, schema_name="platform") == ((), ())


def test_a_schema_under_another_name_is_sound_and_mended(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        migrate(connection, schema_name='odd "name', create=True)
        assert unsound(connection, schema_name='odd "name') == ((), ())
        connection.execute("DROP FUNCTION autogpt_db.now_v1 CASCADE")
        assert migrate(connection, schema_name='odd "name').mended
        assert unsound(connection, schema_name='odd "name') == ((), ())


def test_what_goes_missing_later_is_noticed_until_it_is_back(
    database_url: str, connection: Connection
) -> None:
    async def main() -> None:
        settings = Settings(database=DatabaseSettings(url=Secret(with_schema(database_url))))
        async with Database.open(settings, size=2) as database:
            await database.wait(PATIENCE)

            def lacking() -> set[str]:
                assert database.knowledge.catalogue is not None
                lacks = needed().lacks(database.knowledge.catalogue, "platform")
                return {lack.what for found in lacks.values() for lack in found}

            assert not [what for what in lacking() if "autogpt_db" in what]
            connection.execute("DROP FUNCTION autogpt_db.ordered_id_v1")
            await database.learn()
            assert "autogpt_db.ordered_id_v1" in lacking()
            migrate(connection, schema_name="platform", needed=needed())
            await database.learn()
            assert "autogpt_db.ordered_id_v1" not in lacking()

    asyncio.run(main())
