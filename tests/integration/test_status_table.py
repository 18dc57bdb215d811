"""The table of status transitions: held against a model, and under another session's lock."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import InvalidValueError
from service import Service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

STATUSES = ["INCOMPLETE", "QUEUED", "RUNNING", "COMPLETED", "TERMINATED", "FAILED", "REVIEW"]
# The contract's table, written the other way round: what may follow.
MAY_BECOME = {
    "INCOMPLETE": {"QUEUED", "RUNNING", "FAILED", "TERMINATED"},
    "QUEUED": {"RUNNING", "FAILED", "TERMINATED"},
    "RUNNING": {"COMPLETED", "FAILED", "TERMINATED", "REVIEW"},
    "COMPLETED": set(),
    "TERMINATED": {"QUEUED", "RUNNING"},
    "FAILED": set(),
    "REVIEW": {"QUEUED", "RUNNING", "FAILED", "TERMINATED"},
}
NODE_TIMES = {
    "QUEUED": "queuedTime",
    "RUNNING": "startedTime",
    "COMPLETED": "endedTime",
    "FAILED": "endedTime",
}
ENDS = {"COMPLETED", "FAILED", "TERMINATED"}
LONG_AGO = "2020-01-01 00:00:00"

statuses = st.sampled_from(STATUSES)
objects = st.none() | st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9), max_size=2)
# From everywhere, not only from where the updates lead by themselves.
steps = st.lists(st.tuples(statuses, statuses, objects, objects), min_size=1, max_size=12)
held_against_a_model = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(seeded_database_url, copy_of=seeded_template) as running:
        yield running


def put(service: Service, table: str, key: str, status: str, *times: str) -> None:
    """Bring a row into a status, its times far enough back to see which are set."""
    columns = "".join(f", \"{name}\" = '{LONG_AGO}'" for name in times)
    service.rows(
        f'UPDATE "{table}" SET "executionStatus" = %(status)s::text::"AgentExecutionStatus"'
        f"{columns} WHERE id = %(key)s",
        status=status,
        key=key,
    )


@held_against_a_model
@given(steps)
def test_node_executions_keep_to_the_table(service: Service, steps: list[Any]) -> None:
    times = sorted(set(NODE_TIMES.values()))
    service.rows("""UPDATE "AgentNodeExecution" SET stats = NULL, "executionData" = NULL""")
    data = stats = None
    for current, target, new_data, new_stats in steps:
        put(service, "AgentNodeExecution", "b1", current, *times)
        request = {
            "node_exec_id": "b1",
            "status": target,
            "execution_data": new_data,
            "stats": new_stats,
        }
        expected = current
        if target == "INCOMPLETE" or (target == "QUEUED" and new_data is None):
            with pytest.raises(InvalidValueError):
                service.call("update_node_execution_status", **request)
        else:
            answer = service.call("update_node_execution_status", **request)
            if target in MAY_BECOME[current]:
                expected, data, stats = target, new_data or data, new_stats or stats
                assert service.statements == 1
            assert answer["status"] == expected
            assert answer["input_data"] == (data or {})
        row = service.rows(
            'SELECT "executionStatus"::text, "executionData", stats, '
            '"queuedTime", "startedTime", "endedTime"'
            " FROM \"AgentNodeExecution\" WHERE id = 'b1'"
        )[0]
        assert row[:3] == (expected, data, stats)
        written = {
            name
            for name, moment in zip(
                ["queuedTime", "startedTime", "endedTime"], row[3:], strict=True
            )
            if str(moment) != LONG_AGO
        }
        assert written == ({NODE_TIMES.get(target)} - {None} if expected != current else set())


@held_against_a_model
@given(steps)
def test_graph_executions_keep_to_the_table(service: Service, steps: list[Any]) -> None:
    service.rows("""UPDATE "AgentGraphExecution" SET stats = NULL""")
    cost = None
    for current, target, new_stats, with_status in steps:
        put(service, "AgentGraphExecution", "e4", current, "endedAt", "updatedAt")
        request: dict[str, Any] = {"graph_exec_id": "e4"}
        if with_status is not None:
            request["status"] = target
        if new_stats is not None:
            request["stats"] = {"cost": len(new_stats)}
        expected, changes = current, False
        if len(request) == 1 or request.get("status") == "INCOMPLETE":
            with pytest.raises(InvalidValueError):
                service.call("update_graph_execution_stats", **request)
        else:
            answer = service.call("update_graph_execution_stats", **request)
            if "status" not in request:
                changes = True
            elif target in MAY_BECOME[current]:
                expected, changes = target, True
            if changes and new_stats is not None:
                cost = len(new_stats)
            assert answer["status"] == expected
            assert (answer["stats"] or {}).get("cost") == cost
        row = service.rows(
            """SELECT "executionStatus"::text, stats -> 'cost', "endedAt", "updatedAt"
                 FROM "AgentGraphExecution" WHERE id = 'e4'"""
        )[0]
        assert row[:2] == (expected, cost)
        assert (str(row[2]) != LONG_AGO) == (expected != current and expected in ENDS)
        assert (str(row[3]) != LONG_AGO) == changes


@held_against_a_model
@given(st.lists(st.tuples(st.sampled_from(["b1", "b2", "b3", "b4"]), statuses)), statuses, objects)
def test_a_batch_changes_those_that_may_change(
    service: Service, rows: list[tuple[str, str]], target: str, stats: Any
) -> None:
    present = dict(rows)
    for key, status in present.items():
        put(service, "AgentNodeExecution", key, status, "queuedTime")
    request = {
        "node_exec_ids": [*(key for key, _ in rows), "unknown"],
        "status": target,
        "stats": stats,
    }
    if target == "INCOMPLETE":
        wanted: list[list[str]] = [request["node_exec_ids"], []]
        for ids in wanted:
            with pytest.raises(InvalidValueError):
                service.call(
                    "update_node_execution_status_batch", **(request | {"node_exec_ids": ids})
                )
        return
    moving = {key for key, status in present.items() if target in MAY_BECOME[status]}
    assert service.call("update_node_execution_status_batch", **request) == len(moving)
    found = service.rows('SELECT id, "executionStatus"::text FROM "AgentNodeExecution"')
    assert {key: status for key, status in found if key in present} == {
        key: target if key in moving else status for key, status in present.items()
    }


def under_lock(service: Service, change: str, *calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Make a change in another session, start the calls, commit when they all wait for it."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    async def scenario() -> list[Any]:
        with psycopg.connect(service.url) as other:
            other.execute("SET search_path TO platform")
            other.execute(change.encode())
            tasks = [asyncio.ensure_future(call()) for call in calls]
            deadline = time.monotonic() + 10
            while service.value(waiting) < len(calls):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            other.commit()
            return list(await asyncio.gather(*tasks))

    replies: list[Any] = service.run(scenario())
    return replies


def called(service: Service, method: str, **arguments: Any) -> Callable[[], Awaitable[Any]]:
    async def call() -> Any:
        return json.loads(await service.started(method, json.dumps(arguments).encode()))

    return call


CASES = [
    ("AgentNodeExecution", "update_node_execution_status", {"node_exec_id": "b1"}),
    ("AgentGraphExecution", "update_graph_execution_stats", {"graph_exec_id": "e4"}),
]


@pytest.mark.parametrize(("table", "method", "key"), CASES)
def test_an_update_that_waited_in_vain_shows_the_row_as_it_is_now(
    service: Service, table: str, method: str, key: dict[str, str]
) -> None:
    (identifier,) = key.values()
    put(service, table, identifier, "QUEUED")
    change = f"UPDATE \"{table}\" SET \"executionStatus\" = 'RUNNING' WHERE id = '{identifier}'"

    async def one_statement() -> Any:
        """Do what one statement can: update or, where that changed nothing, read."""
        async with await psycopg.AsyncConnection.connect(service.url, autocommit=True) as own:
            cursor = await own.execute(
                f"""WITH changed AS (
                        UPDATE platform."{table}" SET "executionStatus" = 'RUNNING'
                         WHERE id = %s AND "executionStatus" = 'QUEUED'
                     RETURNING "executionStatus"
                    )
                    SELECT "executionStatus"::text FROM changed
                     UNION ALL
                    SELECT "executionStatus"::text FROM platform."{table}"
                     WHERE id = %s AND NOT EXISTS (SELECT FROM changed)""".encode(),
                (identifier, identifier),
            )
            return await cursor.fetchone()

    ours, naive = under_lock(
        service, change, called(service, method, **key, status="RUNNING"), one_statement
    )
    assert ours["status"] == "RUNNING"
    assert naive == ("QUEUED",), "a statement no longer sees the row as it was: simplify ours"


@pytest.mark.parametrize(("table", "method", "key"), CASES)
def test_an_update_that_waited_and_changed_shows_its_change(
    service: Service, table: str, method: str, key: dict[str, str]
) -> None:
    (identifier,) = key.values()
    put(service, table, identifier, "INCOMPLETE")
    change = f"UPDATE \"{table}\" SET \"executionStatus\" = 'RUNNING' WHERE id = '{identifier}'"
    (failed,) = under_lock(
        service, change, called(service, method, **key, status="FAILED", stats={"cost": 1})
    )
    assert failed["status"] == "FAILED"
    assert (
        service.value(f"SELECT stats ->> 'cost' FROM \"{table}\" WHERE id = '{identifier}'") == "1"
    )


def test_of_updates_at_once_exactly_one_succeeds(service: Service) -> None:
    keys = ["b1", "b2", "b3", "b4", "b5"]
    for key in keys:
        put(service, "AgentNodeExecution", key, "QUEUED")
    batches = [
        called(
            service,
            "update_node_execution_status_batch",
            node_exec_ids=keys[:: (-1) ** number],
            status="RUNNING",
        )
        for number in range(3)
    ]
    change = "UPDATE \"AgentNodeExecution\" SET stats = '{}' WHERE id = 'b3'"
    assert sorted(under_lock(service, change, *batches)) == [0, 0, 5]
