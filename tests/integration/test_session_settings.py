"""Whatever a role or a database sets for its sessions: ours are as they must be, or it is said."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
import structlog

from autogpt_db.database.pool import Pool
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.session import read_only_by
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from hostile_settings import HOSTILE
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import PostgresServer, unique_name, with_schema
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_for(url: str) -> Settings:
    return Settings(database=DatabaseSettings(url=Secret(with_schema(url)), startup_timeout=3.0))


def change(url: str, name: str, value: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c statement_timeout=0") as connection:
        assert connection.info.dbname
        sql = f'ALTER DATABASE "{connection.info.dbname}" SET {name} TO {value!r}'
        connection.execute(sql.encode())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_setting_of_the_database_changes_nothing(seeded_database_url: str, name: str) -> None:
    value = {"word": "é € \U0001f600", "number": 0.1, "quote": "it's", "back": "\\"}
    with Service(seeded_database_url) as usual:
        (user,) = (usual.value('SELECT id FROM "User" ORDER BY id LIMIT 1'),)
        listed = usual.call("get_graph_executions", user_id=user)
        change(seeded_database_url, name, HOSTILE[name])
        with DatabaseManager(settings_for(seeded_database_url)):
            pass
        with Service(seeded_database_url) as service:
            stored = service.call(
                "set_execution_kv_data", user_id=user, node_exec_id="n", key=name, data=value
            )
            assert stored == value
            assert service.call("get_execution_kv_data", user_id=user, key=name) == value
            assert service.call("get_graph_executions", user_id=user) == listed


@pytest.fixture
def badly_encoded(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = unique_name("encoded")
    postgres_server.execute(
        f"CREATE DATABASE \"{name}\" ENCODING {request.param!r} LOCALE 'C' TEMPLATE template0"
    )
    yield postgres_server.url(name)
    postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize("badly_encoded", ["LATIN1", "SQL_ASCII"], indirect=True)
def test_an_encoding_that_cannot_hold_json_is_refused_with_the_remedy(badly_encoded: str) -> None:
    with pytest.raises(ConfigurationError, match=r"needs UTF8.*TEMPLATE template0"):
        DatabaseManager(settings_for(badly_encoded)).__enter__()


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing")
def test_behind_a_pooler_what_cannot_be_borne_is_named_and_the_remedy_mends_it(
    database_url: str,
) -> None:
    for name in ("default_transaction_isolation", "TimeZone"):
        change(database_url, name, HOSTILE[name])
    change(database_url, "statement_timeout", "900ms")
    with PgBouncer(with_schema(database_url), pool_size=2) as pooler:
        manager = DatabaseManager(settings_for(pooler.url))
        with pytest.raises(ConfigurationError) as caught:
            manager.__enter__()
        assert "default_transaction_isolation is 'serializable'" in str(caught.value)
        assert "statement_timeout is '900 ms'" in str(caught.value)
        # The remedy, as it is printed, for a role of the service's own.
        statements = re.findall("ALTER ROLE [^;]*;", str(caught.value))
        assert len(statements) == 3, caught.value
        with psycopg.connect(
            database_url, autocommit=True, options="-c statement_timeout=0"
        ) as owner:
            for statement in statements:
                owner.execute(statement.encode())
    with (
        PgBouncer(with_schema(database_url), pool_size=2) as pooler,
        DatabaseManager(settings_for(pooler.url)),
    ):
        pass


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing")
def test_a_timeout_that_lets_nobody_look_is_named(database_url: str) -> None:
    change(database_url, "statement_timeout", "1ms")
    with (
        PgBouncer(with_schema(database_url)) as pooler,
        pytest.raises(ConfigurationError, match="statement_timeout"),
    ):
        DatabaseManager(settings_for(pooler.url)).__enter__()


def test_who_is_cut_off_by_a_timeout_as_well_is_told_from_where_to_mend_it(
    postgres_server: PostgresServer, database_url: str
) -> None:
    change(database_url, "transaction_timeout", "1ms")
    with pytest.raises(ConfigurationError) as caught:
        DatabaseManager(settings_for(database_url)).__enter__()
    told = str(caught.value)
    assert "in another database" in told
    (option,) = re.findall("PGOPTIONS='([^']*)'", told)
    with psycopg.connect(database_url, autocommit=True, options=option) as administrator:
        administrator.execute("SELECT pg_sleep(0.05)")  # it lives on in this one
    (statement,) = re.findall("ALTER ROLE [^;]*;", told)
    elsewhere = postgres_server.url("postgres")
    with psycopg.connect(elsewhere, autocommit=True) as administrator:
        administrator.execute(statement.encode())
    with DatabaseManager(settings_for(database_url)):
        pass


def test_who_ends_that_nothing_is_written_may_not_write_either_and_is_told_how(
    own_server: PostgresServer, own_database_url: str
) -> None:
    def found() -> tuple[str, str] | None:
        with psycopg.connect(own_database_url, autocommit=True) as connection:
            return read_only_by(connection)

    places = ("DATABASE own", "ROLE postgres", "ROLE postgres IN DATABASE own", "ROLE ALL")
    for place, one_by_one in itertools.product(places, (True, False)):
        with psycopg.connect(own_server.url("postgres"), autocommit=True) as breaker:
            breaker.execute(f"ALTER {place} SET default_transaction_read_only = on".encode())
        told = found()
        assert told is not None
        # As they are printed, and where it was found: typed one by one, or given to psql at once.
        with psycopg.connect(own_database_url, autocommit=True) as administrator:
            for statement in re.findall("[^;]+;", told[1]) if one_by_one else [told[1]]:
                administrator.execute(statement.encode())
        assert found() is None, place


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing")
def test_a_pooler_that_nobody_mentioned_is_told_with_the_remedy(database_url: str) -> None:
    with PgBouncer(with_schema(database_url)) as pooler:
        forgotten = pooler.url.replace("&pgbouncer=true", "")
        with pytest.raises(ConfigurationError, match="Add pgbouncer=true"):
            DatabaseManager(settings_for(forgotten)).__enter__()


def test_commits_that_are_not_awaited_are_told_once_until_they_are(database_url: str) -> None:
    async def main() -> None:
        async with Pool.open(settings_for(database_url), size=2) as pool:

            async def told(event: str) -> None:
                async with asyncio.timeout(30):
                    while event not in [each["event"] for each in logged]:
                        await pool.look(1.0)
                        await asyncio.sleep(0.05)

            await told("commits_not_awaited")
            with psycopg.connect(database_url, autocommit=True) as owner:
                name = owner.info.dbname
                owner.execute(f'ALTER DATABASE "{name}" RESET synchronous_commit'.encode())
            # Sessions that were begun before keep it, and are replaced.
            await told("commits_awaited")
            assert [each["event"] for each in logged].count("commits_not_awaited") == 1

    change(database_url, "synchronous_commit", "off")
    with structlog.testing.capture_logs() as logged:
        asyncio.run(main())
