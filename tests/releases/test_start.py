"""The service starts on the database of every release, and says what it cannot serve there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
import structlog

from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.releases import catalogue_of, is_called
from autogpt_db.database.schema import read_catalogue
from autogpt_db.errors import SchemaError
from autogpt_db.operations.needed import RUN_PATH, needed
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from processor_time import spent_by
from releases.catalogues import RELEASES, STATES, SYNTHETIC
from releases.runs import ALL

if TYPE_CHECKING:
    from autogpt_db.database.catalogue import Catalogue

FEW = ("v0.6.48", "v0.7.2")
"""Looked at with every test run; the others by `make test-releases`."""
NOT_THERE = {
    SYNTHETIC: {
        "clear_all_user_notification_batches",
        "create_or_add_to_user_notification_batch",
        "empty_user_notification_batch",
        "get_all_batches_by_type",
        "get_user_notification_batch",
        "get_user_notification_oldest_message_in_batch",
        "get_user_notification_preference",
        "remove_notifications_from_batch",
    }
}
"""What a state cannot serve although earlier releases call it: notifications have other types."""
MakeDatabase = Callable[..., str]
TIMES = 20
"""Looks that are timed together, since a process's time is told in hundredths of a second."""


def settings_for(url: str) -> Settings:
    return Settings(database=DatabaseSettings(url=Secret(with_schema(url))))


def start(url: str) -> list[structlog.typing.EventDict]:
    """Prove a database as main does, and return what was logged."""
    with (
        structlog.testing.capture_logs() as logged,
        DatabaseManager(settings_for(url), needed=needed()),
    ):
        pass
    return logged


@pytest.mark.parametrize("state", STATES if ALL else FEW)
def test_it_starts_on_every_release(release_database: MakeDatabase, state: str) -> None:
    url = release_database(state)
    logged = start(url)
    warned = [one for one in logged if one["event"] == "methods_not_served"]
    with psycopg.connect(url) as connection:
        lacks = needed().lacks(read_catalogue(connection, "platform"), "platform")
        catalogue = read_catalogue(connection, "platform")
    assert not lacks.keys() & RUN_PATH
    # What only later releases call is missed by nobody.
    missed = NOT_THERE.get(state, set())
    assert {name for name in lacks if is_called(name, catalogue)} == missed
    assert {name for one in warned for name in one["methods"]} == missed
    assert len(warned) == bool(missed)


def comparable(catalogue: Catalogue) -> tuple[object, ...]:
    """Return what a needs' check looks at, without what is PostgreSQL's way to write it."""
    return (
        {table: sorted(columns) for table, columns in catalogue.columns.items()},
        {table: sorted(columns) for table, columns in catalogue.required.items()},
        {enum: sorted(labels) for enum, labels in catalogue.labels.items()},
        dict(catalogue.unique),
        sorted(catalogue.functions),
        sorted(catalogue.views or ()),
    )


@pytest.mark.parametrize("state", RELEASES if ALL else FEW)
def test_what_is_known_of_a_release_is_what_its_database_has(
    release_database: MakeDatabase, state: str
) -> None:
    with psycopg.connect(release_database(state)) as connection:
        connection.execute("DROP TABLE platform._prisma_migrations")
        connection.execute("SET search_path TO platform, public")
        found = read_catalogue(connection, "platform")
    assert comparable(found) == comparable(catalogue_of(state))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('ALTER TABLE platform."AgentNode" DROP COLUMN "webhookId"',
         ['column "AgentNode"."webhookId"', "get_node", "looks like that of AutoGPT v0.6.67"]),
        ('DROP TABLE platform."AgentNodeExecutionInputOutput" CASCADE',
         ['table "AgentNodeExecutionInputOutput"', "for create_graph_execution"]),
        ('DROP INDEX platform."LibraryAgent_userId_agentGraphId_agentGraphVersion_key"', []),
    ],
)  # fmt: skip
def test_only_the_run_path_is_worth_a_refusal(
    release_database: MakeDatabase, change: str, words: list[str]
) -> None:
    url = release_database("v0.6.68")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change.encode())
    if not words:
        (warned,) = [one for one in start(url) if one["event"] == "methods_not_served"]
        assert "add_store_agent_to_library" in warned["methods"]
        return
    with pytest.raises(SchemaError) as refused:
        start(url)
    assert refused.value.exit_code == 78
    for word in (*words, "Run AutoGPT's own migrations", "Nothing has been changed"):
        assert word in str(refused.value)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regnamespace('autogpt_db')").fetchone() == (None,)


def test_looking_takes_less_than_50_milliseconds_of_a_processor(
    release_database: MakeDatabase,
) -> None:
    wanted = needed()
    with psycopg.connect(release_database("v0.6.68")) as connection:
        # The server's process runs here, and so its time can be had as well.
        backend = connection.info.backend_pid

        def spent() -> float:
            return time.thread_time() + spent_by(backend)

        def look() -> None:
            wanted.lacks(read_catalogue(connection, "platform"), "platform")

        look()
        before = spent()
        for _ in range(TIMES):
            look()
        each = (spent() - before) / TIMES
    print(f"reading and comparing: {each * 1000:.1f} ms")
    assert each <= 0.05
