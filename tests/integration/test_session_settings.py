"""Whatever a role or a database sets for its sessions: ours are as they must be, or it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.database.manager import DatabaseManager
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import PostgresServer, unique_name, with_schema
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each of them breaks something for who depends on the usual value.
HOSTILE = {
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "row_security": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "client_min_messages": "error",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "300ms",
    "jit": "on",
    "jit_above_cost": "0",
    "search_path": "nowhere",
    "default_toast_compression": "pglz",
}


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
        remedy = str(caught.value).partition("remembers them: ")[2]
        assert remedy.count("ALTER ROLE") == 3, remedy
        with psycopg.connect(
            database_url, autocommit=True, options="-c statement_timeout=0"
        ) as owner:
            for statement in filter(None, remedy.split(";")):
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


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing")
def test_a_pooler_that_nobody_mentioned_is_told_with_the_remedy(database_url: str) -> None:
    with PgBouncer(with_schema(database_url)) as pooler:
        forgotten = pooler.url.replace("&pgbouncer=true", "")
        with pytest.raises(ConfigurationError, match="Add pgbouncer=true"):
            DatabaseManager(settings_for(forgotten)).__enter__()
