"""Node executions: their data, lists, inputs as they come in, outputs, and what nodes keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import ForeignKeyViolationError, InvalidValueError
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT_BLOCK = "363ae599-353e-4804-937e-b2ee3cef3da4"


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(seeded_database_url, copy_of=seeded_template) as running:
        yield running


@pytest.fixture(scope="module")
def reader(seeded_database_url_for_module: str) -> Iterator[Service]:
    with Service(seeded_database_url_for_module) as running:
        running.rows(
            """INSERT INTO "AgentNodeExecution"
                   (id, "agentGraphExecutionId", "agentNodeId", "addedTime", "queuedTime",
                    "executionStatus")
               SELECT 'p' || place, 'e1', (ARRAY['n-in', 'n-out', 'n-std'])[1 + place % 3],
                      timestamp '2026-02-01' + (place / 4) * interval '1 hour',
                      CASE WHEN place % 5 > 0
                           THEN timestamp '2026-02-01' + (place / 3) * interval '1 hour' END,
                      (ARRAY['FAILED', 'QUEUED'])[1 + place % 2]::"AgentExecutionStatus"
                 FROM generate_series(1, 15) AS place"""
        )
        yield running


def put(service: Service, key: str = "b1", **columns: Any) -> None:
    """Set the JSON columns of a node execution; `...` stands for SQL NULL."""
    for name, value in columns.items():
        service.rows(
            f'UPDATE "AgentNodeExecution" SET "{name}" = %(value)s::jsonb WHERE id = %(key)s',
            value=None if value is ... else json.dumps(value),
            key=key,
        )


def entry(
    service: Service, side: str, name: str, data: Any, time: str = "2026-01-01", key: str = "b1"
) -> None:
    service.rows(
        f"""INSERT INTO "AgentNodeExecutionInputOutput"
                (id, name, "time", "referencedBy{side}ExecId", data)
            VALUES (gen_random_uuid()::text, %(name)s, %(time)s, %(key)s, %(data)s::jsonb)""",
        name=name,
        time=time,
        key=key,
        data=None if data is ... else json.dumps(data),
    )


def get(service: Service, key: str = "b1") -> dict[str, Any]:
    found: dict[str, Any] = service.call("get_node_execution", node_exec_id=key)
    return found


# Data ----------------------------------------------------------------------------------------


def test_input_rows_by_name_the_later_wins(service: Service) -> None:
    entry(service, "Input", "a", "later", "2026-01-01 00:00:02")
    entry(service, "Input", "a", "earlier", "2026-01-01 00:00:01")
    entry(service, "Input", "b", "first")
    entry(service, "Input", "b", "second")
    entry(service, "Input", "c", '{"text": 1}')
    entry(service, "Input", "d", ...)
    entry(service, "Input", "e", None)
    assert get(service)["input_data"] == {
        "a": "later", "b": "second", "c": '{"text": 1}', "d": None, "e": None,
    }  # fmt: skip
    assert service.statements == 1


def test_output_rows_by_name_in_time_order(service: Service) -> None:
    entry(service, "Output", "a", 2, "2026-01-01 00:00:02")
    entry(service, "Output", "a", 1, "2026-01-01 00:00:01")
    entry(service, "Output", "a", ..., "2026-01-01 00:00:03")
    entry(service, "Output", "b", None)
    entry(service, "Output", "c", "first")
    entry(service, "Output", "c", "second")
    assert get(service)["output_data"] == {"a": [1, 2, None], "b": [None], "c": ["first", "second"]}
    found = service.call("get_execution_outputs_by_node_exec_id", node_exec_id="b1")
    assert found == {"a": [1, 2], "c": ["first", "second"]}
    assert service.call("get_execution_outputs_by_node_exec_id", node_exec_id="?") == {}


NOTHING: tuple[Any, ...] = (..., None, {}, [], "", 0, False)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"a": 1}, {"a": 1}),
        ([1], {"0": 1}),
        ('{"a": 2}', {"a": 2}),
        ("text", {"value": "text"}),
        (7, {"value": 7}),
        (True, {"value": True}),
        *((empty, {"row": 1}) for empty in NOTHING),
    ],
)
def test_execution_data_stands_before_input_rows(service: Service, stored: Any, shown: Any) -> None:
    entry(service, "Input", "row", 1)
    put(service, executionData=stored)
    assert get(service)["input_data"] == shown


def test_cleared_data_stands_before_all(service: Service) -> None:
    entry(service, "Input", "row", 1)
    entry(service, "Output", "row", 1)
    put(service, executionData={"a": 1})
    put(service, stats={"cleared_inputs": {"a": ["x", "y"], "b": []}, "walltime": "1.5"})
    assert get(service)["input_data"] == {"a": "y", "b": ""}
    assert get(service)["output_data"] == {"row": [1]}
    put(service, stats={"cleared_inputs": {}, "cleared_outputs": {"o": ["x", "y"], "p": []}})
    assert get(service)["input_data"] == {"a": 1}
    assert get(service)["output_data"] == {"o": ["x", "y"], "p": []}
    cleared = {"cleared_inputs": {"a": ["x"]}, "cleared_outputs": {"o": ["x"]}}
    for invalid in (
        {"walltime": None}, {"input_size": 1.5}, {"error": 1}, {"cleared_outputs": {"o": [1]}},
    ):  # fmt: skip
        put(service, stats=cleared | invalid)
        assert get(service)["input_data"] == {"a": 1}
        assert get(service)["output_data"] == {"row": [1]}
    for no_object in (json.dumps(cleared), [cleared], 5):
        put(service, stats=no_object)
        assert get(service)["input_data"] == {"a": 1}


def test_large_data_comes_back_as_it_is(service: Service) -> None:
    data = {"text": "ä" * 3_000_000, "list": list(range(10_000))}
    service.call(
        "update_node_execution_status", node_exec_id="x4", status="QUEUED", execution_data=data
    )
    assert get(service, "x4")["input_data"] == data


def test_unknown_is_null(service: Service) -> None:
    assert service.call("get_node_execution", node_exec_id="?") is None
    assert service.call("get_latest_node_execution", node_id="n-g3", graph_eid="?") is None
    with pytest.raises(InvalidValueError):
        service.call("update_node_execution_status", node_exec_id="?", status="RUNNING")
    with pytest.raises(InvalidValueError):
        service.call("get_node_execution", node_exec_id="\0")


# Lists ---------------------------------------------------------------------------------------

every_filter = st.fixed_dictionaries(
    {},
    optional={
        "graph_exec_id": st.sampled_from(["e1", "e4", "?", "", None]),
        "node_id": st.sampled_from(["n-in", "n-out", "n-g3", "", None]),
        "block_ids": st.sampled_from([[OUTPUT_BLOCK], [OUTPUT_BLOCK, "?"], [], None]),
        "statuses": st.sampled_from([["FAILED"], ["QUEUED", "INCOMPLETE"], [], None]),
        "created_time_gte": st.sampled_from([None, "2026-02-01T01:00:00", "2026-01-02"]),
        "created_time_lte": st.sampled_from([None, "2026-02-01T01:00:00", "2026-01-02T00:00:00"]),
        "limit": st.none() | st.integers(-20, 20) | st.sampled_from([100_000, -100_000]),
        "include_exec_data": st.booleans(),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=every_filter)
def test_a_list_is_filtered_ordered_and_cut(reader: Service, asked: dict[str, Any]) -> None:
    rows = reader.rows(
        """SELECT execution.id, "agentGraphExecutionId", "agentNodeId", "agentBlockId",
                  "executionStatus"::text, "addedTime"
             FROM "AgentNodeExecution" AS execution
             JOIN "AgentNode" AS node ON node.id = "agentNodeId"
            ORDER BY "queuedTime" DESC, "addedTime" DESC, execution.ctid"""
    )
    expected = [
        row[0]
        for row in rows
        if (not asked.get("graph_exec_id") or row[1] == asked["graph_exec_id"])
        and (not asked.get("node_id") or row[2] == asked["node_id"])
        and (not asked.get("block_ids") or row[3] in asked["block_ids"])
        and (not asked.get("statuses") or row[4] in asked["statuses"])
        and (asked.get("created_time_gte") or "") <= row[5].isoformat()
        and row[5].isoformat() <= (asked.get("created_time_lte") or "9")
    ]
    limit = asked.get("limit")
    if limit is not None:
        expected = expected[:limit] if limit >= 0 else expected[limit:]
    found = reader.call("get_node_executions", **asked)
    assert [each["node_exec_id"] for each in found] == expected
    assert reader.statements == 1


def test_a_list_without_its_rows(service: Service) -> None:
    entry(service, "Input", "row", 1)
    entry(service, "Output", "row", 1)
    request = {"graph_exec_id": "e4", "include_exec_data": False}

    def found() -> tuple[Any, ...]:
        (result,) = [
            each
            for each in service.call("get_node_executions", **request)
            if each["node_exec_id"] == "b1"
        ]
        return result["input_data"], result["output_data"], bool(result["block_id"])

    assert found() == ({}, {}, True)
    put(service, executionData={"a": 1})
    assert found() == ({"a": 1}, {}, True)
    put(service, stats={"cleared_inputs": {"a": ["x"]}, "cleared_outputs": {"o": ["y"]}})
    assert found() == ({"a": "x"}, {"o": ["y"]}, True)


def test_the_latest_is_the_last_queued_that_counts(service: Service) -> None:
    def latest() -> str:
        found = service.call("get_latest_node_execution", node_id="n-g3", graph_eid="e4")
        key: str = found["node_exec_id"]
        return key

    moments = {"b1": "2026-03-03", "b2": "2026-03-02", "b3": "2026-03-01"}
    for key, moment in moments.items():
        service.rows(
            """UPDATE "AgentNodeExecution" SET "queuedTime" = %(moment)s WHERE id = %(key)s""",
            key=key,
            moment=moment,
        )
    service.rows("""DELETE FROM "AgentNodeExecution" WHERE "queuedTime" IS NULL AND id <> 'x4'""")
    assert latest() == "b1"
    for status, key in (("INCOMPLETE", "b2"), ("REVIEW", "b2"), ("TERMINATED", "b1")):
        service.rows(
            """UPDATE "AgentNodeExecution"
                  SET "executionStatus" = %(status)s::text::"AgentExecutionStatus"
                WHERE id = 'b1'""",
            status=status,
        )
        assert latest() == key
    service.rows("""UPDATE "AgentNodeExecution" SET "queuedTime" = NULL WHERE id = 'b3'""")
    assert latest() == "b3", "never queued comes first"


# Changes -------------------------------------------------------------------------------------


def test_queued_must_come_with_its_input(service: Service) -> None:
    request = {"node_exec_id": "x4", "status": "QUEUED"}
    with pytest.raises(InvalidValueError):
        service.call("update_node_execution_status", **request)
    found = service.call("update_node_execution_status", **request, execution_data={})
    assert (found["status"], found["input_data"]) == ("QUEUED", {})
    assert found["queue_time"] >= "2026"
    assert found["block_id"] == OUTPUT_BLOCK


def test_what_is_stored_is_cleaned_and_replaced_whole(service: Service) -> None:
    request = {"node_exec_id": "x4", "status": "QUEUED"}
    service.call(
        "update_node_execution_status",
        **request,
        execution_data={"a\x01": "\0b", "_sa": 1},
        stats={"c": 1, "d": "\x1f"},
    )
    query = """SELECT "executionData", stats FROM "AgentNodeExecution" WHERE id = 'x4'"""
    assert service.rows(query) == [({"a": "b"}, {"c": 1, "d": ""})]
    service.call(
        "update_node_execution_status",
        node_exec_id="x4",
        status="RUNNING",
        execution_data={"_sa": 1},
        stats={"e": 1},
    )
    assert service.rows(query) == [({}, {"e": 1})]
    service.send(
        "update_node_execution_status",
        b'{"node_exec_id": "x4", "status": "FAILED", "execution_data": { }, "stats": {\n}}',
    )
    assert service.rows(query) == [({}, {"e": 1})]


def fill(service: Service, name: str, data: Any, **more: Any) -> Any:
    request = {"node_id": "n-out", "graph_exec_id": "e1", "input_name": name, "input_data": data}
    return service.call("upsert_execution_input", **(request | more))


def test_an_input_goes_to_the_oldest_that_waits_for_it(service: Service) -> None:
    result, given_inputs = fill(service, "a", 1)
    assert service.statements == 1
    assert result["node_exec_id"] == "x4"
    assert (result["block_id"], result["input_data"], result["status"]) == ("", {}, "INCOMPLETE")
    assert given_inputs == {"a": 1}
    result, given_inputs = fill(service, "b", None)
    assert (result["node_exec_id"], result["input_data"]) == ("x4", {"a": 1})
    assert given_inputs == {"a": 1, "b": None}
    assert service.value(
        """SELECT data = 'null' FROM "AgentNodeExecutionInputOutput" WHERE name = 'b'"""
    )
    # It has one of this name: another execution is made, which waits for the others.
    result, given_inputs = fill(service, "a", 2)
    fresh = result["node_exec_id"]
    assert fresh != "x4"
    assert (result["block_id"], result["input_data"], result["queue_time"]) == ("", {}, None)
    assert (result["user_id"], result["graph_version"]) == ("alice", 2)
    assert given_inputs == {"a": 2}
    result, given_inputs = fill(service, "b", 3)
    assert (result["node_exec_id"], given_inputs) == (fresh, {"a": 2, "b": 3})
    assert get(service, fresh)["input_data"] == {"a": 2, "b": 3}
    assert get(service, fresh)["block_id"] == OUTPUT_BLOCK


def test_an_input_of_yesterday_does_not_count(service: Service) -> None:
    entry(service, "Input", "a", ..., "2026-01-02", key="x4")
    entry(service, "Input", "b", ..., "2026-01-02", key="x4")
    result, given_inputs = fill(service, "a", "new")
    assert (result["node_exec_id"], result["input_data"]) == ("x4", {"a": None, "b": None})
    assert given_inputs == {"a": "new", "b": None}


def test_an_input_for_one_execution_goes_nowhere_else(service: Service) -> None:
    query = """SELECT (SELECT count(*) FROM "AgentNodeExecution"),
                      (SELECT count(*) FROM "AgentNodeExecutionInputOutput")"""
    assert fill(service, "a", 1, node_exec_id="x4")[0]["node_exec_id"] == "x4"
    before = service.rows(query)
    for wrong in (
        {"node_exec_id": "x4"},
        {"node_exec_id": "?", "input_name": "b"},
        {"node_exec_id": "x2", "input_name": "b"},
        {"node_exec_id": "x4", "input_name": "b", "graph_exec_id": "e4"},
        {"node_exec_id": "x4", "input_name": "b", "node_id": "n-in"},
    ):
        with pytest.raises(InvalidValueError):
            fill(service, wrong.get("input_name", "a"), 2, **wrong)
    for wrong in ({"graph_exec_id": "?"}, {"node_id": "?"}):
        with pytest.raises(ForeignKeyViolationError):
            fill(service, "a", 2, **wrong)
    assert service.rows(query) == before
    assert fill(service, "b", 1, node_exec_id="")[0]["node_exec_id"] == "x4"


def test_an_input_comes_back_as_it_was_sent(service: Service) -> None:
    sent = {"_sa": 1, "text": "\0\x01ä"}
    assert fill(service, "a", sent)[1] == {"a": sent}
    assert get(service, "x4")["input_data"] == {"a": {"text": "ä"}}


def test_an_output_of_null_has_no_value_however_many_come_at_once(service: Service) -> None:
    output = {"node_exec_id": "b1", "output_name": "nothing", "output_data": None}
    service.call("upsert_execution_output", **output)
    assert service.together([("upsert_execution_output", output)] * 8) == [None] * 8
    assert service.rows(
        """SELECT data IS NULL, count(*) FROM "AgentNodeExecutionInputOutput"
            WHERE name = 'nothing' GROUP BY 1"""
    ) == [(True, 9)]
    assert service.call("get_execution_outputs_by_node_exec_id", node_exec_id="b1") == {}


def test_values_of_one_millisecond_keep_their_order_wherever_their_rows_lie(
    service: Service,
) -> None:
    for data in range(8):
        service.call(
            "upsert_execution_output", node_exec_id="b1", output_name="o", output_data=data
        )
    service.together(
        ("upsert_execution_output", {"node_exec_id": "b1", "output_name": "o", "output_data": data})
        for data in range(8, 30)
    )
    for number in reversed(range(30)):  # each goes behind those that came after it
        service.rows(
            """UPDATE "AgentNodeExecutionInputOutput" SET "time" = '2026-01-01'
                WHERE "referencedByOutputExecId" = 'b1' AND data = %(data)s::jsonb""",
            data=str(number),
        )
    lie = service.rows(
        """SELECT data FROM "AgentNodeExecutionInputOutput"
            WHERE "referencedByOutputExecId" = 'b1' ORDER BY ctid"""
    )
    assert lie == [(data,) for data in reversed(range(30))]
    assert get(service)["output_data"] == {"o": list(range(30))}
    found = service.call("get_execution_outputs_by_node_exec_id", node_exec_id="b1")
    assert found == {"o": list(range(30))}


def test_outputs_accumulate(service: Service) -> None:
    for data in (1, None, {"_sa": 1, "k": "\x02"}, 1):
        assert (
            service.call(
                "upsert_execution_output", node_exec_id="b1", output_name="o", output_data=data
            )
            is None
        )
    assert get(service)["output_data"] == {"o": [1, None, {"k": ""}, 1]}
    assert (
        service.value(
            """SELECT count(*) FROM "AgentNodeExecutionInputOutput"
            WHERE "referencedByOutputExecId" = 'b1' AND data IS NULL"""
        )
        == 1
    )
    with pytest.raises(ForeignKeyViolationError):
        service.call("upsert_execution_output", node_exec_id="?", output_name="o", output_data=1)


# What nodes keep -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [0, 0.0, "", False, [], {}, None, 1, "x", True, [0], {"a": None}, "y" * 5000]
)
def test_a_falsy_value_is_no_value(service: Service, data: Any) -> None:
    key = {"user_id": "nobody", "key": "k"}
    stored = service.call("set_execution_kv_data", **key, node_exec_id="anything", data=data)
    assert stored == (data or None)
    assert service.call("get_execution_kv_data", **key) == (data or None)
    assert service.value("""SELECT data FROM "AgentNodeExecutionKeyValueData" """) == data


def test_a_value_is_overwritten(service: Service) -> None:
    key = {"user_id": "nobody", "key": "k"}
    service.call("set_execution_kv_data", **key, node_exec_id="x", data=1)
    service.rows("""UPDATE "AgentNodeExecutionKeyValueData" SET "createdAt" = '2020-01-01'""")
    service.call("set_execution_kv_data", **key, node_exec_id="y", data={"_sa": 1, "a": "\x01"})
    assert service.rows(
        """SELECT data, "agentNodeExecutionId", "createdAt" < "updatedAt"
             FROM "AgentNodeExecutionKeyValueData" """
    ) == [({"a": ""}, "y", True)]
    assert service.call("get_execution_kv_data", user_id="alice", key="k") is None
