"""Each background job on a real database: what it does, what it leaves alone, what it reports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.settings import LimitsSettings, RetainSettings, Settings
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.registry import discover
from worker_scenarios import (
    OUTCOME,
    Queries,
    enqueue,
    eventually,
    figures,
    run,
    settings_for,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = """INSERT INTO platform."User" (id, email, "updatedAt") VALUES (%(id)s, %(id)s, now())"""


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    found = Queries(database_url)
    yield found
    found.close()


# refresh_store_views -----------------------------------------------------------------------------


@AS_OF_V0_6_48
def test_the_marketplaces_views_are_refreshed(database_url: str, queries: Queries) -> None:
    queries.rows('ALTER TABLE platform."AgentGraphExecution" DISABLE TRIGGER ALL')
    queries.rows(
        """INSERT INTO platform."AgentGraphExecution" ("id", "agentGraphId", "userId")
           VALUES ('e', 'g', 'u')"""
    )
    runs = "SELECT count(*) FROM platform.mv_agent_run_counts"
    assert queries.value(runs) == 0
    assert run(queries, settings_for(database_url), "refresh_store_views")[0] == {"refreshed": True}
    assert queries.value(runs) == 1


@pytest.mark.parametrize(("active", "refreshed"), [(True, False), (False, True)])
def test_the_views_are_left_to_pg_cron_where_it_does_them(
    database_url: str, queries: Queries, *, active: bool, refreshed: bool
) -> None:
    # pg_cron's own table, as far as its schedule is read from it.
    queries.rows("CREATE SCHEMA cron")
    queries.rows("CREATE TABLE cron.job (command text, database text, active boolean)")
    queries.rows(
        "INSERT INTO cron.job SELECT 'SELECT refresh_store_materialized_views();', "
        "current_database(), %(active)s",
        active=active,
    )
    result, _ = run(queries, settings_for(database_url), "refresh_store_views")
    assert result["refreshed"] is refreshed


# age_notification_batches ------------------------------------------------------------------------


def fill_batches(queries: Queries) -> None:
    queries.rows(USER, id="u")
    queries.rows(USER, id="w")
    for batch, user, kind, hours in (
        ("old", "u", "AGENT_RUN", 24 * 40),
        ("due", "u", "LOW_BALANCE", 3),
        ("fresh", "w", "AGENT_RUN", 3),
        ("old, still growing", "w", "LOW_BALANCE", 24 * 40),
    ):
        queries.rows(
            """INSERT INTO platform."UserNotificationBatch"
                   ("id", "userId", "type", "createdAt")
               VALUES (%(batch)s, %(user)s, %(kind)s::text::platform."NotificationType",
                       autogpt_db.now_v1() - make_interval(hours => %(hours)s))""",
            batch=batch,
            user=user,
            kind=kind,
            hours=hours,
        )
        for event, age in (("a", hours), ("b", 2 if "growing" in batch else hours)):
            queries.rows(
                """INSERT INTO platform."NotificationEvent"
                       ("id", "userNotificationBatchId", "type", "data", "createdAt")
                   VALUES (%(id)s, %(batch)s, %(kind)s::text::platform."NotificationType", '{}',
                           autogpt_db.now_v1() - make_interval(hours => %(age)s))""",
                id=batch + event,
                batch=batch,
                kind=kind,
                age=age,
            )


def test_overdue_notifications_are_counted_and_kept(database_url: str, queries: Queries) -> None:
    fill_batches(queries)
    result, events = run(queries, settings_for(database_url), "age_notification_batches")
    assert result == {"overdue": 3, "purged": 0, "oversized": 0}
    assert queries.value("""SELECT count(*) FROM platform."NotificationEvent" """) == 8
    told = {e["type"]: e["batches"] for e in events if e["event"] == "notifications_overdue"}
    assert told == {"AGENT_RUN": 1, "LOW_BALANCE": 2}
    assert figures(queries, "notification_batches_overdue") == [1, 2]


def test_old_notifications_go_where_somebody_asked_for_it(
    database_url: str, queries: Queries
) -> None:
    fill_batches(queries)
    settings = settings_for(database_url)
    settings = msgspec.structs.replace(
        settings, worker=msgspec.structs.replace(settings.worker, notifications_purge_days=30)
    )
    result, _ = run(queries, settings, "age_notification_batches")
    assert result == {"overdue": 2, "purged": 1, "oversized": 0}
    assert queries.rows("""SELECT "id" FROM platform."UserNotificationBatch" ORDER BY 1""") == [
        ("due",),
        ("fresh",),
        ("old, still growing",),
    ]
    assert queries.value("""SELECT count(*) FROM platform."NotificationEvent" """) == 6


def test_a_batch_that_is_too_large_for_a_reply_is_named(
    database_url: str, queries: Queries
) -> None:
    fill_batches(queries)
    queries.rows(
        """UPDATE platform."NotificationEvent" SET "data" = to_jsonb(repeat('x', 60000))
            WHERE "userNotificationBatchId" = 'fresh'"""
    )
    settings = msgspec.structs.replace(
        settings_for(database_url), limits=LimitsSettings(result_bytes=100_000)
    )
    result, events = run(queries, settings, "age_notification_batches")
    assert result["oversized"] == 1
    (told,) = [e for e in events if e["event"] == "notification_batch_oversized"]
    assert (told["user_id"], told["type"], told["events"]) == ("w", "AGENT_RUN", 2)
    assert 120_000 < told["bytes"] < 122_000
    assert figures(queries, "notification_batches_oversized") == [1]


# audit_balances ----------------------------------------------------------------------------------


def fill_ledger(queries: Queries) -> None:
    # user: balance, then entries of amount, running balance, whether it is active, minutes ago.
    for user, balance, entries in (
        ("right", 70, [(100, 100, True, 9), (-30, 70, True, 8)]),
        ("right, one moment", 70, [(100, 100, True, 9), (-30, 70, True, 9)]),
        ("right, a payment waits", 100, [(100, 100, True, 9), (500, 100, False, 8)]),
        ("right, never asked", None, [(5, 5, True, 9)]),
        ("no account", None, []),
        ("a cent too much", 71, [(100, 100, True, 9), (-30, 70, True, 8)]),
        ("lost entry", 70, [(100, 100, True, 9), (-10, 70, True, 8)]),
        ("balance without entries", 12, []),
    ):
        queries.rows(USER, id=user)
        if balance is not None:
            queries.rows(
                """INSERT INTO platform."UserBalance" ("userId", "balance", "updatedAt")
                   VALUES (%(user)s, %(balance)s, now())""",
                user=user,
                balance=balance,
            )
        for place, (amount, running, active, ago) in enumerate(entries):
            queries.rows(
                """INSERT INTO platform."CreditTransaction"
                       ("transactionKey", "userId", "amount", "type", "isActive",
                        "runningBalance", "createdAt")
                   VALUES (%(key)s, %(user)s, %(amount)s, 'USAGE', %(active)s, %(running)s,
                           date_trunc('minute', autogpt_db.now_v1())
                           - make_interval(mins => %(ago)s))""",
                key=str(place),
                user=user,
                amount=amount,
                active=active,
                running=running,
                ago=ago,
            )


def test_balances_are_compared_with_their_ledger_to_the_cent(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogpt_db.worker.jobs.audit_balances.BATCH", 3)
    fill_ledger(queries)
    result, events = run(queries, settings_for(database_url), "audit_balances")
    assert result == {
        "users": 8, "organizations": 0, "differing": 3, "difference_cents": 1 + 20 + 12,
    }  # fmt: skip
    told = {e["user_id"]: e["difference"] for e in events if e["event"] == "balance_differs"}
    assert told == {"a cent too much": 1, "lost entry": -20, "balance without entries": 12}
    assert figures(queries, "balances_difference_cents") == [33]


# measure_blocks, tend_embeddings -----------------------------------------------------------------


def test_failing_blocks_are_told_and_measured(database_url: str, queries: Queries) -> None:
    queries.rows("SET session_replication_role = replica")
    queries.rows(
        """INSERT INTO platform."AgentBlock" (id, name, "inputSchema", "outputSchema")
           VALUES ('bad', 'Bad', '{}', '{}'), ('good', 'Good', '{}', '{}')"""
    )
    queries.rows(
        """INSERT INTO platform."AgentNode" (id, "agentBlockId", "agentGraphId")
           VALUES ('bad', 'bad', 'g'), ('good', 'good', 'g')"""
    )
    queries.rows(
        """INSERT INTO platform."AgentNodeExecution"
               ("id", "agentGraphExecutionId", "agentNodeId", "addedTime", "executionStatus")
           SELECT node || n, 'e', node, autogpt_db.now_v1() - interval '1 hour',
                  (CASE WHEN node = 'bad' AND n <= 9 THEN 'FAILED' ELSE 'COMPLETED' END)
                  ::platform."AgentExecutionStatus"
             FROM unnest(ARRAY['bad', 'good']) AS node, generate_series(1, 12) AS n"""
    )
    result, events = run(queries, settings_for(database_url), "measure_blocks")
    assert result == {"failing_blocks": 1, "accuracy_drops": 0}
    (event,) = [event for event in events if event["event"] == "block_failing"]
    assert (event["block"], event["executions"], event["failed"]) == ("Bad", 12, 9)
    assert figures(queries, "block_error_ratio") == [0.75, 0]


def test_embeddings_are_counted_without_a_key(seeded_database_url: str) -> None:
    queries = Queries(seeded_database_url)
    result, _ = run(queries, settings_for(seeded_database_url), "tend_embeddings")
    assert result["made"] == 0
    (wanted,) = figures(queries, "embeddings_wanted")
    (there,) = figures(queries, "embeddings_there")
    assert result["missing"] == wanted - there
    queries.close()


# retain ------------------------------------------------------------------------------------------

KEPT = """
SELECT (SELECT count(*) FROM platform."AgentGraphExecution"),
       (SELECT count(*) FROM platform."AgentNodeExecution"),
       (SELECT count(*) FROM platform."AgentNodeExecutionInputOutput")
"""


def fill_executions(queries: Queries) -> None:
    """Make 120 old executions and 10 new ones, of 3 nodes with 4 rows; one old one still runs."""
    queries.rows("SET session_replication_role = replica")
    queries.rows(
        """INSERT INTO platform."AgentGraphExecution"
               ("id", "agentGraphId", "userId", "createdAt", "executionStatus")
           SELECT 'e' || e, 'g', 'u',
                  autogpt_db.now_v1()
                  - make_interval(days => CASE WHEN e <= 120 THEN 100 ELSE 5 END)
                  + make_interval(mins => e),
                  (CASE WHEN e = 7 THEN 'RUNNING' ELSE 'COMPLETED' END)
                  ::platform."AgentExecutionStatus"
             FROM generate_series(1, 130) AS e"""
    )
    queries.rows(
        """INSERT INTO platform."AgentNodeExecution" ("id", "agentGraphExecutionId", "agentNodeId")
           SELECT 'e' || e || 'n' || n, 'e' || e, 'n'
             FROM generate_series(1, 130) AS e, generate_series(1, 3) AS n"""
    )
    queries.rows(
        """INSERT INTO platform."AgentNodeExecutionInputOutput"
               ("id", "name", "referencedByInputExecId", "referencedByOutputExecId")
           SELECT 'e' || e || 'n' || n || 'r' || r, 'x',
                  CASE WHEN r <= 2 THEN 'e' || e || 'n' || n END,
                  CASE WHEN r > 2 THEN 'e' || e || 'n' || n END
             FROM generate_series(1, 130) AS e, generate_series(1, 3) AS n,
                  generate_series(1, 4) AS r"""
    )
    queries.rows(
        """INSERT INTO platform."AgentNodeExecutionInputOutput" ("id", "name", "agentPresetId")
           VALUES ('preset', 'x', 'p')"""
    )
    queries.rows("SET session_replication_role = origin")


def retaining(url: str, **options: Any) -> Settings:
    return msgspec.structs.replace(
        settings_for(url), retain=RetainSettings(batch=50, rest=0.0, **options)
    )


def test_nothing_is_deleted_unless_somebody_asked_for_it(
    database_url: str, queries: Queries
) -> None:
    fill_executions(queries)
    before = queries.rows(KEPT)
    assert run(queries, retaining(database_url), "retain")[0]["rows"] == 0
    assert queries.rows(KEPT) == before == [(130, 390, 1561)]


def test_old_inputs_and_outputs_go_and_everything_else_stays(
    database_url: str, queries: Queries
) -> None:
    fill_executions(queries)
    result, _ = run(queries, retaining(database_url, input_output_days=30), "retain")
    assert result == {"executions": 120, "rows": 119 * 12, "finished": True}
    assert queries.rows(KEPT) == [(130, 390, 1 + 11 * 12)]
    # The next run goes on behind what is done.
    result, _ = run(queries, retaining(database_url, input_output_days=30), "retain")
    assert result == {"executions": 1, "rows": 0, "finished": True}


def test_old_executions_go_with_all_that_belongs_to_them(
    database_url: str, queries: Queries
) -> None:
    fill_executions(queries)
    result, _ = run(queries, retaining(database_url, executions_days=30), "retain")
    assert result["rows"] == 119 * (1 + 3 + 12)
    assert queries.rows(KEPT) == [(11, 33, 1 + 11 * 12)]
    queries.rows("""UPDATE platform."AgentGraphExecution" SET "executionStatus" = 'FAILED'""")
    run(queries, retaining(database_url, executions_days=30), "retain")
    assert queries.rows(KEPT) == [(10, 30, 1 + 10 * 12)]


def test_a_run_whose_time_is_up_leaves_the_rest_to_the_next_one(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_executions(queries)
    monkeypatch.setattr("autogpt_db.worker.jobs.retain.BUDGET", 0.0)
    result, _ = run(queries, retaining(database_url, input_output_days=30), "retain")
    assert result == {"executions": 0, "rows": 0, "finished": False}
    monkeypatch.undo()
    result, _ = run(queries, retaining(database_url, input_output_days=30), "retain")
    assert (result["rows"], result["finished"]) == (119 * 12, True)


def test_somebody_elses_lock_is_waited_for_and_not_for_long(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_executions(queries)
    monkeypatch.setattr("autogpt_db.worker.handle.LOCK_LIMIT", 0.2)
    holder = Queries(database_url)
    holder.rows("BEGIN")
    holder.rows(
        """SELECT 1 FROM platform."AgentNodeExecutionInputOutput" WHERE id = 'e3n1r1' FOR UPDATE"""
    )
    settings, jobs = retaining(database_url, input_output_days=30), discover()

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "retain")
            # It has run into the lock and let go of its own at least once.
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            await eventually(lambda: queries.value(waiting) > 0)
            await eventually(lambda: queries.value(waiting) == 0)
            holder.rows("ROLLBACK")
            await eventually(lambda: queries.rows(OUTCOME, job="retain"))

    asyncio.run(main())
    holder.close()
    ((outcome, result),) = queries.rows(OUTCOME, job="retain")
    assert (outcome, result["rows"]) == ("succeeded", 119 * 12)
