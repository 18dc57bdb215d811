"""Bounds: what is too large is refused by name, and what is large leaves no memory behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from ages import AS_OF_V0_6_48, OLD
from api_process import ApiProcess
from autogpt_db.errors import LimitExceededError, ResultTooLargeError
from autogpt_db.settings import LimitsSettings
from service import OPERATIONS, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = LimitsSettings(
    text_length=300, items=20, page_size=30, batch_size=40, rows=50, result_bytes=100_000
)
MIB = 2**20
RANGE = {"start_time": "2020-01-01", "end_time": "2100-01-01"}


@pytest.fixture
def bounded(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(seeded_database_url, copy_of=seeded_template, limits=SMALL) as service:
        yield service


def executions(service: Service, count: int, size: int = 0) -> tuple[str, str]:
    """Add executions to a graph; return its user and its id."""
    graph, version, user = service.rows('SELECT id, version, "userId" FROM "AgentGraph" LIMIT 1')[0]
    service.rows(
        """INSERT INTO "AgentGraphExecution"
               (id, "updatedAt", "agentGraphId", "agentGraphVersion", "userId", inputs,
                "executionStatus", "parentGraphExecutionId")
           SELECT 'many-' || i, now(), %(graph)s, %(version)s, %(user)s,
                  jsonb_build_object('text', repeat('x', %(size)s)), 'COMPLETED',
                  CASE WHEN i > 1 THEN 'many-1' END
             FROM generate_series(1, %(count)s) AS i""",
        graph=graph,
        version=version,
        user=user,
        count=count,
        size=size,
    )
    return user, graph


ARGUMENTS = [
    ("get_user_by_id", {"user_id": "x" * 301}, "user_id has 301 characters", 300),
    ("get_node_executions", {"block_ids": ["b"] * 21}, "block_ids has 21 items", 20),
    ("get_node_executions", {"block_ids": ["b", "x" * 301]}, "block_ids has 301 characters", 300),
    ("get_store_agents", {"creators": ["c"] * 21}, "creators has 21 items", 20),
    ("get_graph_executions", {"limit": 51}, "limit is 51", 50),
    ("get_graph_executions", {"limit": -51}, "limit is -51", 50),
    ("get_graph_executions", {"statuses": ["QUEUED"] * 21}, "statuses has 21 items", 20),
    ("get_node_executions", {"limit": 2**62}, f"limit is {2**62}", 50),
    ("list_library_agents", {"user_id": "alice", "page_size": 31}, "page_size is 31", 30),
    ("get_store_agents", {"page_size": 31}, "page_size is 31", 30),
    ("backfill_missing_embeddings", {"batch_size": 41}, "batch_size is 41", 40),
    (
        "update_node_execution_status_batch",
        {"node_exec_ids": ["n"] * 21, "status": "QUEUED"},
        "node_exec_ids has 21 items",
        20,
    ),
    (
        "remove_notifications_from_batch",
        {"user_id": "a", "notification_type": "AGENT_RUN", "notification_ids": ["n"] * 21},
        "notification_ids has 21 items",
        20,
    ),
    (
        "set_execution_kv_data",
        {"user_id": "a", "node_exec_id": "n", "key": "k" * 301, "data": 1},
        "key has 301 characters",
        300,
    ),
]


@pytest.mark.parametrize(("method", "arguments", "said", "most"), ARGUMENTS)
def test_what_is_too_large_is_refused_by_name(
    bounded: Service, method: str, arguments: Any, said: str, most: int
) -> None:
    with pytest.raises(LimitExceededError) as caught:
        bounded.call(method, **arguments)
    assert (caught.value.status, caught.value.wire_type) == (400, "ValueError")
    (text,) = caught.value.args
    assert text.startswith(f"{said}, and at most {most} are allowed (limits.")
    assert bounded.statements == 0


def test_what_is_just_within_its_bound_is_served(bounded: Service) -> None:
    assert bounded.call("get_user_email_by_id", user_id="x" * 300) is None
    assert bounded.call("get_node_executions", block_ids=["x" * 300] * 20, limit=50) == []
    assert bounded.call("get_node_executions", block_ids=["x"], limit=-50) == []
    page = bounded.call("list_library_agents", user_id="nobody", page_size=30)
    assert page["pagination"]["page_size"] == 30
    assert bounded.call("get_store_agents", page_size=30)["pagination"]["page_size"] == 30


def test_starting_nodes_and_their_inputs_are_counted(bounded: Service) -> None:
    node, graph, version, user = bounded.rows(
        """SELECT node.id, graph.id, graph.version, "userId" FROM "AgentNode" AS node
             JOIN "AgentGraph" AS graph
               ON graph.id = "agentGraphId" AND graph.version = "agentGraphVersion" LIMIT 1"""
    )[0]

    def create(*inputs: Any) -> tuple[int, Any]:
        pairs = [[node, each] for each in inputs]
        request = {
            "graph_id": graph, "graph_version": version, "user_id": user, "inputs": {},
            "starting_nodes_input": pairs,
        }  # fmt: skip
        return bounded.answer("create_graph_execution", request)

    before = bounded.value('SELECT count(*) FROM "AgentGraphExecution"')
    status, error = create(*[{}] * 21)
    assert (status, error["args"][0][:33]) == (400, "starting_nodes_input has 21 items")
    eleven = {str(n): ":" for n in range(11)}
    status, error = create(eleven, eleven)
    assert (status, error["args"][0][:34]) == (400, "starting_nodes_input has 22 inputs")
    assert bounded.value('SELECT count(*) FROM "AgentGraphExecution"') == before
    assert create({str(n): ":::" for n in range(20)})[0] == 200


def test_a_list_longer_than_it_may_be_is_an_error_and_never_cut_short(bounded: Service) -> None:
    user, graph = executions(bounded, 51)
    bounded.rows("""UPDATE "AgentGraphExecution" SET "isDeleted" = true WHERE id !~ '^many'""")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("get_graph_executions", {"user_id": user}),
        ("get_graph_executions", {"graph_id": graph}),
    ]
    for method, arguments in calls:
        with pytest.raises(ResultTooLargeError, match=r"50 rows \(limits.rows\). To narrow it"):
            bounded.call(method, **arguments)
        assert len(bounded.call(method, **arguments, limit=50)) == 50
        assert len(bounded.call(method, **arguments, limit=-50)) == 50
    children = bounded.call("get_child_graph_executions", parent_exec_id="many-1")
    assert len(children) == 50
    bounded.rows("""UPDATE "AgentGraphExecution" SET "parentGraphExecutionId" = 'many-1'""")
    with pytest.raises(ResultTooLargeError, match="get_graph_executions with a limit"):
        bounded.call("get_child_graph_executions", parent_exec_id="many-1")


def test_a_list_larger_than_it_may_be_is_an_error(bounded: Service) -> None:
    user, _ = executions(bounded, 20, size=10_000)
    with pytest.raises(ResultTooLargeError, match=r"100000 bytes \(limits.result_bytes\)"):
        bounded.call("get_graph_executions", user_id=user)
    assert len(bounded.call("get_graph_executions", user_id=user, limit=5)) == 5
    with pytest.raises(ResultTooLargeError):
        bounded.call("get_child_graph_executions", parent_exec_id="many-1")


def test_one_document_larger_than_it_may_be_is_an_error(bounded: Service) -> None:
    user, _ = executions(bounded, 1, size=100_000)
    for method in ("get_graph_execution", "get_graph_execution_meta"):
        with pytest.raises(ResultTooLargeError, match="100000 bytes"):
            bounded.call(method, user_id=user, execution_id="many-1")
    # A write that has been done is answered, however large it is.
    assert bounded.call("update_graph_execution_start_time", graph_exec_id="many-1")


ELEVEN_USERS = """
INSERT INTO "User" (id, email, "updatedAt")
SELECT 'u' || i, i || '@example.com', now() FROM generate_series(1, 11) AS i
"""


def test_users_and_graphs_are_counted_too(seeded_database_url: str) -> None:
    limits = LimitsSettings(rows=10, result_bytes=100_000)
    with Service(seeded_database_url, limits=limits) as service:
        executions(service, 10)
        service.rows(ELEVEN_USERS)
        assert len(service.call("get_active_user_ids_in_timerange", **RANGE)) <= 10
        service.rows(
            """UPDATE "AgentGraphExecution" SET "userId" = 'u' || substr(id, 6)
                WHERE id ~ '^many'"""
        )
        service.rows(
            """INSERT INTO "AgentGraphExecution"
                      (id, "updatedAt", "agentGraphId", "agentGraphVersion", "userId",
                       "executionStatus")
               SELECT 'last', now(), "agentGraphId", "agentGraphVersion", 'u11', 'COMPLETED'
                 FROM "AgentGraphExecution" WHERE id = 'many-1'"""
        )
        with pytest.raises(ResultTooLargeError, match="shorter time range"):
            service.call("get_active_user_ids_in_timerange", **RANGE)
        with pytest.raises(ResultTooLargeError, match="min_executions"):
            service.call("get_frequently_executed_graphs", min_executions=1)
        assert service.call("get_frequently_executed_graphs", min_executions=2) is not None


@AS_OF_V0_6_48  # later they come without their events, and are small
def test_batches_are_counted_too(seeded_database_url: str) -> None:
    limits = LimitsSettings(rows=10, result_bytes=100_000)
    with Service(seeded_database_url, limits=limits) as service:
        service.rows(ELEVEN_USERS)
        service.rows('DELETE FROM "NotificationEvent"')
        service.rows('DELETE FROM "UserNotificationBatch"')
        for number in range(1, 12):
            service.call(
                "create_or_add_to_user_notification_batch",
                user_id=f"u{number}",
                notification_type="AGENT_RUN",
                notification_data={"type": "AGENT_RUN", "user_id": "u", "data": {}},
            )
        with structlog.testing.capture_logs() as logs:
            found = service.call("get_all_batches_by_type", notification_type="AGENT_RUN")
        told = [record for record in logs if record["event"] == "notifications_left_out"]
        ((left_out,), batches) = told[0]["users"], told[0]["batches"]
        assert (len(told), batches) == (1, 1)
        assert {left_out, *(batch["user_id"] for batch in found)} == {f"u{n}" for n in range(1, 12)}
        service.call("empty_user_notification_batch", user_id="u1", notification_type="AGENT_RUN")
        found = service.call("get_all_batches_by_type", notification_type="AGENT_RUN")
        assert len(found) == 10  # in whatever order: none is promised
        assert {batch["user_id"] for batch in found} == {f"u{n}" for n in range(2, 12)}


@AS_OF_V0_6_48
def test_one_user_s_oversized_batch_keeps_nobody_else_from_theirs(
    seeded_database_url: str,
) -> None:
    limits = LimitsSettings(result_bytes=100_000)
    with Service(seeded_database_url, limits=limits) as service:
        service.rows('DELETE FROM "NotificationEvent"')
        service.rows('DELETE FROM "UserNotificationBatch"')
        service.rows(
            """INSERT INTO "User" (id, email, "updatedAt")
               SELECT 'u' || i, i || '@example.com', now() FROM generate_series(1, 6) AS i"""
        )
        # In characters that are long in JSON; the third and the fifth don't fit both.
        sizes = {"u1": 10, "u2": 90_000, "u3": 9_000, "u4": 10, "u5": 9_800, "u6": 10}
        for user, size in sizes.items():
            service.rows(
                """WITH batch AS (
                       INSERT INTO "UserNotificationBatch" ("id", "userId", "type", "createdAt")
                       VALUES (%(user)s, %(user)s, 'AGENT_RUN', clock_timestamp())
                   )
                   INSERT INTO "NotificationEvent"
                          ("id", "userNotificationBatchId", "type", "data")
                   VALUES (%(user)s, %(user)s, 'AGENT_RUN',
                           jsonb_build_object('a', repeat(E'"\\u0001', %(size)s / 8)))""",
                user=user,
                size=size,
            )

        def read() -> tuple[list[str], list[dict[str, Any]]]:
            with structlog.testing.capture_logs() as logs:
                found = service.call("get_all_batches_by_type", notification_type="AGENT_RUN")
            assert len(json.dumps(found)) <= limits.result_bytes
            return [batch["user_id"] for batch in found], [
                dict(record) for record in logs if record["event"] == "notifications_left_out"
            ]

        users, (told,) = read()
        assert users == ["u1", "u3", "u4", "u5", "u6"]
        assert (told["type"], told["batches"], told["users"]) == ("AGENT_RUN", 1, ["u2"])
        assert 90_000 < told["largest_bytes"] < 100_000
        for user in ("u1", "u3", "u4", "u5", "u6"):
            service.call(
                "empty_user_notification_batch", user_id=user, notification_type="AGENT_RUN"
            )
        assert read() == (["u2"], []), "it fits by itself"


def test_a_users_batch_larger_than_it_may_be_is_an_error(bounded: Service) -> None:
    event = {"type": "AGENT_RUN", "user_id": "alice", "data": {"text": "x" * 60_000}}
    batch = {"user_id": "alice", "notification_type": "AGENT_RUN"}
    bounded.call("empty_user_notification_batch", **batch)
    for count in (1, 2):
        added = bounded.call(
            "create_or_add_to_user_notification_batch", **batch, notification_data=event
        )
        assert len(added["notifications"]) == (count if OLD else 0)
    with pytest.raises(ResultTooLargeError, match="empty the batch"):
        bounded.call("get_user_notification_batch", **batch)


def test_every_number_that_makes_a_result_large_has_a_bound() -> None:
    bounds = {
        (name, parameter.name): parameter.limit
        for name, operation in OPERATIONS.items()
        for parameter in operation.parameters
        if parameter.name in {"limit", "page_size", "batch_size"}
    }
    assert bounds["list_workspace_files", "limit"] == "rows"
    assert {name for name, limit in bounds.items() if limit is None} == set()


def most_memory(api: ApiProcess) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{api.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize("kind", ["rows", "document"])
def test_large_replies_leave_nothing_behind(
    service: Service, seeded_database_url: str, kind: str
) -> None:
    # Each connection of the eight would keep what its largest reply took.
    if kind == "rows":
        user, _ = executions(service, 24_000, size=700)
        call: tuple[str, dict[str, Any]] = ("get_graph_executions", {"user_id": user})
    else:
        data = {"text": "x" * 24 * MIB}
        write = {"user_id": "alice", "node_exec_id": "n", "key": "k", "data": data}
        service.call("set_execution_kv_data", **write)
        call = ("get_execution_kv_data", {"user_id": "alice", "key": "k"})
    with ApiProcess(seeded_database_url, "database.pool_size=8") as api:
        method, arguments = call
        body = json.dumps(arguments)
        sizes = []
        for _ in range(10):
            reply = api.client.post(f"/{method}", content=body)
            assert reply.status_code == 200
            assert len(reply.content) > 20 * MIB
            sizes.append(most_memory(api))
    print([size // MIB for size in sizes])
    assert sizes[-1] - sizes[2] < 60 * MIB
