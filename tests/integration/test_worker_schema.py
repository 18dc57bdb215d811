"""The queue's tables: procrastinate's own, where we want them, usable from any search path."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

import psycopg

from autogpt_db.database.url import DatabaseUrl

MIGRATION = files("autogpt_db.database") / "migrations" / "0003_procrastinate.sql"


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    target = DatabaseUrl.parse(url)
    return psycopg.connect(
        target.conninfo(connect_timeout=5, application_name="test"), autocommit=True
    )


def test_the_migration_is_the_installed_packages_own_schema() -> None:
    published = (files("procrastinate") / "sql" / "schema.sql").read_text("utf-8")
    ours = MIGRATION.read_text("utf-8")
    release = version("procrastinate")
    _, opening, rest = ours.partition(f"-- >>> procrastinate {release}\n")
    body, closing, _ = rest.partition(f"-- <<< procrastinate {release}\n")
    assert all((opening, closing)), f"0003_procrastinate.sql is not for procrastinate {release}"
    assert body == published


def test_everything_is_in_our_schema_and_the_search_path_is_put_back(database_url: str) -> None:
    with connect(database_url) as connection:
        places = connection.execute(
            "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class "
            "WHERE relname LIKE '%procrastinate%' "
            "UNION SELECT DISTINCT pronamespace::regnamespace::text FROM pg_proc "
            "WHERE proname LIKE '%procrastinate%' "
            "UNION SELECT DISTINCT typnamespace::regnamespace::text FROM pg_type "
            "WHERE typname LIKE '%procrastinate%'"
        ).fetchall()
        assert set(places) <= {("autogpt_db",), ("pg_toast",)}
        connection.execute("CREATE SCHEMA elsewhere")
        text = MIGRATION.read_text("utf-8").replace("autogpt_db", "elsewhere")
        with connection.transaction():
            connection.execute("SET LOCAL search_path TO pg_catalog, public")
            connection.execute(text.encode())
            path = connection.execute("SHOW search_path").fetchone()
        assert path == ("pg_catalog, public",)


def test_a_jobs_row_may_be_touched_on_any_search_path(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("SET search_path TO pg_catalog")
        connection.execute(
            "INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name) VALUES ('q', 't')"
        )
        connection.execute("UPDATE autogpt_db.procrastinate_jobs SET status = 'doing'")
        events = connection.execute(
            "SELECT type::text FROM autogpt_db.procrastinate_events ORDER BY id"
        ).fetchall()
        assert events == [("deferred",), ("started",)]
        connection.execute("DELETE FROM autogpt_db.procrastinate_jobs")
