"""What a role without rights is told at the start, and that it mends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog

from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.provisioning.migration import LOCK
from autogpt_db.errors import RightsError, SchemaError
from autogpt_db.operations.needed import needed
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import unique_name, with_schema
from waiting import PATIENCE, wait_for

Connection = psycopg.Connection[Any]


@pytest.fixture
def url(release_database: Callable[..., str]) -> str:
    return release_database("v0.6.68")


@pytest.fixture
def owner(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def role(owner: Connection) -> Iterator[str]:
    """Yield a role that may do all that the service needs."""
    name = unique_name("role")
    database = owner.info.dbname
    owner.execute(
        f"""
        CREATE ROLE {name} LOGIN;
        GRANT CREATE ON DATABASE {database} TO {name};
        GRANT USAGE ON SCHEMA platform TO {name};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA platform TO {name};
    """.encode()
    )
    yield name
    owner.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())


def start(url: str, role: str) -> list[structlog.typing.EventDict]:
    """Prove the database as main does, as that role, and return what was logged."""
    address = with_schema(url).replace("://postgres@", f"://{role}@")
    settings = Settings(database=DatabaseSettings(url=Secret(address)))
    with structlog.testing.capture_logs() as logged, DatabaseManager(settings, needed=needed()):
        pass
    return logged


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("REVOKE CREATE ON DATABASE {database} FROM {role}", "may not make a schema"),
        ("REVOKE USAGE ON SCHEMA platform FROM {role}", "may not look into"),
        ("CREATE SCHEMA autogpt_db AUTHORIZATION postgres", 'belongs to the role "postgres"'),
        ("CREATE SCHEMA autogpt_db AUTHORIZATION {role}; CREATE TABLE autogpt_db.other ()",
         'Tables in the schema autogpt_db belong to "postgres"'),
        ('REVOKE UPDATE ON platform."AgentNodeExecution" FROM {role}',
         'UPDATE on "AgentNodeExecution"'),
        ('ALTER TABLE platform."User" ENABLE ROW LEVEL SECURITY',
         'row security hides rows of "User"'),
    ],
)  # fmt: skip
def test_the_remedy_is_named_and_mends_it(
    url: str, owner: Connection, role: str, change: str, words: str
) -> None:
    owner.execute(change.format(role=role, database=owner.info.dbname).encode())
    with pytest.raises(SchemaError) as refused:
        start(url, role)
    text = str(refused.value)
    assert refused.value.exit_code == 78
    assert words in text
    assert "Nothing has been changed" in text
    if isinstance(refused.value, RightsError):
        remedy = refused.value.remedy
    else:
        remedy = text.partition("tables: ")[2].partition(";")[0]
    assert remedy.partition(";")[0] in text
    owner.execute(remedy.encode())
    try:
        start(url, role)
    finally:
        owner.execute(f"ALTER ROLE {role} NOBYPASSRLS; REVOKE postgres FROM {role}".encode())


def test_what_only_other_methods_need_is_a_warning(url: str, owner: Connection, role: str) -> None:
    owner.execute(f'REVOKE DELETE ON platform."OAuthAccessToken" FROM {role}'.encode())
    logged = start(url, role)
    (told,) = [one for one in logged if one["event"] == "methods_not_served"]
    assert "cleanup_expired_oauth_tokens" in told["methods"]
    assert f'GRANT DELETE ON "platform"."OAuthAccessToken" TO "{role}";' in told["remedy"]


def test_what_is_anothers_in_our_schema_is_told_and_not_touched(url: str, role: str) -> None:
    with psycopg.connect(url.replace("postgres@", f"{role}@"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA autogpt_db")
        connection.execute("CREATE TYPE autogpt_db.procrastinate_job_status AS ENUM ()")
    with pytest.raises(SchemaError, match=r"procrastinate_job_status.*autogpt_db") as refused:
        start(url, role)
    assert refused.value.exit_code == 78


def test_a_function_of_ours_that_we_may_not_call_is_opened_again(
    url: str, owner: Connection, role: str
) -> None:
    start(url, role)
    owner.execute(f"REVOKE EXECUTE ON FUNCTION autogpt_db.now_v1() FROM PUBLIC, {role}".encode())
    (told,) = [one for one in start(url, role) if one["event"] == "ours_mended"]
    assert told["items"] == ("function autogpt_db.now_v1() is not as it was made",)
    assert "ours_mended" not in [one["event"] for one in start(url, role)]


def test_a_session_that_is_ended_while_it_waits_is_begun_anew(
    url: str, owner: Connection, role: str
) -> None:
    owner.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    logged: list[structlog.typing.EventDict] = []
    starting = threading.Thread(target=lambda: logged.extend(start(url, role)))
    starting.start()
    waiting = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'"
    try:
        (pid,) = wait_for(lambda: owner.execute(waiting, (role,)).fetchone(), what="its session")
        owner.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_for(
            lambda: (found := owner.execute(waiting, (role,)).fetchone()) and found != (pid,),
            what="another session",
        )
    finally:
        owner.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        starting.join(PATIENCE)
    assert "database_ready" in [one["event"] for one in logged]
    assert "waiting_for_database" in [one["event"] for one in logged]
