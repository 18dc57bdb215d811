"""Sequences of writes that the contract's notes tell of, where one sentence decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.errors import InvalidValueError, RecordNotFoundError

if TYPE_CHECKING:
    from service import Service


def test_all_rows_of_one_execution_share_one_reading_of_the_clock(service: Service) -> None:
    many = {f"input {number}": "x" * 1000 for number in range(200)}
    made = service.call(
        "create_graph_execution",
        graph_id="g1",
        graph_version=2,
        user_id="alice",
        inputs={},
        starting_nodes_input=[["n-std", many]] * 20,
    )
    moments = service.rows(
        """SELECT graph_execution."createdAt" FROM "AgentGraphExecution" AS graph_execution
            WHERE id = %(key)s
            UNION
           SELECT unnest(ARRAY["addedTime", "queuedTime"]) FROM "AgentNodeExecution"
            WHERE "agentGraphExecutionId" = %(key)s
            UNION
           SELECT "time" FROM "AgentNodeExecutionInputOutput" AS entry
             JOIN "AgentNodeExecution" AS execution ON execution.id = "referencedByInputExecId"
            WHERE "agentGraphExecutionId" = %(key)s""",
        key=made["id"],
    )
    assert len(moments) == 1


def waiting(service: Service, key: str, added: str) -> None:
    service.rows(
        """INSERT INTO "AgentNodeExecution"
               (id, "agentGraphExecutionId", "agentNodeId", "executionStatus", "addedTime")
           VALUES (%(key)s, 'e1', 'n-std', 'INCOMPLETE', %(added)s)""",
        key=key,
        added=added,
    )


def fill(service: Service, name: str = "data", **more: Any) -> str:
    request = {"node_id": "n-std", "graph_exec_id": "e1", "input_name": name, "input_data": 1}
    (result, _) = service.call("upsert_execution_input", **(request | more))
    found: str = result["node_exec_id"]
    return found


def test_the_oldest_by_its_moment_takes_an_input_and_not_the_one_inserted_first(
    service: Service,
) -> None:
    waiting(service, "young", "2026-03-01")
    waiting(service, "old", "2026-01-01")
    waiting(service, "middle", "2026-02-01")
    assert [fill(service) for _ in range(3)] == ["old", "middle", "young"]
    assert fill(service, "another") == "old"
    assert fill(service) not in {"old", "middle", "young"}


def test_an_execution_that_moved_on_waits_for_nothing(service: Service) -> None:
    waiting(service, "first", "2026-01-01")
    assert fill(service) == "first"
    service.call(
        "update_node_execution_status", node_exec_id="first", status="QUEUED", execution_data={}
    )
    fresh = fill(service, "other")
    assert fresh != "first"
    with pytest.raises(InvalidValueError):
        fill(service, "other", node_exec_id="first")


@pytest.mark.parametrize(
    ("age", "blocks"), [("23 hours 59 minutes", True), ("24 hours 1 minute", False)]
)
def test_an_input_blocks_for_24_hours(service: Service, age: str, blocks: bool) -> None:
    waiting(service, "filled", "2026-01-01")
    assert fill(service) == "filled"
    service.rows(
        f"""UPDATE "AgentNodeExecutionInputOutput"
               SET "time" = now() AT TIME ZONE 'UTC' - interval '{age}'
             WHERE "referencedByInputExecId" = 'filled'"""
    )
    assert (fill(service) != "filled") == blocks


def test_what_is_not_there_is_an_error_or_nothing_method_by_method(service: Service) -> None:
    with pytest.raises(InvalidValueError):
        service.call("update_node_execution_status", node_exec_id="?", status="RUNNING")
    assert (
        service.call(
            "update_node_execution_status_batch", node_exec_ids=["?", "x4"], status="RUNNING"
        )
        == 1
    )
    with pytest.raises(RecordNotFoundError):
        service.call("update_graph_execution_stats", graph_exec_id="?", status="RUNNING")
    assert service.call("update_graph_execution_start_time", graph_exec_id="?") is None
    assert service.call("update_review_processed_status", node_exec_id="?", processed=True) is None


def test_a_refused_transition_writes_nothing_not_even_stats(service: Service) -> None:
    service.rows("""UPDATE "AgentGraphExecution" SET "updatedAt" = '2026-01-01' WHERE id = 'e1'""")
    before = service.rows("""SELECT * FROM "AgentGraphExecution" WHERE id = 'e1'""")
    refused = service.call(
        "update_graph_execution_stats", graph_exec_id="e1", status="RUNNING", stats={"cost": 99}
    )
    assert (refused["status"], refused["stats"]["cost"]) == ("COMPLETED", 5)
    assert service.rows("""SELECT * FROM "AgentGraphExecution" WHERE id = 'e1'""") == before
    service.rows("""UPDATE "AgentGraphExecution" SET "isDeleted" = true WHERE id = 'e1'""")
    again = service.call("update_graph_execution_stats", graph_exec_id="e1", status="RUNNING")
    assert again == refused, "a deleted one is shown, too"
    row = """SELECT * FROM "AgentNodeExecution" WHERE id = 'x1'"""
    before = service.rows(row)
    refused = service.call(
        "update_node_execution_status",
        node_exec_id="x1",
        status="RUNNING",
        execution_data={"a": 1},
        stats={"b": 2},
    )
    assert (refused["status"], refused["input_data"]["value"]) == ("COMPLETED", "T")
    assert service.rows(row) == before


def test_an_updates_empty_data_and_stats_leave_what_is_stored(service: Service) -> None:
    service.call(
        "update_node_execution_status",
        node_exec_id="x4",
        status="QUEUED",
        execution_data={"a": 1},
        stats={"b": 2},
    )
    service.call(
        "update_node_execution_status",
        node_exec_id="x4",
        status="RUNNING",
        execution_data={},
        stats={},
    )
    query = """SELECT "executionData", stats FROM "AgentNodeExecution" WHERE id = 'x4'"""
    assert service.rows(query) == [({"a": 1}, {"b": 2})]
    assert (
        service.call(
            "update_node_execution_status_batch",
            node_exec_ids=["x4"],
            status="COMPLETED",
            stats={"c": 3},
        )
        == 1
    )
    assert service.rows(query) == [({"a": 1}, {"c": 3})]


def test_a_resumed_executions_times_are_overwritten(service: Service) -> None:
    def times() -> tuple[Any, ...]:
        (row,) = service.rows(
            """SELECT "queuedTime", "startedTime", "endedTime"
                 FROM "AgentNodeExecution" WHERE id = 'x4'"""
        )
        return row

    def go(status: str) -> None:
        service.call(
            "update_node_execution_status", node_exec_id="x4", status=status, execution_data={}
        )

    for status in ("QUEUED", "RUNNING", "REVIEW"):
        go(status)
    queued, started, ended = times()
    assert ended is None  # REVIEW ends nothing
    service.rows(
        """UPDATE "AgentNodeExecution" SET "queuedTime" = '2026-01-01', "startedTime" = '2026-01-01'
            WHERE id = 'x4'"""
    )
    for status in ("QUEUED", "RUNNING", "TERMINATED"):
        go(status)
    again = times()
    assert again[0] >= queued
    assert again[1] >= started
    assert again[2] is None  # nor does TERMINATED
    for status in ("RUNNING", "COMPLETED"):
        go(status)
    assert times()[2] is not None


def test_another_version_in_the_library_is_another_agent(service: Service) -> None:
    service.rows("""INSERT INTO "AgentGraph" (id, version, "userId") VALUES ('g3', 2, 'bob')""")
    service.rows(
        """INSERT INTO "LibraryAgent"
               (id, "updatedAt", "userId", "agentGraphId", "agentGraphVersion", "isDeleted")
           VALUES ('older', now(), 'alice', 'g3', 2, true)"""
    )
    added = service.call(
        "add_store_agent_to_library", store_listing_version_id="slv1", user_id="alice"
    )
    assert added["graph_version"] == 1
    assert added["id"] != "older"
    assert service.value("""SELECT "isDeleted" FROM "LibraryAgent" WHERE id = 'older'""")


@AS_OF_V0_6_48
def test_permissions_follow_the_library_through_its_changes(service: Service) -> None:
    def allowed(**more: Any) -> str | None:
        request = {"user_id": "alice", "graph_id": "g3", "graph_version": 1} | more
        status, reply = service.answer("validate_graph_execution_permissions", request)
        return None if status == 200 else reply["type"]

    assert allowed() == "GraphNotInLibraryError"
    assert allowed(is_sub_graph=True) is None
    service.call("add_store_agent_to_library", store_listing_version_id="slv1", user_id="alice")
    assert allowed() is None
    for column in ("isArchived", "isDeleted"):
        service.rows(f"""UPDATE "LibraryAgent" SET "{column}" = true WHERE "agentGraphId" = 'g3'""")
        assert allowed() == "GraphNotInLibraryError"
        service.rows(f"""UPDATE "LibraryAgent" SET "{column}" = false""")
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'REJECTED'""")
    assert allowed() == "GraphNotAccessibleError"
    assert allowed(is_sub_graph=True) == "GraphNotAccessibleError"
    assert allowed(user_id="bob") == "GraphNotInLibraryError"
