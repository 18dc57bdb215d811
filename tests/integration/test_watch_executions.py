"""Twelve kinds of stuck executions, twelve of healthy ones, and what is done about them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from autogpt_db.settings import WatchSettings
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.registry import discover
from worker_scenarios import Queries, enqueue, eventually, settings_for, working

if TYPE_CHECKING:
    from collections.abc import Iterator

# id: status, hours since it was made, since it was changed last, and its node executions:
# status, hours since they were added, started, ended.
Node = tuple[str, float | None, float | None, float | None]
Run = tuple[str, float, float, list[Node]]
OLD, NEW = 30.0, 0.2

STUCK: dict[str, Run] = {
    "queued": ("QUEUED", OLD, OLD, [("QUEUED", OLD, None, None)]),
    "queued without nodes": ("QUEUED", OLD, OLD, []),
    "queued again after a stop": ("QUEUED", OLD, 5, [("TERMINATED", OLD, OLD, OLD)]),
    "running without nodes": ("RUNNING", OLD, OLD, []),
    "running, all nodes ended": ("RUNNING", OLD, OLD, [("COMPLETED", OLD, OLD, 20)]),
    "running, a node hangs": ("RUNNING", OLD, OLD, [("RUNNING", OLD, 20, None)]),
    "running, nodes never started": ("RUNNING", OLD, OLD, [("QUEUED", 20, None, None)]),
    "running, nodes never queued": ("RUNNING", OLD, OLD, [("INCOMPLETE", 20, None, None)]),
    "running, waits for a dead child": ("RUNNING", OLD, OLD, [("RUNNING", OLD, OLD, None)]),
    "never published": ("INCOMPLETE", OLD, OLD, [("QUEUED", OLD, None, None)]),
    "completed, a node left": ("COMPLETED", OLD, 20, [("RUNNING", OLD, 21, None)]),
    "stopped, a node left": ("TERMINATED", OLD, 20, [("RUNNING", OLD, 21, None)]),
}
HEALTHY: dict[str, Run] = {
    "waits for a person": ("REVIEW", OLD, OLD, [("REVIEW", OLD, OLD, None)]),
    "running, a node waits for a person": ("RUNNING", OLD, OLD, [("REVIEW", OLD, OLD, None)]),
    "running, waits for a reviewed child": ("RUNNING", OLD, OLD, [("RUNNING", OLD, OLD, None)]),
    "running, waits for a busy child": ("RUNNING", OLD, OLD, [("RUNNING", OLD, OLD, None)]),
    "just queued": ("QUEUED", NEW, NEW, []),
    "resumed, queued": ("QUEUED", OLD, NEW, [("TERMINATED", OLD, OLD, OLD)]),
    "resumed, running": ("RUNNING", OLD, NEW, [("TERMINATED", OLD, OLD, OLD)]),
    "long but active": (
        "RUNNING", 300, 300, [("COMPLETED", 300, 300, 299), ("RUNNING", 1, NEW, None)]
    ),
    "long node that still writes": ("RUNNING", OLD, OLD, [("RUNNING", OLD, OLD, None)]),
    "just made": ("INCOMPLETE", NEW, NEW, []),
    "completed": (
        "COMPLETED", OLD, 20, [("COMPLETED", OLD, OLD, 20), ("INCOMPLETE", OLD, None, None)]
    ),
    "ended just now": ("FAILED", OLD, 0.1, [("RUNNING", OLD, 0.2, None)]),
}  # fmt: skip
CHILDREN: dict[str, tuple[str, Run]] = {
    "child in review": (
        "running, waits for a reviewed child",
        ("REVIEW", OLD, OLD, [("REVIEW", OLD, OLD, None)]),
    ),
    "busy child": (
        "running, waits for a busy child",
        ("RUNNING", OLD, OLD, [("RUNNING", NEW, NEW, None)]),
    ),
    "dead child": (
        "running, waits for a dead child",
        ("FAILED", OLD, 20, [("FAILED", OLD, OLD, 20)]),
    ),
}

RUN = """
INSERT INTO platform."AgentGraphExecution"
       ("id", "agentGraphId", "userId", "executionStatus", "createdAt", "startedAt", "updatedAt",
        "endedAt", "parentGraphExecutionId", "stats")
SELECT %(id)s, 'g', 'u', %(status)s::text::platform."AgentExecutionStatus",
       now - make_interval(secs => %(made)s * 3600),
       CASE WHEN %(status)s IN ('INCOMPLETE', 'QUEUED') THEN NULL
       ELSE now - make_interval(secs => %(made)s * 3600) END,
       now - make_interval(secs => %(moved)s * 3600),
       CASE WHEN %(status)s IN ('COMPLETED', 'FAILED', 'TERMINATED')
       THEN now - make_interval(secs => %(moved)s * 3600) END,
       %(parent)s, '{"cost": 3}'
  FROM (SELECT autogpt_db.now_v1() AS now) AS moment
"""
NODE = """
INSERT INTO platform."AgentNodeExecution"
       ("id", "agentGraphExecutionId", "agentNodeId", "executionStatus", "addedTime",
        "startedTime", "endedTime")
SELECT %(id)s, %(run)s, 'n', %(status)s::text::platform."AgentExecutionStatus",
       now - make_interval(secs => %(added)s * 3600),
       now - make_interval(secs => %(started)s::float8 * 3600),
       now - make_interval(secs => %(ended)s::float8 * 3600)
  FROM (SELECT autogpt_db.now_v1() AS now) AS moment
"""
SURROUNDINGS = """
INSERT INTO platform."User" (id, email, "updatedAt") VALUES ('u', 'u@x', now());
INSERT INTO platform."AgentGraph" (id, version, "userId", "updatedAt") VALUES ('g', 1, 'u', now());
INSERT INTO platform."AgentBlock" (id, name, "inputSchema", "outputSchema")
VALUES ('b', 'b', '{}', '{}');
INSERT INTO platform."AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion")
VALUES ('n', 'b', 'g', 1);
"""
STATUSES = """
SELECT "id", "executionStatus"::text FROM platform."AgentGraphExecution" ORDER BY "id"
"""
NODE_STATUSES = """
SELECT "id", "executionStatus"::text FROM platform."AgentNodeExecution" ORDER BY "id"
"""


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    found = Queries(database_url)
    for statement in SURROUNDINGS.strip().split(";\n"):
        found.rows(statement.rstrip(";"))
    for name, run in (STUCK | HEALTHY).items():
        add(found, name, run, None)
    for name, (parent, run) in CHILDREN.items():
        add(found, name, run, parent)
    found.rows(
        """INSERT INTO platform."AgentNodeExecutionInputOutput"
               ("id", "name", "time", "referencedByOutputExecId")
           VALUES ('o', 'token', autogpt_db.now_v1() - interval '5 minutes',
                   'long node that still writes/0')"""
    )
    yield found
    found.close()


def add(queries: Queries, name: str, run: Run, parent: str | None) -> None:
    status, made, moved, nodes = run
    queries.rows(RUN, id=name, status=status, made=made, moved=moved, parent=parent)
    for place, (node_status, added, started, ended) in enumerate(nodes):
        queries.rows(
            NODE,
            id=f"{name}/{place}",
            run=name,
            status=node_status,
            added=added,
            started=started,
            ended=ended,
        )


def watch(
    url: str, queries: Queries, action: Literal["report", "dry_run", "act"]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the job once; return what it counted, and its events."""
    import structlog

    settings = msgspec.structs.replace(
        settings_for(url),
        watch=WatchSettings(queued=action, running=action, incomplete=action, orphans=action),
    )
    jobs = discover()
    ended = queries.value("SELECT count(*) FROM autogpt_db.job_run WHERE outcome = 'succeeded'")

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "watch_executions")
            await eventually(
                lambda: (
                    queries.value(
                        "SELECT count(*) FROM autogpt_db.job_run WHERE outcome = 'succeeded'"
                    )
                    > ended
                )
            )

    with structlog.testing.capture_logs() as events:
        asyncio.run(main())
    result = queries.value("SELECT result FROM autogpt_db.job_run ORDER BY token DESC LIMIT 1")
    return result, [dict(event) for event in events if event["event"].startswith("execution_")]


def test_it_names_exactly_the_stuck_ones_and_touches_nothing(
    database_url: str, queries: Queries
) -> None:
    before = queries.rows(STATUSES), queries.rows(NODE_STATUSES)
    result, events = watch(database_url, queries, "report")
    assert {event["event"] for event in events} == {"execution_stuck"}
    assert sorted(event["graph_exec_id"] for event in events) == sorted(STUCK)
    assert result == {"queued": 3, "running": 6, "incomplete": 1, "orphans": 2, "ended": 0}
    assert (queries.rows(STATUSES), queries.rows(NODE_STATUSES)) == before
    figures = queries.rows(
        "SELECT labels->>'kind', value FROM autogpt_db.job_figure WHERE name = 'stuck_executions'"
    )
    assert dict(figures) == {"queued": 3, "running": 6, "incomplete": 1, "orphans": 2}
    # A second look tells nobody what the first one has told.
    result, events = watch(database_url, queries, "report")
    assert (result["running"], events) == (6, [])


def test_a_dry_run_tells_what_would_be_done_and_touches_nothing(
    database_url: str, queries: Queries
) -> None:
    before = queries.rows(STATUSES), queries.rows(NODE_STATUSES)
    _, events = watch(database_url, queries, "dry_run")
    assert {event["event"] for event in events} == {"execution_would_be_ended"}
    assert len(events) == len(STUCK)
    assert (queries.rows(STATUSES), queries.rows(NODE_STATUSES)) == before


def test_where_it_may_act_the_stuck_ones_end_and_the_healthy_ones_stay(
    database_url: str, queries: Queries
) -> None:
    before = dict(queries.rows(STATUSES))
    nodes_before = dict(queries.rows(NODE_STATUSES))
    result, events = watch(database_url, queries, "act")
    assert result["ended"] == len(STUCK)
    assert {event["event"] for event in events} == {"execution_ended"}
    after, nodes = dict(queries.rows(STATUSES)), dict(queries.rows(NODE_STATUSES))
    for name, status in before.items():
        ended = name in STUCK and status not in {"COMPLETED", "TERMINATED"}
        assert after[name] == ("FAILED" if ended else status), name
    for name, status in nodes_before.items():
        run = name.rpartition("/")[0]
        if run not in STUCK or status in {"COMPLETED", "TERMINATED"}:
            assert nodes[name] == status, name
        else:
            assert nodes[name] in {"FAILED", "TERMINATED"}, name
    stats = queries.value(
        """SELECT "stats" FROM platform."AgentGraphExecution" WHERE "id" = 'queued'"""
    )
    assert stats["cost"] == 3
    assert "ended by autogpt-db" in json.dumps(stats)
    assert watch(database_url, queries, "report")[0]["running"] == 0


def test_many_of_one_kind_hide_none_of_another(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogpt_db.operations.executions.stuck_executions.MOST", 1)
    result, events = watch(database_url, queries, "report")
    assert result == {"queued": 1, "running": 1, "incomplete": 1, "orphans": 1, "ended": 0}
    assert {event["kind"] for event in events} == {"queued", "running", "incomplete", "orphans"}


def test_one_that_somebody_holds_keeps_none_of_the_others(
    database_url: str, queries: Queries
) -> None:
    holder = Queries(database_url)
    holder.rows("BEGIN")
    holder.rows("""SELECT FROM platform."AgentGraphExecution" WHERE id = 'queued' FOR UPDATE""")
    result, events = watch(database_url, queries, "act")
    holder.close()
    assert result["ended"] == len(STUCK) - 1
    assert "queued" not in {event["graph_exec_id"] for event in events
                            if event["event"] == "execution_ended"}  # fmt: skip
    assert queries.value("SELECT count(*) FROM autogpt_db.job_run") == 1
