"""What node executions took and gave, on the databases of AutoGPT's releases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog.testing

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

BLOCK = "363ae599-353e-4804-937e-b2ee3cef3da4"
NODES = """
INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now());
INSERT INTO "AgentBlock" (id, name, "inputSchema", "outputSchema")
VALUES (%(block)s, 'Output', '{}', '{}');
INSERT INTO "AgentGraph" (id, version, name, "userId", "updatedAt")
VALUES ('g', 1, 'Graph', 'ann', now());
INSERT INTO "AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput",
                         metadata)
VALUES ('n', %(block)s, 'g', 1, '{}', '{}');
INSERT INTO "AgentGraphExecution" (id, "agentGraphId", "agentGraphVersion", "userId", "updatedAt",
                                   "executionStatus")
VALUES ('e', 'g', 1, 'ann', now(), 'RUNNING');
INSERT INTO "AgentNodeExecution" (id, "agentGraphExecutionId", "agentNodeId", "executionStatus")
VALUES ('x', 'e', 'n', 'RUNNING')
"""
# One row more than are read: in the order of their moments, against that of their making.
ROWS = """
INSERT INTO "AgentNodeExecutionInputOutput" (id, name, "time", data, "referencedBy{side}ExecId")
SELECT '{side}' || n, CASE WHEN n = 1 THEN 'newest' ELSE 'name' END,
       timestamp '2026-01-01' - n * interval '1 second', to_jsonb(n), 'x'
  FROM generate_series(1, {rows}) AS n
"""


def filled(service: Service, rows: int = 0) -> Service:
    """Return a service on a database with a node execution of so many inputs and outputs."""
    for statement in NODES.split(";\n"):
        service.rows(statement, block=BLOCK)
    for side in ("Input", "Output"):
        service.rows(ROWS.format(side=side, rows=rows))
    return service


def shown(service: Service, key: str = "x") -> dict[str, Any]:
    """Return the node execution, which is the same however it is read."""
    found: dict[str, Any] = service.call("get_node_execution", node_exec_id=key)
    assert service.call("get_node_executions", graph_exec_id="e") == [found]
    assert service.call("get_latest_node_execution", node_id="n", graph_eid="e") == found
    with_nodes = service.call(
        "get_graph_execution", user_id="ann", execution_id="e", include_node_executions=True
    )
    assert with_nodes["node_executions"] == [found]
    unchanged = service.call("update_node_execution_status", node_exec_id=key, status="QUEUED",
                             execution_data={})  # fmt: skip
    assert unchanged == found
    together = service.together([("get_node_execution", {"node_exec_id": key})] * 3)
    assert together == [found] * 3
    return found


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.59"])
def test_all_values_are_read_up_to_v0_6_59(service_in: Serve, state: str) -> None:
    found = shown(filled(service_in(state), rows=1001))
    assert set(found["input_data"]) == {"name", "newest"}
    assert len(found["output_data"]["name"]) == 1000
    assert found["output_data"]["newest"] == [1]


@pytest.mark.parametrize("state", ["master-2026-05-20", "v0.6.68", "v0.7.2"])
def test_later_the_oldest_thousand_of_each_side_are(service_in: Serve, state: str) -> None:
    service = filled(service_in(state), rows=1001)
    service.rows('UPDATE "AgentNodeExecution" SET id = %(name)s', name=state)
    with structlog.testing.capture_logs() as logs:
        found = shown(service, state)
    assert [log for log in logs if log["event"] == "node_values_left_out"] == [
        {"event": "node_values_left_out", "log_level": "warning", "node_exec_id": state}
    ]
    assert found["input_data"] == {"name": 2}
    assert found["output_data"] == {"name": list(range(1001, 1, -1))}
    outputs = service.call("get_execution_outputs_by_node_exec_id", node_exec_id=state)
    assert (len(outputs["name"]), outputs["newest"]) == (1000, [1])
    service.rows("""UPDATE "AgentNodeExecution" SET "executionStatus" = 'INCOMPLETE'""")
    before, inputs = service.call(
        "upsert_execution_input", node_id="n", graph_exec_id="e", input_name="one", input_data=9
    )
    assert before["input_data"] == {"name": 2}
    assert inputs == {"name": 2, "one": 9}
    service.rows("""DELETE FROM "AgentNodeExecutionInputOutput"
                     WHERE "referencedByInputExecId" IS NOT NULL""")
    assert service.call("get_node_execution", node_exec_id=state)["input_data"] == {}


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.51", "v0.6.68"])
def test_outputs_are_lists_in_their_order_without_nulls(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))
    for value in (2, None, {"a": None}, 0, False):
        service.call(
            "upsert_execution_output", node_exec_id="x", output_name="o", output_data=value
        )
    service.call("upsert_execution_output", node_exec_id="x", output_name="n", output_data=None)
    found = service.call("get_execution_outputs_by_node_exec_id", node_exec_id="x")
    assert found == {"o": [2, {"a": None}, 0, False]}
    assert service.call("get_node_execution", node_exec_id="x")["output_data"] == {
        "o": [2, None, {"a": None}, 0, False],
        "n": [None],
    }


def test_each_release_has_integers_that_spoil_a_nodes_stats(service_in: Serve) -> None:
    spoilers = {
        "v0.6.53": {"extra_cost"},
        "v0.6.54": {"extra_cost", "cache_read_token_count", "cache_creation_token_count"},
        "v0.6.58": {
            *("cache_read_token_count", "cache_creation_token_count"),
            *("cost", "reconciled_cost_delta"),
        },
    }
    always = {"input_size", "output_size", "llm_call_count", "llm_retry_count", "extra_steps"}
    always |= {"input_token_count", "output_token_count"}
    for state, some in spoilers.items():
        service = filled(service_in(state))
        for name in always | set.union(*spoilers.values()):
            for value, spoils in (("x", True), (1, False), ("7", False), (None, True)):
                stats = {"cleared_inputs": {"a": ["b"]}, "cleared_outputs": {"c": []}, name: value}
                service.rows(
                    'UPDATE "AgentNodeExecution" SET stats = %(stats)s::jsonb',
                    stats=json.dumps(stats),
                )
                found = service.call("get_node_execution", node_exec_id="x")
                spoilt = spoils and name in always | some
                expected: tuple[Any, Any] = ({}, {}) if spoilt else ({"a": "b"}, {"c": []})
                assert (found["input_data"], found["output_data"]) == expected, (state, stats)
