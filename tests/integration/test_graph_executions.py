"""Graph executions: lists and their filters, the document, making one and moving it on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ForeignKeyViolationError,
    InvalidValueError,
    RecordNotFoundError,
    ValidationFailedError,
)
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

WEBHOOK = "8fa8c167-2002-47ce-aba8-97572fc5d387"
TELEGRAM = ("4435e4e0-df6e-4301-8f35-ad70b12fc9ec", "82525328-9368-4966-8f0c-cd78e80181fd")
COUNTS = """
SELECT (SELECT count(*) FROM "AgentGraphExecution"),
       (SELECT count(*) FROM "AgentNodeExecution"),
       (SELECT count(*) FROM "AgentNodeExecutionInputOutput")
"""


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(seeded_database_url, copy_of=seeded_template) as running:
        yield running


@pytest.fixture(scope="module")
def reader(seeded_database_url_for_module: str) -> Iterator[Service]:
    with Service(seeded_database_url_for_module) as running:
        running.rows(
            """INSERT INTO "AgentGraphExecution"
                   (id, "agentGraphId", "agentGraphVersion", "userId", "createdAt",
                    "executionStatus")
               SELECT 'p' || place, 'g1', 1 + place % 2, 'alice',
                      timestamp '2026-02-01' + (place / 3) * interval '1 hour',
                      (ARRAY['FAILED', 'QUEUED'])[1 + place % 2]::"AgentExecutionStatus"
                 FROM generate_series(1, 10) AS place"""
        )
        yield running


def execution(service: Service, key: str, **columns: Any) -> None:
    """Change columns of a graph execution; JSON columns take Python values."""
    for name, value in columns.items():
        kind = (
            "jsonb"
            if name in {"inputs", "credentialInputs", "nodesInputMasks", "stats"}
            else "text"
        )
        service.rows(
            f'UPDATE "AgentGraphExecution" SET "{name}" = %(value)s::{kind} WHERE id = %(key)s',
            value=None if value is ... else json.dumps(value) if kind == "jsonb" else value,
            key=key,
        )


def node_execution(
    service: Service,
    key: str,
    node: str,
    data: Any,
    *,
    queued: str | None = "2026-01-01 01:00:00",
    status: str = "COMPLETED",
    added: str = "2026-01-01 00:00:00",
    graph_execution: str = "e3",
) -> None:
    service.rows(
        """INSERT INTO "AgentNodeExecution"
               (id, "agentGraphExecutionId", "agentNodeId", "addedTime", "queuedTime",
                "executionStatus", "executionData")
           VALUES (%(key)s, %(execution)s, %(node)s, %(added)s, %(queued)s,
                   %(status)s::text::"AgentExecutionStatus", %(data)s::jsonb)""",
        key=key,
        execution=graph_execution,
        node=node,
        added=added,
        queued=queued,
        status=status,
        data=None if data is ... else json.dumps(data),
    )


def node(service: Service, key: str, block: str) -> None:
    service.rows(
        """INSERT INTO "AgentBlock" VALUES (%(block)s, %(block)s, '{}', '{}')
               ON CONFLICT DO NOTHING""",
        block=block,
    )
    service.rows(
        """INSERT INTO "AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion")
           VALUES (%(key)s, %(block)s, 'g1', 1)""",
        key=key,
        block=block,
    )


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


# Lists ---------------------------------------------------------------------------------------

every_filter = st.fixed_dictionaries(
    {},
    optional={
        "graph_exec_id": st.sampled_from(["e1", "p3", "", None, "?"]),
        "graph_id": st.sampled_from(["g1", "g3", "", None]),
        "graph_version": st.sampled_from([1, 2, 0, None]),
        "user_id": st.sampled_from(["alice", "bob", "", None]),
        "statuses": st.sampled_from([["FAILED"], ["QUEUED", "RUNNING"], [], None]),
        "created_time_gte": st.sampled_from([None, "2026-02-01T01:00:00", "2026-01-02"]),
        "created_time_lte": st.sampled_from([None, "2026-02-01T01:00:00Z", "2026-01-02"]),
        "limit": st.none() | st.integers(-20, 20) | st.sampled_from([100_000, -100_000]),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=every_filter)
def test_a_list_is_filtered_ordered_and_cut(reader: Service, asked: dict[str, Any]) -> None:
    rows = reader.rows(
        """SELECT id, "agentGraphId", "agentGraphVersion", "userId", "executionStatus"::text,
                  "createdAt"
             FROM "AgentGraphExecution" AS one
            WHERE NOT "isDeleted" ORDER BY ctid"""
    )
    rows.sort(key=lambda row: row[5], reverse=True)  # stable: ties as they are read

    def wanted(row: tuple[Any, ...]) -> bool:
        moment = row[5].isoformat()
        versions = asked.get("graph_version")
        return (
            (not asked.get("graph_exec_id") or row[0] == asked["graph_exec_id"])
            and (not asked.get("graph_id") or row[1] == asked["graph_id"])
            and (versions is None or row[2] == versions)
            and (not asked.get("user_id") or row[3] == asked["user_id"])
            and (not asked.get("statuses") or row[4] in asked["statuses"])
            and (not asked.get("created_time_gte") or moment >= asked["created_time_gte"])
            and (moment <= (asked.get("created_time_lte") or "9").removesuffix("Z") or (
                asked.get("created_time_lte") == "2026-01-02" and moment == "2026-01-02T00:00:00"
            ))
        )  # fmt: skip

    expected = [row[0] for row in rows if wanted(row)]
    limit = asked.get("limit")
    if limit is not None:
        expected = expected[:limit] if limit >= 0 else expected[limit:]
    assert ids(reader.call("get_graph_executions", **asked)) == expected
    counted = {
        name: value
        for name, value in asked.items()
        if name not in {"graph_exec_id", "graph_version", "limit"}
    }
    everything = reader.call("get_graph_executions", **counted)
    assert reader.call("get_graph_executions_count", **counted) == len(everything)


def test_a_limit_beyond_64_bits_is_refused(reader: Service) -> None:
    with pytest.raises(InvalidValueError):
        reader.call("get_graph_executions", limit=2**63)
    with pytest.raises(InvalidValueError):
        reader.call("get_graph_executions", graph_version=2**31)


def test_children_are_those_that_are_not_deleted(reader: Service) -> None:
    assert ids(reader.call("get_child_graph_executions", parent_exec_id="e1")) == ["e2", "e3"]
    assert reader.call("get_child_graph_executions", parent_exec_id="?") == []


# The document --------------------------------------------------------------------------------


def shown(service: Service, key: str = "e3", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = service.call(
        "get_graph_execution", user_id="alice", execution_id=key, **more
    )
    return found


def test_inputs_and_outputs_are_those_of_the_agents_own_blocks(service: Service) -> None:
    execution(service, "e3", inputs=...)
    node_execution(
        service, "late", "n-out", {"name": "answer", "value": 2}, queued="2026-01-01 03:00"
    )
    node_execution(service, "early", "n-out", {"name": "answer"}, queued="2026-01-01 02:00")
    node_execution(service, "never", "n-out", {"name": "answer", "value": 3}, queued=None)
    node_execution(service, "other", "n-out", {"name": "more", "value": None})
    node_execution(service, "in1", "n-in", {"name": "topic", "value": 1})
    node_execution(
        service, "in2", "n-in", {"name": "topic", "value": [2]}, queued="2026-01-01 02:00"
    )
    node_execution(service, "std", "n-std", {"name": "hidden", "value": 9})
    node_execution(
        service, "open", "n-in", {"name": "topic", "value": 4}, queued=None, status="INCOMPLETE"
    )
    found = shown(service)
    assert found["outputs"] == {"answer": [None, 2, 3], "more": [None]}
    assert found["inputs"] == {"topic": [2]}
    assert "node_executions" not in found
    assert service.statements == 1
    with_nodes = shown(service, include_node_executions=True)
    nodes = with_nodes.pop("node_executions")
    assert with_nodes == found
    # By the moment of queueing; those never queued last, by the moment they were added.
    assert [each["node_exec_id"] for each in nodes] == [
        "other", "in1", "std", "early", "in2", "late", "never", "open",
    ]  # fmt: skip
    assert nodes[0] == service.call("get_node_execution", node_exec_id="other")


def test_stored_inputs_stand_before_those_of_blocks(service: Service) -> None:
    node_execution(service, "in1", "n-in", {"name": "topic", "value": 1})
    assert shown(service)["inputs"] == {"a": 1}
    nothing: tuple[Any, ...] = ({}, None, ...)
    for empty in nothing:
        execution(service, "e3", inputs=empty)
        assert shown(service)["inputs"] == {"topic": 1}


@pytest.mark.parametrize("block", [WEBHOOK, *TELEGRAM])
def test_a_webhooks_payload_is_an_input(service: Service, block: str) -> None:
    node(service, "n-hook", block)
    node_execution(service, "h1", "n-hook", {"payload": {"x": 1}, "other": 2})
    execution(service, "e3", inputs={"a": 1, "payload": "stored"})
    assert shown(service)["inputs"] == {"a": 1, "payload": {"x": 1}}
    node_execution(service, "h2", "n-hook", {"payload": None}, queued="2026-01-01 05:00")
    assert shown(service)["inputs"] == {"a": 1, "payload": None}
    execution(service, "e3", inputs=...)
    assert shown(service)["inputs"] == {"payload": None}


def test_an_execution_without_a_name_is_skipped(service: Service) -> None:
    node(service, "n-hook", WEBHOOK)
    execution(service, "e3", inputs=...)
    node_execution(service, "bad1", "n-in", {"value": 1})
    node_execution(service, "bad2", "n-out", {"name": 5, "value": 1})
    node_execution(service, "bad3", "n-out", [1, 2])
    node_execution(service, "bad4", "n-hook", {"body": 1})
    node_execution(service, "bad5", "n-out", ...)
    node_execution(service, "good", "n-out", '{"name": "answer", "value": 1}')
    found = shown(service)
    assert (found["inputs"], found["outputs"]) == ({}, {"answer": [1]})
    done = service.call("update_graph_execution_stats", graph_exec_id="e3", stats={})
    assert done["outputs"] == {"answer": [1]}


def test_the_newest_thousand_count(service: Service) -> None:
    service.rows(
        """INSERT INTO "AgentNodeExecution"
               (id, "agentGraphExecutionId", "agentNodeId", "addedTime", "queuedTime",
                "executionStatus", "executionData")
           SELECT 'many' || place, 'e3', 'n-out', '2026-01-01',
                  timestamp '2026-01-01' + place * interval '1 s', 'COMPLETED',
                  jsonb_build_object('name', 'n', 'value', place)
             FROM generate_series(1, 1001) AS place"""
    )
    assert shown(service)["outputs"] == {"n": list(range(2, 1002))}
    node_execution(service, "std", "n-std", {}, queued="2026-02-01")
    assert shown(service)["outputs"] == {"n": list(range(2, 1002))}
    found = shown(service, include_node_executions=True)
    assert found["outputs"] == {"n": list(range(3, 1002))}
    assert len(found["node_executions"]) == 1000
    # Those that wait for inputs come first among all, and are none of those that show.
    service.rows(
        """INSERT INTO "AgentNodeExecution"
               (id, "agentGraphExecutionId", "agentNodeId", "addedTime", "executionStatus")
           SELECT 'waiting' || place, 'e3', 'n-out',
                  timestamp '2026-03-01' + place * interval '1 s', 'INCOMPLETE'
             FROM generate_series(1, 1000) AS place"""
    )
    assert shown(service)["outputs"] == {"n": list(range(2, 1002))}
    found = shown(service, include_node_executions=True)["node_executions"]
    waiting = [f"waiting{place}" for place in range(1, 1001)]
    assert [each["node_exec_id"] for each in found] == waiting, "by when they were added"


@pytest.mark.parametrize("method", ["get_graph_execution", "get_graph_execution_meta"])
def test_it_is_the_users_own_and_not_deleted(service: Service, method: str) -> None:
    for user, key in (("bob", "e3"), ("alice", "e5"), ("alice", "?")):
        assert service.call(method, user_id=user, execution_id=key) is None
    assert service.call(method, user_id="alice", execution_id="e3")["id"] == "e3"


@pytest.mark.parametrize("method", ["get_graph_execution", "get_graph_execution_meta"])
def test_what_does_not_validate_is_refused(service: Service, method: str) -> None:
    def call() -> Any:
        return service.call(method, user_id="alice", execution_id="e3")

    for odd in ([1], [], "text", 0):
        execution(service, "e3", inputs=odd)
        with pytest.raises(ValidationFailedError):
            call()
    execution(service, "e3", inputs=..., credentialInputs={"a": {"id": "1", "type": "oauth2"}})
    with pytest.raises(ValidationFailedError):
        call()
    reference = {"id": "1", "provider": "p", "type": "oauth2", "title": None}
    execution(service, "e3", credentialInputs={"a": reference | {"more": 1}}, nodesInputMasks={})
    found = call()
    assert found["credential_inputs"] == {"a": reference}
    assert found["nodes_input_masks"] == {}
    execution(service, "e3", credentialInputs={}, nodesInputMasks=...)
    found = call()
    assert (found["credential_inputs"], found["nodes_input_masks"]) == (None, None)
    execution(service, "e3", stats={"cost": "7"})
    assert call()["stats"]["cost"] == 7


# Making one ----------------------------------------------------------------------------------


def create(service: Service, *starting: Any, **more: Any) -> Any:
    request = {
        "graph_id": "g1",
        "graph_version": 2,
        "starting_nodes_input": list(starting),
        "inputs": {"topic": "T"},
        "user_id": "alice",
    }
    return service.call("create_graph_execution", **(request | more))


def test_an_execution_is_made_with_its_nodes_and_their_inputs(service: Service) -> None:
    reference = {"id": "1", "provider": "p", "type": "oauth2", "title": None}
    made = create(
        service,
        ["n-std", {"data": "x", "tab\there": {"a": [1, None]}}],
        ["n-in", {}],
        ["n-std", {"data": None}],
        credential_inputs={"a": reference},
        nodes_input_masks={"n-std": {"data": 1}},
        parent_graph_exec_id="e1",
    )
    assert service.statements == 1
    nodes = made["node_executions"]
    assert [each["node_id"] for each in nodes] == ["n-std", "n-in", "n-std"]
    assert [each["input_data"] for each in nodes] == [
        {"data": "x", "tab\there": {"a": [1, None]}}, {}, {"data": None},
    ]  # fmt: skip
    assert {each["status"] for each in nodes} == {"QUEUED"}
    assert {each["add_time"] for each in nodes} == {each["queue_time"] for each in nodes}
    assert all(each["start_time"] is None and each["output_data"] == {} for each in nodes)
    assert made["status"] == "INCOMPLETE"
    assert made["credential_inputs"] == {"a": reference}
    assert made["nodes_input_masks"] == {"n-std": {"data": 1}}
    assert (made["stats"], made["started_at"], made["preset_id"]) == (None, None, None)
    stored = shown(service, made["id"], include_node_executions=True)
    assert stored["node_executions"].sort(key=str) == made["node_executions"].sort(key=str)
    assert stored == made
    columns = service.rows(
        """SELECT "createdAt" = "updatedAt", "createdAt" = date_trunc('milliseconds', "createdAt"),
                  "parentGraphExecutionId", "startedAt", stats
             FROM "AgentGraphExecution" WHERE id = %(key)s""",
        key=made["id"],
    )
    assert columns == [(True, True, "e1", None, None)]
    rows = service.rows(
        """SELECT count(*), count(DISTINCT "time"), count("referencedByOutputExecId")
             FROM "AgentNodeExecutionInputOutput" AS entry
             JOIN "AgentNodeExecution" AS execution
               ON execution.id = "referencedByInputExecId"
            WHERE "agentGraphExecutionId" = %(key)s AND "executionData" IS NULL""",
        key=made["id"],
    )
    assert rows == [(3, 1, 0)]


def test_what_is_not_given_is_stored_as_an_empty_object(service: Service) -> None:
    nothing: tuple[Any, ...] = ({}, None)
    for empty in nothing:
        made = create(service, credential_inputs=empty, nodes_input_masks=empty)
        assert (made["credential_inputs"], made["nodes_input_masks"]) == (None, {})
        assert made["node_executions"] == []
        assert service.rows(
            """SELECT "credentialInputs", "nodesInputMasks", inputs
                 FROM "AgentGraphExecution" WHERE id = %(key)s""",
            key=made["id"],
        ) == [({}, {}, {"topic": "T"})]


def test_its_inputs_and_outputs_show_at_once(service: Service) -> None:
    made = create(
        service,
        ["n-in", {"name": "topic", "value": 5}],
        ["n-out", {"name": "answer", "value": 6}],
        ["n-out", {"value": "without a name"}],
        inputs={},
    )
    assert (made["inputs"], made["outputs"]) == ({"topic": 5}, {"answer": [6]})


def test_two_calls_make_two(service: Service) -> None:
    assert create(service)["id"] != create(service)["id"]


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"graph_version": 9}, "AgentGraphExecution_agentGraphId_agentGraphVersion_fkey"),
        ({"user_id": "?"}, "AgentGraphExecution_userId_fkey"),
        ({"preset_id": ""}, "AgentGraphExecution_agentPresetId_fkey"),
        ({"parent_graph_exec_id": "?"}, "AgentGraphExecution_parentGraphExecutionId_fkey"),
        ({"starting_nodes_input": [["?", {}]]}, "AgentNodeExecution_agentNodeId_fkey"),
    ],
)
def test_what_it_names_must_exist(service: Service, wrong: Any, constraint: str) -> None:
    before = service.rows(COUNTS)
    with pytest.raises(ForeignKeyViolationError, match=constraint):
        create(service, ["n-in", {"a": 1}], **wrong)
    assert service.rows(COUNTS) == before


def test_malformed_starting_nodes_are_422(service: Service) -> None:
    pairs: list[Any] = [
        ["n-in"], ["n-in", {}, 1], [1, {}], ["n-in", []], "n-in", {"n-in": {}},
    ]  # fmt: skip
    for pair in pairs:
        with pytest.raises(ArgumentsInvalidError):
            create(service, pair)


def test_values_are_cleaned_and_names_are_not(service: Service) -> None:
    made = create(
        service,
        ["n-std", {"a\x01": "x\x00\x1fy", "_sa_name": {"_sa_gone": 1, "b\x7f": "\t"}, "_x": 1}],
        inputs={"_sa_gone": 1, "in\x0bner": "\x08"},
    )
    assert made["node_executions"][0]["input_data"] == {
        "a\x01": "xy",
        "_sa_name": {"b": "\t"},
        "_x": 1,
    }
    assert made["inputs"] == {"inner": ""}
    before = service.rows(COUNTS)
    with pytest.raises(InvalidValueError):
        create(service, ["n-std", {"a\0": 1}])
    with pytest.raises(InvalidValueError):
        create(service, ["n-\0", {"a": 1}])
    with pytest.raises(InvalidValueError):
        service.send(
            "create_graph_execution",
            b'{"graph_id":"g1","graph_version":2,"user_id":"alice","inputs":{"x":1e999},'
            b'"starting_nodes_input":[]}',
        )
    assert service.rows(COUNTS) == before


# Moving it on --------------------------------------------------------------------------------


def test_starting_asks_for_no_status(service: Service) -> None:
    for key in ("e1", "e5"):  # completed; deleted
        service.rows(
            """UPDATE "AgentGraphExecution" SET "endedAt" = '2026-01-01' WHERE id = %(key)s""",
            key=key,
        )
        found = service.call("update_graph_execution_start_time", graph_exec_id=key)
        assert service.statements == 1
        assert found["status"] == "RUNNING"
        assert found["ended_at"] == "2026-01-01T00:00:00Z"
        assert service.value(
            """SELECT "startedAt" = "updatedAt" FROM "AgentGraphExecution" WHERE id = %(key)s""",
            key=key,
        )
    assert service.call("update_graph_execution_start_time", graph_exec_id="?") is None


def test_stats_are_replaced_by_the_whole_model(service: Service) -> None:
    service.call(
        "update_graph_execution_stats",
        graph_exec_id="e5",
        stats={"cost": "3", "extra": {"_sa": 1, "k": "\x01v"}, "error": None, "walltime": 2},
    )
    stored = {
        "cost": 3,
        "extra": {"k": "v"},
        "error": None,
        "walltime": 2,
        "cputime": 0,
        "nodes_walltime": 0,
        "nodes_cputime": 0,
        "node_count": 0,
        "node_error_count": 0,
        "activity_status": None,
        "correctness_score": None,
    }
    query = """SELECT stats FROM "AgentGraphExecution" WHERE id = 'e5'"""
    assert service.value(query) == stored
    service.call("update_graph_execution_stats", graph_exec_id="e5", stats={})
    assert service.value(query) == {name: stored[name] for name in stored if name != "extra"} | {
        "cost": 0,
        "walltime": 0,
    }


def test_stats_of_nothing_and_nothing_of_stats_fail(service: Service) -> None:
    requests: list[dict[str, Any]] = [{"stats": {}}, {"status": "FAILED"}]
    for request in requests:
        with pytest.raises(RecordNotFoundError):
            service.call("update_graph_execution_stats", graph_exec_id="?", **request)
    with pytest.raises(InvalidValueError):
        service.call("update_graph_execution_stats", graph_exec_id="e1")
    with pytest.raises(InvalidValueError):
        service.call("update_graph_execution_stats", graph_exec_id="?", status="INCOMPLETE")


def test_resuming_keeps_the_end(service: Service) -> None:
    ended = service.call("update_graph_execution_stats", graph_exec_id="e4", status="TERMINATED")
    assert ended["ended_at"]
    resumed = service.call("update_graph_execution_stats", graph_exec_id="e4", status="QUEUED")
    assert resumed["status"] == "QUEUED"
    assert resumed["ended_at"] == ended["ended_at"]
