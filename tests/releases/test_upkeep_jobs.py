"""Jobs that delete what has grown old in tables that AutoGPT's releases have brought."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from autogpt_db.settings import RetainSettings
from releases.building import LATEST
from worker_scenarios import Queries, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autogpt_db.settings import Settings

    Open = Callable[[str], Queries]

PEOPLE = """
INSERT INTO platform."User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now());
"""
TOKENS = """
INSERT INTO platform."PlatformLinkToken" (id, token, platform, "platformUserId", "expiresAt")
SELECT 'pt' || n, 'token' || n, 'DISCORD', 'somebody',
       (now() AT TIME ZONE 'UTC') - n * interval '1 hour' + interval '30 minutes'
  FROM generate_series(0, 30) AS n
"""
SUBSCRIPTIONS = """
INSERT INTO platform."PushSubscription"
       (id, "userId", endpoint, p256dh, auth, "failCount", "updatedAt")
SELECT 'ps' || n, 'ann', 'https://push.example.com/' || n, 'p', 'a', n, now()
  FROM generate_series(0, 6) AS n
"""
COSTS = """
INSERT INTO platform."PlatformCostLog" (id, "userId", provider, "createdAt")
SELECT 'c' || n, 'ann', 'p', (now() AT TIME ZONE 'UTC') - n * interval '1 day'
  FROM generate_series(1, 60) AS n
"""
WORKSPACE = """
INSERT INTO platform."UserWorkspace" (id, "userId", "updatedAt") VALUES ('w', 'ann', now())
"""
# Those with an even number have been deleted, as many days ago; each fourth is still shared.
FILES = """
INSERT INTO platform."UserWorkspaceFile"
       (id, "workspaceId", name, path, "storagePath", "mimeType", "sizeBytes", "isDeleted",
        "deletedAt", "updatedAt")
SELECT 'f' || n, 'w', 'f', '/' || n, '', '', 0, mod(n, 2) = 0,
       CASE WHEN mod(n, 2) = 0 AND n <> 58
            THEN (now() AT TIME ZONE 'UTC') - n * interval '1 day' END,
       (now() AT TIME ZONE 'UTC') - n * interval '1 day'
  FROM generate_series(1, 60) AS n
"""
SHARED = """
INSERT INTO platform."{table}" (id, "{of}", "fileId", "shareToken")
SELECT 's' || n, 'it', 'f' || n, 'token' FROM generate_series(%(first)s, 60, 8) AS n
"""
BOT_EVENTS = """
INSERT INTO platform."BotEvent" (id, platform, "eventType", "createdAt")
SELECT 'b' || n, 'DISCORD', 'reply_sent', (now() AT TIME ZONE 'UTC') - n * interval '1 day'
  FROM generate_series(1, 60) AS n
"""
EVERYTHING = {"cost_log_days": 30, "workspace_files_days": 30, "bot_events_days": 30}


@pytest.fixture
def database(release_database: Callable[..., str]) -> Iterator[Open]:
    """Yield what makes a database of a release's, with a user, and looks at it from outside."""
    with ExitStack() as opened:

        def made(state: str) -> Queries:
            found = Queries(release_database(state, ours=True))
            opened.callback(found.close)
            found.rows(PEOPLE)
            return found

        yield made


def retaining(url: str, **options: Any) -> Settings:
    return msgspec.structs.replace(
        settings_for(url), retain=RetainSettings(batch=4, rest=0.0, **options)
    )


def ids(queries: Queries, table: str) -> set[str]:
    return {name for (name,) in queries.rows(f'SELECT id FROM platform."{table}"'.encode())}


def test_expired_tokens_and_failed_subscriptions_are_deleted(database: Open) -> None:
    queries = database(LATEST)
    queries.rows(TOKENS)
    queries.rows(SUBSCRIPTIONS)
    settings = settings_for(queries.url)
    for job, table, left in (
        ("clean_link_tokens", "PlatformLinkToken", {f"pt{n}" for n in range(25)}),
        ("clean_push_subscriptions", "PushSubscription", {f"ps{n}" for n in range(5)}),
    ):
        before = ids(queries, table)
        result, _ = run(queries, settings, job)
        assert result == {"deleted": len(before) - len(left)}
        assert ids(queries, table) == left
        assert run(queries, settings, job)[0] == {"deleted": 0}


def test_where_there_are_no_such_tables_a_run_says_so_and_succeeds(database: Open) -> None:
    queries = database("v0.6.48")
    for job, table in (
        ("clean_link_tokens", "PlatformLinkToken"),
        ("clean_push_subscriptions", "PushSubscription"),
    ):
        result, events = run(queries, settings_for(queries.url), job)
        assert result == {"deleted": 0, "skipped": f'there is no table "{table}"'}
        assert [each for each in events if each["log_level"] in {"warning", "error"}] == []
    result, _ = run(queries, retaining(queries.url, **EVERYTHING), "retain")
    assert result == {"executions": 0, "rows": 0, "finished": True}


def fill(queries: Queries) -> None:
    for statement in (COSTS, WORKSPACE, FILES):
        queries.rows(statement)
    queries.rows("SET session_replication_role = replica")
    for table, of, first in (("SharedExecutionFile", "executionId", 4),
                             ("SharedChatFile", "sessionId", 8)):  # fmt: skip
        queries.rows(SHARED.format(table=table, of=of).encode(), first=first)
    queries.rows("SET session_replication_role = origin")


@pytest.mark.parametrize(("state", "page"), [("v0.6.68", 10_000), (LATEST, 7), (LATEST, 1)])
def test_old_costs_and_deleted_files_go_where_somebody_asked_for_it(
    database: Open, monkeypatch: pytest.MonkeyPatch, state: str, page: int
) -> None:
    monkeypatch.setattr("autogpt_db.worker.jobs.retain.PAGE_SIZE", page)
    queries = database(state)
    fill(queries)
    costs, files = ids(queries, "PlatformCostLog"), ids(queries, "UserWorkspaceFile")
    assert run(queries, retaining(queries.url), "retain")[0]["rows"] == 0
    assert (ids(queries, "PlatformCostLog"), ids(queries, "UserWorkspaceFile")) == (costs, files)

    result, _ = run(queries, retaining(queries.url, cost_log_days=30), "retain")
    assert result == {"executions": 0, "rows": 31, "finished": True}
    assert ids(queries, "PlatformCostLog") == {f"c{n}" for n in range(1, 30)}
    assert ids(queries, "UserWorkspaceFile") == files

    gone = {f"f{n}" for n in range(30, 61) if n % 2 == 0 and n % 4 != 0}
    result, _ = run(queries, retaining(queries.url, workspace_files_days=30), "retain")
    assert result == {"executions": 0, "rows": len(gone), "finished": True}
    assert ids(queries, "UserWorkspaceFile") == files - gone
    assert run(queries, retaining(queries.url, **EVERYTHING), "retain")[0]["rows"] == 0


def test_old_events_of_bots_go_where_somebody_asked_for_it(database: Open) -> None:
    queries = database(LATEST)
    queries.rows(BOT_EVENTS)
    assert run(queries, retaining(queries.url, cost_log_days=1), "retain")[0]["rows"] == 0
    result, _ = run(queries, retaining(queries.url, bot_events_days=30), "retain")
    assert result == {"executions": 0, "rows": 31, "finished": True}
    assert ids(queries, "BotEvent") == {f"b{n}" for n in range(1, 30)}


def test_files_go_also_where_nothing_is_shared_yet(database: Open) -> None:
    queries = database("v0.6.48")
    queries.rows(WORKSPACE)
    queries.rows(FILES)
    result, _ = run(queries, retaining(queries.url, workspace_files_days=30), "retain")
    assert result["rows"] == 16


def test_what_time_is_too_short_for_is_left_to_the_next_run(
    database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = database(LATEST)
    fill(queries)
    monkeypatch.setattr("autogpt_db.worker.jobs.retain.BUDGET", 0.0)
    result, _ = run(queries, retaining(queries.url, **EVERYTHING), "retain")
    assert result == {"executions": 0, "rows": 0, "finished": False}
    monkeypatch.undo()
    result, _ = run(queries, retaining(queries.url, **EVERYTHING), "retain")
    assert (result["rows"], result["finished"]) == (31 + 8, True)


def test_a_row_that_somebody_holds_is_left_to_the_next_run(database: Open) -> None:
    queries = database(LATEST)
    queries.rows(COSTS)
    holder = Queries(queries.url)
    holder.rows("BEGIN")
    holder.rows("""SELECT FROM platform."PlatformCostLog" WHERE id = 'c60' FOR UPDATE""")
    settings = retaining(queries.url, cost_log_days=30)
    result, _ = run(queries, settings, "retain")
    assert result["rows"] == 30
    holder.rows("ROLLBACK")
    holder.close()
    assert run(queries, settings, "retain")[0]["rows"] == 1
