"""What is ours in a database: whatever is missing or different is named, and mended or left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from api_process import ApiProcess
from autogpt_db.database.pool import Pool
from autogpt_db.database.provisioning.migration import migrate, pending, unsound
from autogpt_db.database.provisioning.migration_files import migrations
from autogpt_db.database.provisioning.ours import histories
from autogpt_db.database.provisioning.rights import closed_to_us
from autogpt_db.errors import RightsError, SchemaError
from autogpt_db.operations.needed import needed
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from ours_written import FILE, made
from postgres_server import unique_name, with_schema
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

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
    "ALTER TYPE autogpt_db.procrastinate_job_status RENAME VALUE 'doing' TO 'done'":
    "type autogpt_db.procrastinate_job_status is not as it was made",
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
    "ALTER TABLE autogpt_db.job_pause RENAME TO elsewhere": False,
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


# What is revoked, what is told of it, and one of what lacks it.
CLOSED = {
    "USAGE, CREATE ON SCHEMA autogpt_db": "USAGE, CREATE on SCHEMA autogpt_db",
    "SELECT ON autogpt_db.migration": "SELECT on TABLE autogpt_db.migration",
    "ALL ON ALL TABLES IN SCHEMA autogpt_db": "SELECT, INSERT, UPDATE, DELETE, REFERENCES on TABLE",
    "USAGE ON SEQUENCE autogpt_db.procrastinate_jobs_id_seq": "USAGE on SEQUENCE autogpt_db.",
}


@pytest.mark.parametrize("revoked", CLOSED)
def test_what_is_closed_to_us_is_named_and_opened(connection: Connection, revoked: str) -> None:
    role = unique_name("ours")
    connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        connection.execute(
            f"""
            GRANT CREATE ON DATABASE "{connection.info.dbname}" TO {role};
            GRANT ALL ON SCHEMA platform TO {role};
            GRANT ALL ON ALL TABLES IN SCHEMA platform TO {role};
            DROP SCHEMA autogpt_db CASCADE;
            SET SESSION AUTHORIZATION {role};
        """.encode()
        )
        migrate(connection, schema_name="platform", needed=needed())
        assert closed_to_us(connection) == ()
        connection.execute(f"REVOKE {revoked} FROM {role}".encode())
        closed = closed_to_us(connection)
        assert CLOSED[revoked] in closed[0].what
        with pytest.raises(RightsError):
            pending(connection, schema_name="platform", needed=needed())
        # The remedies, as they are printed.
        for each in closed:
            connection.execute(each.remedy.encode())
        assert closed_to_us(connection) == ()
        connection.execute(f"REVOKE {revoked} FROM {role}".encode())
        mended = migrate(connection, schema_name="platform", needed=needed()).mended
        assert mended == tuple(each.what for each in closed)
        assert closed_to_us(connection) == ()
        assert pending(connection, schema_name="platform", needed=needed()) == []
    finally:
        connection.execute("RESET SESSION AUTHORIZATION")
        connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


# Calls that the keys' place is needed for: one whose single statement keeps its reply, and one that
# has a transaction.
KEYED: dict[str, dict[str, Any]] = {
    "set_execution_kv_data": {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 1},
    "clear_all_user_notification_batches": {"user_id": "u"},
}
GONE = [
    ("DROP TABLE autogpt_db.idempotency_key", tuple(KEYED)),
    # Whose values are gone with it, and which no row can be without.
    (
        "TRUNCATE autogpt_db.idempotency_key; ALTER TABLE autogpt_db.idempotency_key DROP status",
        tuple(KEYED),
    ),
    (
        "DROP FUNCTION autogpt_db.claim_idempotency_key_v2",
        ("clear_all_user_notification_batches",),
    ),
    (
        "ALTER TABLE autogpt_db.idempotency_key DROP CONSTRAINT idempotency_key_pkey",
        ("clear_all_user_notification_batches",),
    ),
]


@pytest.mark.parametrize(
    ("change", "method"), [(change, method) for change, methods in GONE for method in methods]
)
def test_calls_with_a_key_whose_place_is_gone_are_told_and_come_back(
    database_url: str, connection: Connection, change: str, method: str
) -> None:
    def call(key: str) -> httpx.Response:
        headers = {"idempotency-key": key}
        return api.client.post(f"/{method}", json=KEYED[method], headers=headers)

    with ApiProcess(database_url) as api:
        assert call("before").status_code == 200
        connection.execute(change.encode())
        reply = call("after")
        assert (reply.status_code, reply.headers.get("retry-after")) == (503, "5"), reply.text
        assert "the service's own" in reply.json()["args"][0]
        told = {each["cause"]: each for each in api.events("database_refuses")}
        assert "`autogpt-db migrate`" in told["ours_missing"]["remedy"]
        migrate(connection, schema_name="platform", needed=needed())
        wait_for(lambda: call("after").status_code == 200, seconds=10, what="the keys' place")


@pytest.mark.parametrize("name", ["claimed_calls_v2", "refused_reply_v1"])
def test_without_what_merges_calls_with_keys_each_has_a_transaction(
    database_url: str, connection: Connection, name: str
) -> None:
    def call(key: str) -> httpx.Response:
        method = "set_execution_kv_data"
        headers = {"idempotency-key": key}
        return api.client.post(f"/{method}", json=KEYED[method], headers=headers)

    with ApiProcess(database_url) as api:
        assert call("before").status_code == 200
        connection.execute(f"DROP FUNCTION autogpt_db.{name}".encode())
        assert any(name in what for what in unsound(connection, schema_name="platform").mended)
        first, again = call("without"), call("without")
        assert (first.status_code, first.content) == (200, b"1"), first.text
        assert (again.content, again.headers["idempotency-replayed"]) == (b"1", "true")
        assert call("before").headers["idempotency-replayed"] == "true"
        assert not api.events("internal_error")


def test_what_goes_missing_later_is_noticed_until_it_is_back(
    database_url: str, connection: Connection
) -> None:
    async def main() -> None:
        settings = Settings(database=DatabaseSettings(url=Secret(with_schema(database_url))))
        async with Pool.open(settings, size=2) as pool:
            await pool.wait(PATIENCE)

            def lacking() -> set[str]:
                assert pool.knowledge.catalogue is not None
                lacks = needed().lacks(pool.knowledge.catalogue, "platform")
                return {lack.what for found in lacks.values() for lack in found}

            assert not [what for what in lacking() if "autogpt_db" in what]
            connection.execute("DROP FUNCTION autogpt_db.ordered_id_v1")
            await pool.knowledge.look()
            assert "autogpt_db.ordered_id_v1" in lacking()
            migrate(connection, schema_name="platform", needed=needed())
            await pool.knowledge.look()
            assert "autogpt_db.ordered_id_v1" not in lacking()

    asyncio.run(main())


def test_what_is_closed_later_is_noticed_until_it_is_open(
    database_url: str, connection: Connection
) -> None:
    role, group = unique_name("served"), unique_name("group")
    connection.execute(
        f"""
        CREATE ROLE {role} LOGIN; CREATE ROLE {group}; GRANT {group} TO {role};
        GRANT USAGE ON SCHEMA platform TO {role};
        GRANT ALL ON ALL TABLES IN SCHEMA platform TO {role};
        GRANT USAGE ON SCHEMA autogpt_db TO {role};
        GRANT ALL ON ALL TABLES IN SCHEMA autogpt_db TO {group};
    """.encode()
    )
    address = with_schema(database_url).replace("://postgres@", f"://{role}@")

    async def main() -> None:
        settings = Settings(database=DatabaseSettings(url=Secret(address)))
        async with Pool.open(settings, size=2) as pool:
            await pool.wait(10)

            async def lacking() -> list[str]:
                await pool.knowledge.look()
                assert pool.knowledge.catalogue is not None
                lacks = needed().lacks(pool.knowledge.catalogue, "platform")
                found = {lack for each in lacks.values() for lack in each if lack.right}
                return sorted(lack.remedy for lack in found if "autogpt_db" in lack.what)

            assert await lacking() == []
            on_table = (
                f'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE autogpt_db.migration TO "{role}";'
            )
            for change, remedy in (
                (f"REVOKE USAGE ON SCHEMA autogpt_db FROM {role}",
                 f'GRANT USAGE ON SCHEMA autogpt_db TO "{role}";'),
                ("REVOKE EXECUTE ON FUNCTION autogpt_db.now_v1 FROM PUBLIC",
                 f'GRANT EXECUTE ON FUNCTION autogpt_db.now_v1 TO "{role}";'),
                (f"REVOKE INSERT ON TABLE autogpt_db.migration FROM {group}", on_table),
                (f"REVOKE {group} FROM {role}", on_table),
            ):  # fmt: skip
                connection.execute(change.encode())
                found = await lacking()
                assert remedy in found
                for each in found:
                    connection.execute(each.encode())
                assert await lacking() == [], change
                if "migration" in remedy:
                    connection.execute(f"REVOKE ALL ON autogpt_db.migration FROM {role}".encode())
                    connection.execute(f"GRANT ALL ON autogpt_db.migration TO {group}".encode())

    try:
        asyncio.run(main())
    finally:
        connection.execute(f"DROP OWNED BY {role}, {group}; DROP ROLE {role}, {group}".encode())
